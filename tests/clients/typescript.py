"""The TypeScript client, in Node and in a page of Chromium."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Final

from tests import node
from tests.clients.job import Job, Seen

if TYPE_CHECKING:
    from playwright.sync_api import Page

HERE: Final = Path(__file__).parent
SECONDS: Final = 120
PAGE: Final = '<!doctype html><meta charset="utf-8"><title>Visit</title><script src="page.js"></script>'


def visit_in_node(jobs: Sequence[Job]) -> list[Seen]:
    """Return what the client sees in Node, job by job."""
    done = node.run(HERE / "in_node.mjs", json.dumps([asdict(job) for job in jobs]), timeout=SECONDS)
    assert done.returncode == 0, done.stderr
    return [Seen(**seen) for seen in json.loads(done.stdout)]


def visit_in_page(page: Page, jobs: Sequence[Job]) -> list[Seen]:
    """Return what the client sees in a page, job by job."""
    return [Seen(**page.evaluate("(job) => visit(job)", asdict(job))) for job in jobs]


@contextmanager
def pages(directory: Path) -> Iterator[int]:
    """Serve a page with the client in it on the loopback interface; return the port."""
    bundler = node.PACKAGES / "esbuild" / "bin" / "esbuild"
    output = directory / "page.js"
    done = node.run(
        bundler, HERE / "in_page.mjs", "--bundle", "--format=iife", f"--outfile={output}", timeout=SECONDS
    )
    assert done.returncode == 0, done.stderr
    (directory / "index.html").write_text(PAGE)
    handler = partial(_Quiet, directory=str(directory))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port
        server.shutdown()


@contextmanager
def browsing(chromium: str, origin: str) -> Iterator[Page]:
    """Open the page of an origin in Chromium."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page()
        page.goto(origin)
        yield page
        browser.close()


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Write nothing."""
