"""Pages in Chromium that open guarded WebSockets as the documentation says, on Daphne and uvicorn."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

import pytest
from playwright.sync_api import Page, sync_playwright

from tests.child import ROOT, SERVERS, serving
from tests.docs.pages import blocks
from tests.ports import free_port
from tests.victim.pages import serve_pages

pytestmark = pytest.mark.browser

SCRIPT: Final = (ROOT / "mcp_guard" / "static" / "mcp_guard" / "socket.js").read_text("utf-8")
PAGE: Final = ROOT / "docs" / "browser-websockets.md"

TOOLS: Final = """
async function listTools(socket) {
  const answers = [];
  const arrived = () => new Promise((done, failed) => {
    socket.onmessage = ({ data }) => done(JSON.parse(data));
    socket.onclose = ({ code }) => failed(new Error(`closed with ${code}`));
  });
  const ask = async (id, method, params) => {
    const answer = arrived();
    socket.send(JSON.stringify({ jsonrpc: "2.0", id, method, params }));
    return (await answer).result;
  };
  await ask(1, "initialize", {
    protocolVersion: "2025-06-18", capabilities: {}, clientInfo: { name: "page", version: "1" },
  });
  socket.send(JSON.stringify({ jsonrpc: "2.0", method: "notifications/initialized" }));
  const { tools } = await ask(2, "tools/list", {});
  return { protocol: socket.protocol, tools: tools.map((tool) => tool.name) };
}
"""
OPEN: Final = f"""async ([url, options]) => {{
  {SCRIPT.replace("export ", "")}
  {TOOLS}
  try {{ return await listTools(await openSocket(url, options)); }} catch (error) {{ return error.message; }}
}}"""
OFFER: Final = f"""async ([url, names]) => {{
  {TOOLS}
  const socket = new WebSocket(url, names);
  const opened = await new Promise((done) => {{
    socket.onopen = () => done(true); socket.onclose = () => done(false);
  }});
  return opened ? await listTools(socket) : "the socket was refused";
}}"""
TICKET: Final = """async ([url, token]) => {
  const headers = { "Content-Type": "application/json", Authorization: `Bearer ${token}` };
  const answer = await fetch(url, { method: "POST", headers, body: "{}" });
  return (await answer.json()).ticket;
}"""
LISTED: Final = {"protocol": "mcp", "tools": ["read_note"]}
REFUSED: Final = "the socket was refused"


class Served(NamedTuple):
    """A site that runs, the port of the pages, and what lets them in. ``log`` is what the server wrote."""

    port: int
    pages: int
    token: str
    session: str
    log: Path

    @property
    def socket(self) -> str:
        return f"ws://127.0.0.1:{self.port}/ws/mcp"

    @property
    def ticket(self) -> str:
        return f"http://127.0.0.1:{self.port}/mcp/ticket"


@pytest.fixture(scope="module", params=SERVERS)
def served(request: Any, tmp_path_factory: Any) -> Iterator[Served]:
    folder: Path = tmp_path_factory.mktemp(request.param)
    environment = {
        "DJANGO_SETTINGS_MODULE": "tests.browser.sockets.settings",
        "DATABASE_URL": f"sqlite:///{folder / 'db.sqlite3'}",
    }
    port, log = free_port(), folder / "log"
    command = [*SERVERS[request.param], str(port), "tests.browser.sockets.asgi:application"]
    with serve_pages() as pages:
        prepared = subprocess.run(
            [sys.executable, "-m", "tests.browser.sockets.prepare", f"http://127.0.0.1:{pages}"],
            cwd=ROOT,
            env={**os.environ, **environment},
            check=True,
            capture_output=True,
            text=True,
            timeout=120,
        )
        said = json.loads(prepared.stdout)
        with serving(*command, port=port, log=log, environment=environment):
            yield Served(port, pages, said["token"], said["session"], log)


@pytest.fixture
def page(chromium: str, served: Served) -> Iterator[Page]:
    """Open a page of the listed origin."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        opened = browser.new_page()
        opened.goto(f"http://127.0.0.1:{served.pages}/")
        yield opened
        browser.close()


def login(page: Page, served: Served) -> None:
    cookie = {"name": "sessionid", "value": served.session, "url": f"http://127.0.0.1:{served.port}"}
    page.context.add_cookies([cookie])  # type: ignore[list-item]


def test_a_page_lists_tools_with_its_token(page: Page, served: Served):
    options = {"ticketUrl": served.ticket, "token": served.token}

    assert page.evaluate(OPEN, [served.socket, options]) == LISTED
    assert page.evaluate(OPEN, [served.socket, options]) == LISTED


def test_a_page_lists_tools_with_its_session(page: Page, served: Served):
    options = {"ticketUrl": served.ticket, "credentials": "include"}
    assert page.evaluate(OPEN, [served.socket, options]) == "no ticket: 401"

    login(page, served)

    assert page.evaluate(OPEN, [served.socket, options]) == LISTED
    assert page.evaluate(OPEN, [served.socket, options | {"credentials": "omit"}]) == "no ticket: 401"


def test_a_page_of_another_origin_gets_neither_a_ticket_nor_a_socket(page: Page, served: Served):
    login(page, served)
    ticket = page.evaluate(TICKET, [served.ticket, served.token])

    page.goto(f"http://localhost:{served.pages}/")

    for options in ({"token": served.token}, {"credentials": "include"}):
        said = page.evaluate(OPEN, [served.socket, {"ticketUrl": served.ticket, **options}])
        assert said == "Failed to fetch"
    assert page.evaluate(OFFER, [f"{served.socket}?ticket={ticket}", ["mcp"]]) == REFUSED
    page.goto(f"http://127.0.0.1:{served.pages}/")
    assert page.evaluate(OFFER, [f"{served.socket}?ticket={ticket}", ["mcp"]]) == LISTED


def test_a_ticket_opens_one_socket(page: Page, served: Served):
    ticket = page.evaluate(TICKET, [served.ticket, served.token])

    said = [page.evaluate(OFFER, [f"{served.socket}?ticket={ticket}", ["mcp"]]) for _ in range(2)]

    assert said == [LISTED, REFUSED]


def test_a_page_lists_tools_with_its_token_among_the_subprotocols(page: Page, served: Served):
    text = page.evaluate(
        "t => btoa(t).replaceAll('+', '-').replaceAll('/', '_').replace(/=+$/, '')", served.token
    )

    assert page.evaluate(OFFER, [served.socket, ["mcp", f"mcp.auth.{text}"]]) == LISTED
    assert page.evaluate(OFFER, [served.socket, ["mcp", f"mcp.auth.{text[:-1]}"]]) == REFUSED
    assert page.evaluate(OFFER, [served.socket, ["mcp"]]) == REFUSED
    assert text not in served.log.read_text("utf-8", "replace")


def test_the_documentation_shows_the_script_as_it_is():
    shown = [block.text for block in blocks(PAGE) if block.language == "js"]

    assert SCRIPT.strip() in [text.strip() for text in shown]
    assert "import { openSocket }" in shown[0]
