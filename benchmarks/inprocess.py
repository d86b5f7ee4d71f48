"""Time stacks inside of processes of their own, in turn and back again: neighbours in time compare."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass, field
from typing import Any, Final

from benchmarks.credentials import POOL
from benchmarks.environment import DATA
from benchmarks.stacks import STACKS, environment

LEAST: Final = 5
READ_SECONDS: Final = 60.0

Cell = tuple[str, str]
"""Name of the stack, name of the scenario."""


@dataclass(frozen=True, slots=True)
class Group:
    """Stacks that are asked the same, in one way."""

    mode: str
    scenarios: tuple[str, ...]
    stacks: tuple[str, ...]
    left_out: frozenset[Cell] = field(default_factory=frozenset)


GROUPS: Final = {
    "pure": Group(
        "asgi",
        ("allowed", "refused", "bad token", "preflight"),
        (
            "null",
            "null again",
            "null + bound",
            "null + guard",
            "null + guard, bodies judged",
            "null + guard, 10 of each",
            "null + guard, 100k origins",
            "null + guard, 1M tokens",
            "starlette",
            "starlette + cors",
            "starlette + sdk",
            "starlette + sdk, 1k",
        ),
    ),
    "sync chain": Group(
        "sync",
        ("allowed", "refused", "preflight"),
        (
            "django",
            "django again",
            "django + corsheaders",
            "django + corsheaders, 1k",
            "django + corsheaders, signal",
            "django + corsheaders, signal + drf",
            "django + corsheaders, signal + knox",
            "django + corsheaders, signal + api key",
            "django + guard middleware",
            "django + guard middleware, bodies judged",
        ),
    ),
    "async chain": Group(
        "async",
        ("allowed", "refused", "preflight"),
        (
            "django",
            "django again",
            "django + corsheaders",
            "django + guard middleware",
            "django + guard middleware, bodies judged",
        ),
    ),
    "django asgi": Group(
        "asgi",
        ("allowed", "refused", "preflight"),
        (
            "django",
            "django again",
            "django + corsheaders",
            "django + bound",
            "django + guard middleware",
            "django + guard front door",
        ),
    ),
    "handshake": Group(
        "handshake",
        ("allowed", "refused"),
        (
            "socket",
            "socket again",
            "socket + channels origins",
            "socket + channels origins, 1k",
            "socket + channels origins + drf",
            "socket + bound",
            "socket + guard",
            "socket + guard, own loop",
        ),
    ),
}


class Process:
    """A worker process."""

    def __init__(self, name: str, mode: str) -> None:
        child = environment(STACKS[name])
        child["MCP_GUARD_BENCHMARKS_ASYNC"] = "0" if mode == "sync" else "1"
        self._errors = (DATA / "workers.log").open("a")
        pin = ["taskset", "-c", str(max(os.sched_getaffinity(0)))]
        self._process = subprocess.Popen(
            [*pin, sys.executable, "-m", "benchmarks.worker"],
            env=child, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._errors,
        )  # fmt: skip
        self._read()

    def ask(self, do: str, **command: Any) -> dict[str, Any]:
        """Have the process do something and return its answer.

        Raises:
            RuntimeError: when it fails or has died.
        """
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"do": do, **command}) + "\n")
        self._process.stdin.flush()
        answer = self._read()
        if "error" in answer:
            raise RuntimeError(answer["error"])
        return answer

    def _read(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError("a worker has died; see var/benchmarks/workers.log")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def stop(self) -> None:
        """End the process."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._errors.close()


def run(group: Group, rounds: int, milliseconds: float) -> dict[str, dict[str, list[dict[str, Any]]]]:
    """Return every round of every scenario of every stack.

    Raises:
        RuntimeError: when a stack does not answer as it should; a wrong answer is not timed.
    """
    processes = {name: Process(name, group.mode) for name in group.stacks}
    cells: dict[str, dict[str, list[dict[str, Any]]]] = {
        name: {scenario: [] for scenario in group.scenarios} for name in group.stacks
    }
    try:
        for process in processes.values():
            _warm(process, group)
        for number in range(rounds):
            for scenario in group.scenarios:
                for name in group.stacks if number % 2 == 0 else group.stacks[::-1]:
                    answer = processes[name].ask(
                        "time", mode=group.mode, scenario=scenario, milliseconds=milliseconds, least=LEAST
                    )
                    _refuse_wrong(name, scenario, answer["status"])
                    cells[name][scenario].append(answer)
    finally:
        for process in processes.values():
            process.stop()
    return cells


def _warm(process: Process, group: Group) -> None:
    """Ask until the policy is read, which takes seconds where it is large, and every party came thrice."""
    end = time.monotonic() + READ_SECONDS
    while time.monotonic() < end:
        answers = [
            process.ask("time", mode=group.mode, scenario=scenario, milliseconds=60, least=3 * POOL)
            for scenario in group.scenarios
        ]
        process.ask("settle", seconds=0.5)
        if all(answer["status"] != 503 for answer in answers):
            return


def _refuse_wrong(name: str, scenario: str, status: Any) -> None:
    decides = any(word in name for word in ("guard", "bound"))
    expected = {"allowed": (200, "websocket.accept"), "preflight": (200, 204)}.get(scenario)
    if decides:
        expected = expected or (401, 403, "websocket.close")
    if expected is not None and status not in expected and not _is_bare(name, scenario):
        raise RuntimeError(f"{name} answers {scenario} with {status}")


def _is_bare(name: str, scenario: str) -> bool:
    """Whether a stack has nobody who would answer a preflight."""
    return scenario == "preflight" and name in {"null", "null again", "starlette", "django", "django again"}
