"""Run the security corpus against a corpus site, over raw sockets on loopback.

python -m tests.corpus --server daphne

The exit status is 1 when a case failed, 2 for wrong options.
"""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

from tests.corpus.case import Case, CaseFile
from tests.corpus.report import print_report, write_json
from tests.corpus.run import Result, Run

CASES: Final = Path(__file__).with_name("cases.json")
SERVERS: Final = ("daphne", "uvicorn")
COMMAND: Final = (
    f"{sys.executable} -m tests.corpus.site --policy {{policy}} --port {{port}} --server {{server}}"
)
"""Starts this project's site; the names in braces are filled in."""


def main() -> int:
    """Run the command line and return its exit status."""
    parser = _parser()
    options = parser.parse_args()
    file = CaseFile(options.cases)
    cases = _selected(parser, options, file)
    if options.list:
        for case in cases:
            print(f"{case.id:<22}{case.surface:<10}{case.policy:<17}{case.expected:<8}{case.note[:80]}")
        print(f"{len(cases)} cases")
        return 0
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    start = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="corpus-") as temporary:
        logs = options.logs or Path(temporary)
        logs.mkdir(parents=True, exist_ok=True)
        run = Run(file, options.command, options.server, logs, options.jobs)
        results = run.all(cases, {kind: f"--not-kind {kind}" for kind in options.not_kind})
    seconds = time.monotonic() - start
    print_report(results, run.remarks, options.server, seconds)
    if options.json:
        write_json(options.json, results, options.server, seconds)
    return 1 if any(_is_bad(result, options.server, strict=options.strict) for result in results) else 0


def _is_bad(result: Result, server: str, *, strict: bool) -> bool:
    if result.outcome == "skipped":
        return strict and server not in result.case.unreachable_on
    return result.outcome == "failed"


def _selected(parser: argparse.ArgumentParser, options: argparse.Namespace, file: CaseFile) -> list[Case]:
    known = {case.id for case in file.cases} | {case.kind for case in file.cases}
    for name in options.kind + options.not_kind + options.id:
        if name not in known:
            parser.error(f"no case or kind {name!r} in {options.cases}")
    cases = [
        case
        for case in file.cases
        if (not options.kind or case.kind in options.kind) and (not options.id or case.id in options.id)
    ]
    if not cases:
        parser.error("no case is selected")
    return cases


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tests.corpus", description=(__doc__ or "").splitlines()[0]
    )
    add = parser.add_argument
    add("cases", nargs="?", type=Path, default=CASES, help="case file (default: the one beside this module)")
    add("--command", default=COMMAND, help="starts a site; {policy}, {port} and {server} are filled in")
    add("--server", choices=SERVERS, default=SERVERS[0])
    add("--kind", action="append", default=[], help="only cases of this kind (repeatable)")
    add("--not-kind", action="append", default=[], help="skip cases of this kind (repeatable)")
    add("--id", action="append", default=[], help="only this case (repeatable)")
    add("--jobs", type=int, default=8, help="cases in flight at a time (default 8)")
    add("--list", action="store_true", help="print the selected cases and stop")
    add("--json", metavar="FILE", type=Path, help="also write the results as JSON")
    add(
        "--strict",
        action="store_true",
        help="exit 1 also for a skipped case, unless it is unreachable on this server",
    )
    add("--logs", metavar="DIR", type=Path, help="keep what the sites wrote in this directory")
    return parser


if __name__ == "__main__":
    sys.exit(main())
