"""The case file: what is sent, and what the guard has to make of it.

README.md describes the format.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

FORMAT: Final = 1
STATE_CHANGES: Final = ("@revoke", "@expire", "@remove_origin")
FLOODS: Final = frozenset({"flood", "ping_flood", "stall_read", "fragments_repeat"})

Text = str | dict[str, Any]
"""A string, or the descriptor of a long one; ``CaseFile.text`` resolves it."""


class CaseFileError(Exception):
    """The case file cannot be read; the text says why."""


@dataclass(frozen=True, slots=True)
class Case:
    """One request, preflight or conversation."""

    id: str
    surface: str
    policy: str
    given: dict[str, Any]
    expected: str
    status: list[int | str]
    close: list[int | str]
    headers: dict[str, str | list[str]]
    must: list[str]
    must_not: list[str]
    handler_runs: int | str
    by_server: dict[str, Any]
    unreachable_on: list[str]
    note: str
    source: str

    @property
    def kind(self) -> str:
        """The id without its number."""
        return self.id.rpartition("-")[0]

    @property
    def steps(self) -> list[Any]:
        """What is sent after the handshake, in order; empty for HTTP."""
        steps: list[Any] = self.given.get("messages", [])
        return steps

    @property
    def changes_state(self) -> bool:
        """Whether it changes the policy of its site, so that no other case may share that site."""
        return any(isinstance(step, str) and step.startswith(STATE_CHANGES) for step in self.steps)

    @property
    def floods(self) -> bool:
        """Whether it loads the site so much that it has to run alone."""
        return any(isinstance(step, dict) and FLOODS & step.keys() for step in self.steps)

    @property
    def stalls(self) -> bool:
        """Whether its client stops reading."""
        return any(isinstance(step, dict) and "stall_read" in step for step in self.steps)

    @property
    def log_checks(self) -> list[str]:
        """Those of ``must_not`` that look at what the site wrote."""
        return [check for check in self.must_not if check.startswith("log:")]

    @property
    def path(self) -> str:
        """The path where it stands plainly in the case; empty for one that is described or raw."""
        path = self.given.get("path", "")
        return path if isinstance(path, str) else ""


class CaseFile:
    """A case file with its named texts, header groups and check groups resolved.

    Raises:
        CaseFileError: for another format.
    """

    def __init__(self, path: Path) -> None:
        data = json.loads(path.read_text("utf-8"))
        if data.get("format") != FORMAT:
            raise CaseFileError(f"{path} is not of format {FORMAT}")
        self.policies: dict[str, dict[str, Any]] = data["policies"]
        self.texts: dict[str, str] = data["texts"]
        self.header_groups: dict[str, list[list[Any]]] = data["header_groups"]
        self.check_groups: dict[str, list[str]] = data["check_groups"]
        self.sources: dict[str, str] = data["sources"]
        self.cases = [self._case(entry) for entry in data["cases"]]

    def text(self, value: Text) -> str:
        """Return a text of the case file in full."""
        match value:
            case str():
                return value
            case {"text": name}:
                return self.texts[name]
            case {"parts": parts}:
                return "".join(self.text(part) for part in parts)
            case {"numbered": pattern, "count": count, "join": join}:
                return str(join).join(pattern.replace("%d", str(number)) for number in range(count))
            case {"repeat": unit, "count": count}:
                return (
                    value.get("prefix", "")
                    + unit * count
                    + value.get("suffix", "")
                    + value.get("suffix_repeat", "") * count
                )
        raise CaseFileError(f"unknown text descriptor {sorted(value)}")

    def _case(self, entry: dict[str, Any]) -> Case:
        given = dict(entry["given"])
        if "headers" in given:
            given["headers"] = self._headers(given["headers"])
        return Case(
            id=entry["id"],
            surface=entry["surface"],
            policy=entry["policy"],
            given=given,
            expected=entry["expected"],
            status=entry["expected_status"],
            close=entry.get("expected_close", []),
            headers=entry.get("expected_headers", {}),
            must=entry.get("must_contain", []),
            must_not=self._checks(entry.get("must_not_contain", [])),
            handler_runs=entry.get("handler_runs", _runs_by_default(entry)),
            by_server=entry.get("by_server", {}),
            unreachable_on=entry.get("unreachable_on", []),
            note=entry.get("note", ""),
            source=self.sources[entry["source"]],
        )

    def _headers(self, items: list[Any]) -> list[list[Any]]:
        return [
            pair for item in items for pair in (self.header_groups[item] if isinstance(item, str) else [item])
        ]

    def _checks(self, names: list[str]) -> list[str]:
        return [check for name in names for check in self.check_groups.get(name, [name])]


def _runs_by_default(entry: dict[str, Any]) -> int:
    """Return how often the WebSocket handler runs: once for each message of an allowed case."""
    if entry["expected"] != "allow":
        return 0
    steps = entry["given"].get("messages", [])
    return sum(1 for step in steps if not (isinstance(step, str) and step.startswith("@")))
