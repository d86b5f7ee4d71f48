"""A policy and a server object that notes what ran, for the tests of the MCP side."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from mcp_guard import testing
from mcp_guard.live.holder import holder
from mcp_guard.models import Client, Token
from tests.mcp.recorder import Recorder, recording_server

LISTED = "https://partner.example"


@dataclass
class Policy:
    """Tokens of two clients; ``secret`` is a tool that neither may call."""

    client: Client
    token: Token
    server: str
    browser: str
    other: str


@pytest.fixture
def policy(transactional_db) -> Iterator[Policy]:
    holder.forget()
    may = testing.grant_scope(
        "most",
        "tools/call:echo",
        "tools/call:whoami",
        "tools/call:wait",
        "tools/call:count",
        "tools/call:crash",
        "completion/complete",
        "prompts/get:p",
    )
    client, other = testing.add_client("partner"), testing.add_client("other")
    testing.list_origin(LISTED, client, "notes", "tools")
    server = testing.issue_token(client, "notes", "tools", scopes=[may])
    browser = testing.issue_token(client, "notes", scopes=[may], kind="browser")
    foreign = testing.issue_token(other, "notes", "tools", scopes=[may])
    yield Policy(client, server.token, server.text, browser.text, foreign.text)
    holder.forget()


@pytest.fixture
def recorder() -> Recorder:
    return recording_server()
