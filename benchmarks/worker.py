"""One process that serves one stack and times its requests. Commands come in and answers go out as JSON.

- ``asgi``: the ASGI application, called as a server would;
- ``sync``, ``async``: Django's chain of middleware and view alone, the request made within the time;
- ``handshake``: a WebSocket from its connect to the end of the application.
"""

from __future__ import annotations

import asyncio
import gc
import io
import json
import logging
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from time import perf_counter_ns
from typing import Any

from benchmarks import stacks, traffic

READ_SECONDS = 60.0
DISTANT_SECONDS = 86_400.0

Times = list[int]
Outcome = dict[str, Any]


class Deadline:
    """Says how many requests are to be timed: as many as the time allows, and some at least."""

    def __init__(self, milliseconds: float, least: int) -> None:
        self._end = perf_counter_ns() + int(milliseconds * 1e6)
        self._least = least

    def allows(self, done: int) -> bool:
        """Return whether to go on."""
        return done < self._least or perf_counter_ns() < self._end


class Worker:
    """What the process can time."""

    def __init__(self) -> None:
        from benchmarks.site import applications

        self.stack = stacks.of_process()
        self.loop = asyncio.new_event_loop()
        asyncio.set_event_loop(self.loop)
        self.loop.call_later(DISTANT_SECONDS, int)  # a loop that has a timer takes longer for each turn
        applications.set_up()
        self.app = applications.asgi()
        self._items: dict[tuple[str, str], list[Any]] = {}
        self._handlers: dict[str, Any] = {}

    def items(self, mode: str, scenario: str) -> list[Any]:
        """Return what is sent in turn."""
        if (mode, scenario) not in self._items:
            self._items[mode, scenario] = self._make(mode, scenario)
        return self._items[mode, scenario]

    def _make(self, mode: str, scenario: str) -> list[Any]:
        if mode == "handshake":
            found = traffic.socket_headers(self.stack, allowed=scenario == "allowed")
            return [traffic.socket_scope(headers) for headers in found]
        convert: Callable[[traffic.Request], Any] = traffic.environ if mode == "sync" else traffic.scope
        return [(convert(request), request.body) for request in traffic.requests(self.stack, scenario)]

    def time(self, mode: str, scenario: str, milliseconds: float, least: int) -> Outcome:
        """Return how long requests took, in nanoseconds, and what came back of the last one."""
        items, deadline = self.items(mode, scenario), Deadline(milliseconds, least)
        gc.collect()
        if mode == "sync":
            times, outcome = self._sync(items, deadline)
        else:
            run = {"asgi": self._asgi, "async": self._async, "handshake": self._handshake}[mode]
            times, outcome = self.loop.run_until_complete(run(items, deadline))
        times.sort()
        count = len(times)
        return {"n": count, "p50": times[count // 2], "p10": times[count // 10], **outcome}

    def handler(self, mode: str) -> Any:
        """Return Django's handler with its chain loaded."""
        if mode not in self._handlers:
            from django.core.handlers.asgi import ASGIHandler
            from django.core.handlers.wsgi import WSGIHandler

            self._handlers[mode] = WSGIHandler() if mode == "sync" else ASGIHandler()
        return self._handlers[mode]

    def _sync(self, items: list[Any], deadline: Deadline) -> tuple[Times, Outcome]:
        from django.core.handlers.wsgi import WSGIRequest

        handler, times, response = self.handler("sync"), [], None
        while deadline.allows(len(times)):
            environ, body = items[len(times) % len(items)]
            environ = {**environ, "wsgi.input": io.BytesIO(body), "wsgi.errors": sys.stderr}
            started = perf_counter_ns()
            response = handler.get_response(WSGIRequest(environ))
            times.append(perf_counter_ns() - started)
        return times, _told(response)

    async def _async(self, items: list[Any], deadline: Deadline) -> tuple[Times, Outcome]:
        from django.core.handlers.asgi import ASGIRequest

        handler, times, response = self.handler("async"), [], None
        while deadline.allows(len(times)):
            scope, body = items[len(times) % len(items)]
            scope = dict(scope)
            started = perf_counter_ns()
            response = await handler.get_response_async(ASGIRequest(scope, io.BytesIO(body)))
            times.append(perf_counter_ns() - started)
        return times, _told(response)

    async def _asgi(self, items: list[Any], deadline: Deadline) -> tuple[Times, Outcome]:
        app, times = self.app, list[int]()
        outcome: Outcome = {}
        is_sent = False

        async def receive() -> Any:
            nonlocal is_sent
            if is_sent:
                await self.loop.create_future()  # until it is cancelled
            is_sent = True
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(event: Any) -> None:
            if event["type"] == "http.response.start":
                outcome["status"] = event["status"]

        while deadline.allows(len(times)):
            scope, body = items[len(times) % len(items)]
            scope, is_sent = {**scope, "headers": list(scope["headers"])}, False
            started = perf_counter_ns()
            await app(scope, receive, send)
            times.append(perf_counter_ns() - started)
        return times, outcome

    async def _handshake(self, items: list[Any], deadline: Deadline) -> tuple[Times, Outcome]:
        app, times = self.app, list[int]()
        outcome: Outcome = {}
        while deadline.allows(len(times)):
            scope = dict(items[len(times) % len(items)])
            events: asyncio.Queue[Any] = asyncio.Queue()
            events.put_nowait({"type": "websocket.connect"})

            async def send(event: Any, events: asyncio.Queue[Any] = events) -> None:
                outcome["status"] = event["type"]
                events.put_nowait({"type": "websocket.disconnect", "code": 1000})

            started = perf_counter_ns()
            await app(scope, events.get, send)
            times.append(perf_counter_ns() - started)
        return times, outcome


def memory() -> Outcome:
    """Return what the policy of the guard takes in this process: bytes a token, and the collector's pause."""
    from mcp_guard.live.holder import holder

    gc.collect()
    without_policy, before = _collection(), _resident()
    end = time.monotonic() + READ_SECONDS
    while not holder.snapshot.tokens:
        if time.monotonic() > end:
            raise TimeoutError("the policy is not read")
        holder.refresh()
    tokens = len(holder.snapshot.tokens)
    gc.collect()
    return {
        "tokens": tokens,
        "bytes_per_token": (_resident() - before) / tokens,
        "pause_ms": _collection(),
        "pause_without_ms": without_policy,
    }


def _collection() -> float:
    times = []
    for _ in range(5):
        started = perf_counter_ns()
        gc.collect()
        times.append((perf_counter_ns() - started) / 1e6)
    return sorted(times)[2]


def _resident() -> int:
    with Path("/proc/self/smaps_rollup").open(encoding="ascii") as lines:
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))


def _told(response: Any) -> Outcome:
    return {"status": response.status_code}


def main() -> None:
    """Answer commands until stdin ends."""
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    logging.getLogger().addHandler(logging.NullHandler())
    logging.getLogger("mcp_guard").setLevel(logging.CRITICAL)
    logging.getLogger("django.request").setLevel(logging.CRITICAL)
    worker = Worker()
    print(json.dumps({"ready": worker.stack.name}), file=out, flush=True)
    for line in sys.stdin:
        command = json.loads(line)
        try:
            match command.pop("do"):
                case "time":
                    answer = worker.time(**command)
                case "memory":
                    answer = memory()
                case "settle":  # no collection walks over what is there for good
                    time.sleep(command["seconds"])
                    gc.collect()
                    gc.freeze()
                    answer = {}
        except Exception as error:  # noqa: BLE001 (told to whoever asked, with its name)
            answer = {"error": f"{type(error).__name__}: {error}"[:300]}
        print(json.dumps(answer), file=out, flush=True)
    os._exit(0)  # threads of peers must not keep it


if __name__ == "__main__":
    main()
