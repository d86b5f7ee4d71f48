"""Each registered server is an endpoint of its own: nothing that opens one opens another."""

from __future__ import annotations

import json

import pytest
from asgiref.testing import ApplicationCommunicator
from channels.db import database_sync_to_async
from django.core.exceptions import ImproperlyConfigured, ValidationError

from mcp_guard import changes, conf, gate, testing
from mcp_guard.asgi import guard
from mcp_guard.conf.servers import UNKNOWN
from mcp_guard.live import load
from mcp_guard.live.holder import holder
from mcp_guard.live.servers import endpoint_of, registered
from mcp_guard.models import EndpointState, RegisteredServer, TokenSecret
from mcp_guard.policy.decision import Admitted, Reason
from mcp_guard.policy.scopes import Operation
from mcp_guard.tokens import digest
from mcp_guard.writing import policy_write
from tests.live.exchange import running
from tests.live.heads import head, http_scope
from tests.registry.registering import ADA, add, approve, approved

CALL = Operation("tools/call", "read_file")


@pytest.fixture
def two(policy) -> dict[str, str]:
    return of_two()


def of_two() -> dict[str, str]:
    """Return the token of each of two servers; both have a tool of the same name, and one scope opens it."""
    scope = testing.grant_scope("reading", "tools/call:read_file")
    client = testing.add_client()
    found = {}
    for name in ("files", "mail"):
        approved(name)
        found[name] = testing.issue_token(client, f"servers.{name}", scopes=[scope]).text
    return found


def judged(name: str, token: str | None, **headers: str):
    """Return what becomes of a call of the tool at a server."""
    if token is not None:
        headers["authorization"] = f"Bearer {token}"
    endpoint = conf.endpoint(f"servers.{name}" if name != UNKNOWN else UNKNOWN)
    sent = head(endpoint, **headers)
    settled = gate.settle(endpoint, sent, gate.judge(endpoint, sent))
    return gate.permit(settled, CALL) if isinstance(settled, Admitted) else settled


def test_a_token_opens_the_tool_of_its_own_server_alone(two):
    outcomes = {(token, name): judged(name, two[token]) for token in two for name in two}

    assert isinstance(outcomes["files", "files"], Admitted)
    assert isinstance(outcomes["mail", "mail"], Admitted)
    for pair in (("files", "mail"), ("mail", "files")):
        assert outcomes[pair].reason is Reason.TOKEN_WRONG_ENDPOINT


async def ran_behind(name: str, token: str, ran: list[str]) -> int:
    """Return the status of a call, of which the application behind the gate notes that it ran."""

    async def app(scope, receive, send) -> None:
        ran.append(name)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"{}"})

    message = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "read_file"}}
    body = json.dumps(message).encode()
    scope = {
        **http_scope(
            authorization=f"Bearer {token}", content_type="application/json", content_length=str(len(body))
        ),
        "method": "POST",
    }
    asked = ApplicationCommunicator(guard(app, f"servers.{name}"), scope)
    await asked.send_input({"type": "http.request", "body": body})
    return (await asked.receive_output())["status"]


async def test_the_server_of_another_does_not_run(live_policy):
    token = await database_sync_to_async(of_two)()
    ran: list[str] = []

    statuses = [await ran_behind(name, token["files"], ran) for name in ("files", "mail")]

    assert (statuses, ran) == ([200, 401], ["files"])


async def stays_open(scope, receive, send) -> None:
    await send(
        {"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/event-stream")]}
    )
    await send({"type": "http.response.body", "body": b"data: 1\n\n", "more_body": True})
    while (await receive())["type"] != "http.disconnect":
        pass


@pytest.mark.parametrize(
    "change", [{"enabled": False}, {"arguments": ["--more"]}], ids=["disabled", "changed"]
)
async def test_what_is_open_ends_when_its_server_may_run_no_more(live_policy, change):
    token = await database_sync_to_async(of_two)()
    scope = http_scope(authorization=f"Bearer {token['files']}")
    async with running(guard(stays_open, "servers.files"), scope) as exchange:
        await exchange.until("http.response.body", body=b"data: 1\n\n")
        row = await database_sync_to_async(RegisteredServer.objects.get)(name="files")

        await database_sync_to_async(changes.set_server)(ADA, row, **change)

        await exchange.until("http.response.body", more_body=False)


def test_a_session_or_origin_of_one_server_is_not_let_in_at_another(policy):
    approved("files"), approved("mail")
    client = testing.add_client(scopes=[testing.grant_scope("reading", "tools/call:read_file")])
    testing.list_origin("https://app.acme.example", client, "servers.files")
    kinds = {"kind": "browser", "scopes": []}
    both = testing.issue_token(client, "servers.files", "servers.mail", **kinds).text

    found = {name: judged(name, both, origin="https://app.acme.example") for name in ("files", "mail")}

    assert found["files"].reason is Reason.SCOPE_INSUFFICIENT
    assert found["mail"].reason is Reason.ORIGIN_NOT_LISTED


def test_a_server_that_is_not_registered_looks_like_one_whose_token_is_another(two):
    unknown = judged(UNKNOWN, two["files"])
    other = judged("mail", two["files"])
    bare = [judged(name, None) for name in (UNKNOWN, "mail")]

    assert unknown == other
    assert bare[0] == bare[1]


async def test_names_that_clients_make_up_are_one_endpoint(live_policy):
    await database_sync_to_async(approved)("files")

    assert await endpoint_of("files") == "servers.files"
    for name in ("x", "", "../files", "FILES", "files.x", "a" * 4_000, "fi\x00les", "files/"):
        assert await endpoint_of(name) == UNKNOWN


def test_a_row_that_names_the_endpoint_of_the_unknown_lets_nobody_in(two):
    """No form lets it be named; whoever wrote it by hand gets no further than to a refusal."""
    token = TokenSecret.objects.get(digest=digest(two["files"]).hex()).token
    with policy_write():
        token.endpoints = [UNKNOWN]
        token.save()
    holder.forget_revision()

    assert judged(UNKNOWN, two["files"]).reason is Reason.SERVER_UNKNOWN


def test_what_is_refused_runs_again_once_it_is_approved(policy):
    row = add()
    token = testing.issue_token(testing.add_client(), "servers.files").text
    before = judged("files", token)
    approve(row)
    between = judged("files", token)
    changes.set_server(ADA, row, enabled=False)

    assert (before.reason, between.reason) == (Reason.SERVER_NOT_APPROVED, Reason.SCOPE_INSUFFICIENT)
    assert judged("files", token).reason is Reason.SERVER_DISABLED


def test_without_the_setting_no_row_makes_an_endpoint(policy, settings):
    approved()
    settings.MCP_GUARD = {key: value for key, value in settings.MCP_GUARD.items() if key != "SERVERS"}

    holder.refresh()

    assert not [name for name in holder.snapshot.endpoints if name.startswith(UNKNOWN)]
    assert registered("files") is None
    with pytest.raises(ImproperlyConfigured):
        conf.endpoint("servers.files")
    with pytest.raises(ValidationError, match="no SERVERS"):
        add("another")


def test_report_only_is_switched_for_one_server(policy):
    approved("files"), approved("mail")

    changes.report_only(ADA, "servers.files")

    assert load.load().endpoints["servers.files"].report_only_until > 0
    assert load.load().endpoints["servers.mail"].report_only_until == 0
    changes.remove_server(ADA, RegisteredServer.objects.get(name="files"))
    assert not EndpointState.objects.filter(name="servers.files").exists()


def test_a_server_is_removed_when_nothing_names_it_any_more(policy):
    """A later one of the same name must not inherit what was let in to this one."""
    row = approved("files")
    approved("file")
    client = testing.add_client()
    issued = testing.issue_token(client, "servers.files")
    with pytest.raises(ValidationError, match="tokens"):
        changes.remove_server(ADA, row)
    changes.revoke_token(ADA, issued.token)
    listed = testing.list_origin("https://app.acme.example", client, "servers.files")
    with pytest.raises(ValidationError, match="origins"):
        changes.remove_server(ADA, row)
    changes.unlist_origin(ADA, listed)

    changes.remove_server(ADA, row)

    assert judged("file", None).reason is Reason.CREDENTIAL_MISSING
    assert "servers.files" not in holder.snapshot.endpoints


def test_a_row_that_was_edited_by_hand_serves_nobody_and_is_named(policy):
    row = approved()
    with policy_write():
        RegisteredServer.objects.filter(pk=row.pk).update(arguments="rm -rf")
    holder.forget_revision()
    holder.refresh()

    assert holder.snapshot.endpoints["servers.files"].unserved is Reason.SERVER_UNUSABLE
    assert f"registered server #{row.pk}: arguments: this is not a list of texts" in holder.snapshot.problems


def test_rows_beyond_what_the_settings_let_be_are_left_out_and_said(policy, settings):
    for name in ("a", "b"):
        testing.register_server(name, "/usr/bin/env")
    settings.MCP_GUARD = settings.MCP_GUARD | {"SERVER_ROWS": 1}
    holder.refresh()

    assert registered("a") is not None
    assert "servers.b" not in holder.snapshot.endpoints
    assert any("the last ones are left out" in text for text in holder.snapshot.problems)


def test_a_looser_confinement_than_the_settings_allow_serves_nobody(policy, settings):
    settings.MCP_GUARD = settings.MCP_GUARD | {"SERVERS_LEVEL": "unconfined"}
    approved(level="unconfined")
    holder.refresh()
    allowed = registered("files")

    settings.MCP_GUARD = settings.MCP_GUARD | {"SERVERS_LEVEL": "landlock"}
    holder.refresh()

    assert allowed is not None
    assert holder.snapshot.endpoints["servers.files"].unserved is Reason.SERVER_UNUSABLE
    with pytest.raises(ValidationError, match="SERVERS_LEVEL"):
        add("another", level="unconfined")
