"""Print what each attack does to the control and to the gate: ``python -m tests.victim``."""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

from tests.conftest import chromium_path, missing_browser
from tests.victim.browser import victims_browser
from tests.victim.pages import serve_pages
from tests.victim.play import table
from tests.victim.site_process import SERVERS, serve_site


def main() -> None:
    """Play on every server."""
    chromium = chromium_path()
    if chromium is None:
        sys.exit(missing_browser())
    with tempfile.TemporaryDirectory() as name, serve_pages() as pages:
        folder = Path(name)
        with victims_browser(chromium, folder, pages) as browser:
            for server in SERVERS:
                started = time.monotonic()
                with serve_site(server, folder, pages) as site:
                    rows = table(browser, site)
                print(f"\n{server}, {time.monotonic() - started:.0f} s\n")
                _print(rows)


def _print(rows: list[tuple[str, str, str]]) -> None:
    whole = [("attack", "control", "guard"), *rows]
    widths = [max(len(row[column]) for row in whole) for column in range(3)]
    for row in whole:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


if __name__ == "__main__":
    main()
