"""Print which clients work where, and what each of them shows when it is refused."""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

from tests.clients import matrix, refusals
from tests.conftest import chromium_path
from tests.node import missing_packages


def main() -> int:
    """Return 0 when every client works everywhere."""
    chromium = chromium_path()
    if chromium is None or missing_packages():
        print(missing_packages() or "there is no Chromium", file=sys.stderr)
        return 2
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as other:
        found = matrix.play(Path(one), chromium)
        shown, _ = refusals.play(Path(other), chromium)
    print(*matrix.table(found), "", *refusals.table(shown), sep="\n")
    print(f"\n{time.monotonic() - started:.0f} s")
    return 0 if set(found.values()) == {matrix.WORKS} else 1


if __name__ == "__main__":
    sys.exit(main())
