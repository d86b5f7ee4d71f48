"""Run the conformance suite against a URL and read what it noted, check by check."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

from tests import node

SECONDS: Final = 120
"""How long one suite may take; it takes about five."""


class Suite(NamedTuple):
    """One of the suites: the package that brings it, and what to run of it."""

    name: str
    package: str
    arguments: tuple[str, ...]

    @property
    def title(self) -> str:
        """What it is, with its version."""
        return f"{node.version(self.package)} {' '.join(self.arguments)}"


SUITES: Final = (
    Suite("all", "conformance-0.1", ("--suite", "all")),
    Suite("2025-11-25", "conformance-0.2", ("--requirements", "2025-11-25")),
    Suite("2026-07-28", "conformance-0.2", ("--requirements", "2026-07-28")),
)

REBINDING: Final = "dns-rebinding-protection"
"""The scenario that an unguarded server fails: a foreign Host together with its Origin."""

Check = tuple[str, str]
"""The id of a check and its status."""


@dataclass(frozen=True)
class Outcome:
    """What came of a suite: the exit status, and the checks of each scenario in their order."""

    exit_status: int
    scenarios: Mapping[str, tuple[Check, ...]]

    def counted(self, scenario: str) -> str:
        """Return how many checks of a scenario came out how."""
        counts = Counter(status for _, status in self.scenarios.get(scenario, ()))
        return " ".join(f"{counts[status]} {word}" for status, word in WORDS.items() if counts[status])

    @property
    def passed(self) -> int:
        """How many checks succeeded."""
        return sum(status == "SUCCESS" for checks in self.scenarios.values() for _, status in checks)


WORDS: Final = {"SUCCESS": "ok", "FAILURE": "failed", "WARNING": "warned", "SKIPPED": "skipped"}
"""The statuses that judge something; INFO only tells what went over the wire."""

_FOLDER = re.compile(r"server-(.+)-\d{4}-\d{2}-\d{2}T[\d-]+Z")


def run(suite: Suite, url: str, directory: Path) -> Outcome:
    """Run a suite; its notes go to the directory."""
    script = node.PACKAGES / suite.package / "dist" / "index.js"
    done = node.run(
        script, "server", "--url", url, *suite.arguments, "--output-dir", directory, timeout=SECONDS
    )
    scenarios = {_scenario(file): _checks(file) for file in sorted(directory.glob("*/checks.json"))}
    assert scenarios, f"the suite noted nothing: {done.stderr[-500:]}"
    return Outcome(done.returncode, scenarios)


def _scenario(file: Path) -> str:
    match = _FOLDER.fullmatch(file.parent.name)
    assert match, file
    return match[1]


def _checks(file: Path) -> tuple[Check, ...]:
    notes = json.loads(file.read_text())
    return tuple((note["id"], note["status"]) for note in notes if note["status"] in WORDS)
