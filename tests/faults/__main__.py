"""Run one fault: ``python -m tests.faults NAME [--quick] [--json FILE]``; without a name, list them.

Ends with status 1 when a promise was broken.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from pathlib import Path

from tests.faults.cases import FAULTS


def main() -> int:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults")
    parser.add_argument("name", nargs="?", choices=sorted(FAULTS))
    parser.add_argument("--quick", action="store_true", help="the short form, as the tests run it")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write figures and promises to a file")
    options = parser.parse_args()
    if options.name is None:
        for name, run in sorted(FAULTS.items()):
            print(f"{name:12} {(sys.modules[run.__module__].__doc__ or '').splitlines()[0]}")
        return 0
    report = asyncio.run(FAULTS[options.name](quick=options.quick))
    print("\n".join(report.lines()))
    if options.json:
        options.json.write_text(report.as_json() + "\n", "utf-8")
    return 1 if report.broken else 0


if __name__ == "__main__":
    sys.exit(main())
