"""Print what the conformance suite says of the guarded and the unguarded server, side by side."""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

from tests.conformance.comparison import COLUMNS, UNGUARDED, Column, Results, play
from tests.conformance.suite import REBINDING, SUITES, Suite
from tests.node import missing_packages

WIDTH = 46


def main() -> int:
    """Return 0 when the guarded server differs in nothing but the attack that it withstands."""
    if missing_packages():
        print(missing_packages(), file=sys.stderr)
        return 2
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as directory:
        results = play(Path(directory))
    differences = [line for suite in SUITES for line in show(suite, results)]
    print(*differences or ["No difference but in " + REBINDING + "."], sep="\n")
    print(f"{time.monotonic() - started:.0f} s")
    return 1 if differences else 0


def show(suite: Suite, results: Results) -> list[str]:
    """Print the table of one suite and return the differences that are none of the attack's."""
    print(f"\n{suite.title}\n{'':{WIDTH}}", *(f"{' '.join(column):18}" for column in COLUMNS))
    outcomes = {column: results[suite.name, column] for column in COLUMNS}
    differences = []
    for scenario in sorted({name for outcome in outcomes.values() for name in outcome.scenarios}):
        print(f"{scenario:{WIDTH}}", *(f"{outcomes[column].counted(scenario):18}" for column in COLUMNS))
        for column in COLUMNS:
            alone = outcomes[Column(column.server, UNGUARDED)].scenarios.get(scenario)
            if scenario != REBINDING and outcomes[column].scenarios.get(scenario) != alone:
                differences.append(f"{suite.name} {scenario} differs on {' '.join(column)}")
    print(f"{'checks passed':{WIDTH}}", *(f"{outcomes[column].passed:<18}" for column in COLUMNS))
    print(f"{'exit status':{WIDTH}}", *(f"{outcomes[column].exit_status:<18}" for column in COLUMNS))
    return differences


if __name__ == "__main__":
    sys.exit(main())
