"""An administrator's day: the demo site in two Daphne processes on PostgreSQL, and pages of other origins."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from tests.faults.process import ROOT, Child, accepts
from tests.ports import free_port
from tests.victim.pages import serve_pages

START_SECONDS: Final = 60
PATIENCE: Final = 30_000
"""How long to wait for what becomes visible within seconds, in milliseconds."""

SCREENSHOTS: Final = ROOT / "var" / "screenshots"

_CALL: Final = """async ([url, token]) => {
  const message = {jsonrpc: "2.0", id: 1, method: "initialize", params: {
    protocolVersion: "2025-06-18", capabilities: {}, clientInfo: {name: "page", version: "1"}}};
  const headers = {"Content-Type": "application/json", "Accept": "application/json, text/event-stream"};
  if (token) headers.Authorization = "Bearer " + token;
  try {
    const answer = await fetch(url, {method: "POST", headers, body: JSON.stringify(message)});
    return answer.status;
  } catch (error) { return String(error); }
}"""

BLOCKED: Final = "TypeError: Failed to fetch"
"""What a page learns of an answer that it may not read."""


@dataclass
class Day:
    """The running site. ``tokens`` are texts by kind; ``wrong`` is what went wrong in the admin's pages."""

    ports: list[int]
    pages: int
    tokens: dict[str, str]
    environment: dict[str, str]
    browser: Browser
    wrong: list[str]

    def origin(self, name: str) -> str:
        """Return the origin of the page of that name."""
        return f"http://{name}.localhost:{self.pages}"

    def visit(self, name: str) -> Page:
        """Open the page of that name in a browser of its own."""
        page = self.browser.new_context().new_page()
        page.goto(self.origin(name))
        return page

    def call(self, page: Page, token: str = "", process: int = 0) -> Any:
        """Let a page call the MCP server in one of the processes; return the status or what it was told."""
        return page.evaluate(_CALL, [f"http://127.0.0.1:{self.ports[process]}/mcp", token])

    def admin(self, width: int = 1280, scheme: str = "light", **options: Any) -> Page:
        """Open the admin of the first process with root logged in."""
        context = self.browser.new_context(
            base_url=f"http://127.0.0.1:{self.ports[0]}/admin/",
            viewport={"width": width, "height": 900},
            color_scheme=scheme,
            permissions=["clipboard-read", "clipboard-write"],
            **options,
        )
        page = context.new_page()
        page.set_default_timeout(PATIENCE)
        page.on("console", lambda m: self.wrong.append(m.text) if "Security Policy" in m.text else None)
        page.on("pageerror", lambda error: self.wrong.append(str(error)))
        page.on("dialog", lambda dialog: (self.wrong.append(dialog.message), dialog.dismiss()))
        page.goto("login/")
        page.get_by_label("Username").fill("root")
        page.get_by_label("Password").fill("root")
        page.keyboard.press("Enter")
        page.wait_for_url("**/admin/")
        return page

    def manage(self, *arguments: str) -> str:
        """Run ``manage.py mcp_guard`` on the site's database and return what it prints."""
        command = [sys.executable, "manage.py", "mcp_guard", *arguments]
        done = subprocess.run(
            command, cwd=ROOT, env=os.environ | self.environment, check=True, capture_output=True, text=True
        )
        return done.stdout


@contextmanager
def begin_day(chromium: str, postgres_url: str, folder: Path) -> Iterator[Day]:
    """Start the site and a browser; in the end nothing may have gone wrong in it."""
    environment = {
        "DATABASE_URL": postgres_url,
        "DJANGO_SETTINGS_MODULE": "tests.browser.day_settings",
        "SECRET_KEY": "tests only",
    }
    prepared = subprocess.run(
        [sys.executable, "-m", "tests.browser.prepare_day"],
        cwd=ROOT, env=os.environ | environment, check=True, capture_output=True, text=True,
    )  # fmt: skip
    wrong: list[str] = []
    with ExitStack() as stack:
        pages = stack.enter_context(serve_pages())
        ports = [_serve(stack, environment, folder / f"daphne-{number}.log") for number in range(2)]
        playwright = stack.enter_context(sync_playwright())
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        stack.callback(browser.close)
        yield Day(ports, pages, json.loads(prepared.stdout), environment, browser, wrong)
    assert not wrong


def until_shown(page: Page, path: str, text: str) -> None:
    """Load a page again and again until a text stands on it: processes write what they saw within seconds."""
    for _ in range(PATIENCE // 500):
        page.goto(path)
        if page.get_by_text(text).count():
            return
        page.wait_for_timeout(500)
    pytest.fail(f"{text!r} did not appear on {path}")


def _serve(stack: ExitStack, environment: dict[str, str], log: Path) -> int:
    port = free_port()
    command = ["-m", "daphne", "-v", "0", "-b", "127.0.0.1", "-p", str(port), "project.asgi:application"]
    child = Child([sys.executable, *command], log, environment=environment)
    stack.callback(child.stop)
    child.wait_until(lambda: accepts(port), START_SECONDS)
    return port
