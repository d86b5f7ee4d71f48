"""import: a dry run promises what the run does, the run does all or nothing, and its tokens open the gate."""

from __future__ import annotations

import json

import pytest
from django.test import Client as Browser

from mcp_guard import changes, testing
from mcp_guard.models import AllowedOrigin, AuditEvent, Client, Revision, Scope, Token, TokenSecret
from mcp_guard.policy.credential import TokenKind
from tests.template import urls
from tests.template.templates import EXAMPLE, example, leaves, template

pytestmark = pytest.mark.django_db

NOTES = ("--endpoint", "notes", "--client", "partner")
PAGE = "https://app.partner.example"
CALL = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "read_note", "arguments": {}}}


def rows():
    models = (Client, Scope, AllowedOrigin, Token, TokenSecret, AuditEvent)
    return [model.objects.count() for model in models], Revision.objects.filter(pk=1).values_list("n").first()


def post(text, origin=PAGE, tool="read_note"):
    headers = {"host": "testserver", "origin": origin, "x-mcp-auth-token": text}
    call = CALL | {"params": CALL["params"] | {"name": tool}}
    client = Browser(headers={name: value for name, value in headers.items() if value})
    return client.post("/mcp", call, content_type="application/json", secure=True).status_code


def test_the_example_is_imported_and_its_tokens_open_the_gate(run, settings, gate, take_over):
    settings.ROOT_URLCONF = "tests.template.urls"
    urls.reached.clear()
    take_over(str(EXAMPLE), *NOTES)

    result = run("import", str(EXAMPLE), *NOTES, "--json")

    assert (result.status, result.data["settings"]["missing"]) == (0, [])
    reader, editor = (token["token"] for token in result.data["tokens"])
    assert post(reader) == 200
    assert post(editor, tool="write_note") == 200
    assert post(editor, origin="https://desk.partner.example:8443", tool="write_note") == 200
    assert urls.reached == ["partner"] * 3
    assert post(editor) == 403
    assert post(reader, tool="delete_note") == 403
    assert post(reader, origin="https://evil.example") == 403
    assert post(reader, origin=None) == 403
    assert post("mcpg_" + "0" * 49) == 401
    assert urls.reached == ["partner"] * 3


@pytest.mark.parametrize("options", [NOTES, ()])
def test_a_dry_run_says_what_becomes_of_every_field_and_changes_nothing(run, options):
    before = rows()
    result = run("import", str(EXAMPLE), *options, "--dry-run", "--json")
    assert result.status == 0
    assert rows() == before
    assert {row["field"] for row in result.data["fields"]} >= set(leaves(example()))
    assert all(row["text"] for row in result.data["fields"])
    assert (result.data["dry_run"], result.data["tokens"]) == (True, [])
    assert "mcpg_" not in result.out + run("import", str(EXAMPLE), *options, "--dry-run").out


def test_fields_stand_in_the_order_of_the_file(run):
    fields = [row["field"] for row in run("import", str(EXAMPLE), "--dry-run", "--json").data["fields"]]
    order = leaves(example())
    places = [order.index(field) for field in fields if field in order]
    assert places == sorted(places)


def test_a_run_does_what_the_dry_run_said(run, take_over):
    take_over(str(EXAMPLE))
    said = run("import", str(EXAMPLE), "--dry-run", "--json").data
    done = run("import", str(EXAMPLE), "--json").data
    without_time = [{**row, "detail": row["detail"].partition(", until")[0]} for row in said["rows"]]
    assert without_time == [{**row, "detail": row["detail"].partition(", until")[0]} for row in done["rows"]]
    assert [row["result"] for row in done["rows"]] == [
        "added", "added", "added", "added", "issued", "added", "issued",
    ]  # fmt: skip
    assert Client.objects.get().name == "mcp_server"
    assert {row.origin: row.endpoints for row in AllowedOrigin.objects.all()} == {
        PAGE: ["mcp_server"], "https://desk.partner.example:8443": ["mcp_server"],
    }  # fmt: skip
    assert [(token.name, token.kind) for token in Token.objects.all()] == [
        ("editor", "browser"), ("reader", "browser"),
    ]  # fmt: skip
    assert {event.actor_label.partition(" by ")[0] for event in AuditEvent.objects.all()} == {
        "command mcp_guard import"
    }
    texts = [token["token"] for token in done["tokens"]]
    assert not [text for text in texts if text in json.dumps(list(AuditEvent.objects.values("after")))]


def test_the_text_of_a_token_is_shown_once_for_people_too(run, write, take_over):
    path = write(template(authentication={"tokens": [{"name": "ci", "allowed_capabilities": ["echo"]}]}))
    take_over(path, *NOTES)
    result = run("import", path, *NOTES)
    assert result.out.count("mcpg_") == 2  # the text, and its mask
    assert "This is the only time these tokens are shown" in result.out


def test_nothing_is_written_while_the_settings_say_less(run):
    before = rows()
    result = run("import", str(EXAMPLE), "--endpoint", "notes", "--json")
    assert result.status == 2
    assert rows() == before
    assert result.fields["MCP_GUARD['ENDPOINTS']['notes']['require_tls']"] == [
        "is absent; the template says True"
    ]
    assert result.fields["MCP_GUARD['ALERT_ON']"][0] == "lacks {'outcome': 'origin_not_listed'}"
    assert "--dry-run prints what to add" in result.data["error"]["message"]


def test_the_block_keeps_what_the_settings_say_and_shows_none_of_it(run, settings, take_over):
    secret, rule = "k" * 40, {"tag": "token:revoke"}
    guard = settings.MCP_GUARD | {"AUDIT_KEYS": [secret], "ALERT_ON": [rule]}
    settings.MCP_GUARD = guard
    assert secret not in run("import", str(EXAMPLE), *NOTES, "--dry-run").out
    take_over(str(EXAMPLE), *NOTES)
    assert settings.MCP_GUARD["AUDIT_KEYS"] == [secret]
    assert settings.MCP_GUARD["ALERT_ON"][0] == rule
    assert len(settings.MCP_GUARD["ALERT_ON"]) == 8
    assert settings.MCP_GUARD["ENDPOINTS"]["tools"] == guard["ENDPOINTS"]["tools"]
    assert settings.MCP_GUARD["ENDPOINTS"]["notes"]["profile"] == "partner"
    assert run("import", str(EXAMPLE), *NOTES, "--dry-run", "--json").data["settings"]["block"] == ""


def test_the_block_can_be_copied_from_the_text_as_it_stands(run):
    text = run("import", str(EXAMPLE), *NOTES, "--dry-run").out
    block = run("import", str(EXAMPLE), *NOTES, "--dry-run", "--json").data["settings"]["block"]
    assert f"\n\n{block}\n\ndry run: nothing was changed\n" in text


def test_a_project_without_the_setting_gets_a_whole_one(run, settings):
    settings.MCP_GUARD = {}
    block = run("import", str(EXAMPLE), "--dry-run", "--json").data["settings"]["block"]
    assert "**" not in block
    values: dict = {}
    exec(block, values)
    assert values["MCP_GUARD"]["ENDPOINTS"]["mcp_server"]["profile"] == "token"


@pytest.mark.parametrize(("tls", "profile"), [(None, "local"), (True, "token")])
def test_a_new_endpoint_on_loopback_without_tls_is_local(run, settings, write, tls, profile, take_over):
    section = {"bind_address": "127.0.0.1"} | ({} if tls is None else {"require_tls": tls})
    take_over(write(template(websocket=section)))
    assert settings.MCP_GUARD["ENDPOINTS"]["mcp_server"]["profile"] == profile


def test_what_lets_in_whom_no_template_names_is_closed(run, settings, write, take_over):
    opened = {"profile": "token", "any_origin": True, "public_scopes": ["notes-read"]}
    settings.MCP_GUARD = {"ENDPOINTS": {"notes": opened}}
    take_over(write(template(authentication={"rotation_warning_days": 9}, logging={})), *NOTES)
    assert settings.MCP_GUARD["ENDPOINTS"]["notes"] == opened | {"public_scopes": []}
    take_over(write(template(websocket={"allowed_origins": [PAGE]})), *NOTES)
    assert settings.MCP_GUARD["ENDPOINTS"]["notes"] == opened | {"public_scopes": [], "any_origin": False}


def test_what_a_template_does_not_speak_of_stays_as_it_is(run, settings, write):
    opened = {"profile": "token", "any_origin": True, "public_scopes": ["notes-read"]}
    settings.MCP_GUARD = {"ENDPOINTS": {"notes": opened}}
    path = write(template(logging={"log_connections": True}))
    assert run("import", path, *NOTES, "--json").data["settings"]["missing"] == []


def test_what_the_settings_could_not_hold_is_said_beside_its_field(run, write):
    section = {"token_header": "Cookie"}
    siem = {"url": "http://collector.example.com"}
    path = write(template(authentication=section, logging={"siem_integration": siem}))
    result = run("import", path, *NOTES, "--dry-run", "--json")
    assert result.status == 2
    assert set(result.fields) == {
        "mcp_server.authentication.token_header", "mcp_server.logging.siem_integration.url",
    }  # fmt: skip
    assert "already has a meaning" in result.fields["mcp_server.authentication.token_header"][0]


def test_twice_is_once(run, take_over):
    take_over(str(EXAMPLE), *NOTES)
    run("import", str(EXAMPLE), *NOTES)
    before = rows()
    result = run("import", str(EXAMPLE), *NOTES, "--json")
    assert {row["result"] for row in result.data["rows"]} == {"kept"}
    assert (result.data["tokens"], rows()) == ([], before)


def test_a_changed_template_changes_the_grants_of_the_same_tokens(run, write, take_over):
    take_over(str(EXAMPLE), *NOTES)
    run("import", str(EXAMPLE), *NOTES)
    changed = example()
    changed["mcp_server"]["authentication"]["tokens"][0]["allowed_capabilities"] = ["read_note"]
    result = run("import", write(changed), *NOTES, "--json")
    assert [row["name"] for row in result.data["rows"] if row["result"] == "set"] == ["partner-reader"]
    assert Scope.objects.get(name="partner-reader").grants == ["tools/call:read_note"]
    assert result.data["tokens"] == []


def test_rows_that_stand_against_it_are_reported_at_once_and_nothing_is_written(run):
    other = testing.add_client("other")
    testing.list_origin(PAGE, other, "notes")
    partner = testing.add_client("partner")
    row = testing.list_origin("https://desk.partner.example:8443", partner, "notes")
    changes.set_origin(testing.ACTOR, row, active=False)
    testing.grant_scope("partner-reader", "tools/call:delete_note")
    token = testing.issue_token(partner, "notes", name="editor").token
    result = run("import", str(EXAMPLE), *NOTES, "--dry-run", "--json")
    assert result.status == 2
    tokens = "mcp_server.authentication.tokens"
    assert {path: texts[0][:40] for path, texts in result.fields.items()} == {
        "mcp_server.websocket.allowed_origins[0]": f"{PAGE} is listed for"[:40],
        "mcp_server.websocket.allowed_origins[1]": "the row of https://desk.partner.example:",
        f"{tokens}[0].name": "there is a scope partner-reader that no ",
        f"{tokens}[1].name": f"token {token.pk} has this name, and another kind,"[:40],
    }
    assert not Scope.objects.filter(name="partner-editor").exists()


def test_an_origin_of_the_client_gets_the_endpoint_besides_those_it_has(run, take_over):
    partner = testing.add_client("partner")
    testing.list_origin(PAGE, partner, "tools")
    testing.list_origin("https://old.partner.example", partner, "notes")
    take_over(str(EXAMPLE), *NOTES)
    result = run("import", str(EXAMPLE), *NOTES, "--json")
    assert AllowedOrigin.objects.get(origin=PAGE).endpoints == ["tools", "notes"]
    assert any("https://old.partner.example" in warning for warning in result.data["warnings"])


def test_a_disabled_client_is_not_enabled(run):
    changes.set_client(testing.ACTOR, testing.add_client("partner"), active=False)
    result = run("import", str(EXAMPLE), *NOTES, "--dry-run", "--json")
    assert result.fields["mcp_server"] == [
        "the client partner is disabled: enable it first, or name another one"
    ]


def test_a_step_that_fails_undoes_the_ones_before_it(run, monkeypatch, take_over):
    take_over(str(EXAMPLE), *NOTES)
    before = rows()
    real, calls = changes.issue_token, []

    def fail(actor, **values):
        calls.append(values["name"])
        if len(calls) == 2:
            values["expires_at"] = values["expires_at"].replace(year=2000)
        return real(actor, **values)

    monkeypatch.setattr(changes, "issue_token", fail)
    result = run("import", str(EXAMPLE), *NOTES, "--json")
    assert (result.status, calls) == (2, ["reader", "editor"])
    assert result.fields == {"mcp_server.authentication.tokens[1]": ["expires_at: this moment has passed"]}
    assert rows() == before


def test_a_token_that_lives_too_long_is_refused_before_anything_is_written(run, write):
    tokens = [{"name": "ci", "expires": "91d", "allowed_capabilities": ["echo"]}]
    result = run("import", write(template(authentication={"tokens": tokens})), "--dry-run", "--json")
    assert list(result.fields) == ["mcp_server.authentication.tokens[0].expires"]
    assert "TOKEN_MAX_DAYS" in result.out


@pytest.mark.parametrize(
    ("websocket", "options", "kind", "warned"),
    [
        ({"allowed_origins": [PAGE], "require_origin_header": True}, (), TokenKind.BROWSER, ""),
        ({}, (), TokenKind.SERVER, ""),
        ({"allowed_origins": [PAGE]}, (), TokenKind.SERVER, "pages of the origins cannot use them"),
        ({"allowed_origins": [PAGE]}, ("--kind", "any"), TokenKind.ANY, "kind any works from every page"),
    ],
)
def test_the_kind_of_tokens_follows_from_whether_an_origin_is_required(
    run, write, websocket, options, kind, warned, take_over
):
    tokens = [{"name": "ci", "allowed_capabilities": ["echo"]}]
    path = write(template(websocket=websocket, authentication={"tokens": tokens}))
    take_over(path, *NOTES, *options)
    result = run("import", path, *NOTES, *options, "--json")
    assert Token.objects.get().kind == kind.value
    warnings = [warning for warning in result.data["warnings"] if "kind" in warning]
    assert warned in "".join(warnings)
    assert bool(warnings) is bool(warned)


@pytest.mark.parametrize(
    ("websocket", "proxies", "warned"),
    [
        ({}, [], ["plain HTTP is answered, where tokens can be read on their way: say require_tls"]),
        ({"bind_address": "127.0.0.1"}, [], []),
        ({"require_tls": True}, [], []),
        (
            {"bind_address": "127.0.0.1", "require_tls": True},
            [],
            ["a proxy that ends TLS on this machine has to stand in TRUSTED_PROXIES"],
        ),
        ({"bind_address": "127.0.0.1", "require_tls": True}, ["127.0.0.1"], []),
    ],
)
def test_what_tls_still_needs_is_said(run, write, settings, websocket, proxies, warned):
    settings.MCP_GUARD = settings.MCP_GUARD | {"TRUSTED_PROXIES": proxies}
    path = write(template(websocket=websocket, authentication={"method": "token"}))
    result = run("import", path, "--dry-run", "--json")
    assert result.data["warnings"] == warned


@pytest.mark.parametrize(
    ("websocket", "options", "text"),
    [
        ({"allowed_origins": [PAGE], "require_origin_header": True}, ("--kind", "server"), "only without"),
        ({}, ("--kind", "browser"), "names no page"),
        ({}, ("--endpoint", "public"), "reads no token"),
        ({"allowed_origins": [PAGE]}, ("--endpoint", "hooks"), "refuses pages"),
    ],
)
def test_what_the_endpoint_cannot_hold_is_refused(run, write, websocket, options, text):
    tokens = [{"name": "ci", "allowed_capabilities": ["echo"]}]
    path = write(template(websocket=websocket, authentication={"tokens": tokens}))
    result = run("import", path, "--client", "partner", *options, "--dry-run", "--json")
    assert result.status == 2
    assert text in json.dumps(result.fields)


def test_a_grant_that_would_open_nothing_is_refused(run, write):
    tokens = [{"name": "ci", "allowed_capabilities": ["http:POST"]}]
    result = run("import", write(template(authentication={"tokens": tokens})), *NOTES, "--dry-run", "--json")
    assert (
        "would open nothing" in result.fields["mcp_server.authentication.tokens[0].allowed_capabilities"][0]
    )


def test_a_foreign_value_is_not_taken_over_and_not_shown(run, write, take_over):
    value = "Zk3qLw8vRt5yNx2bHc7mJp4sGd9fUe6a"
    tokens = [{"name": "ci", "value": value, "allowed_capabilities": ["echo"]}]
    path = write(template(authentication={"tokens": tokens}))
    take_over(path, *NOTES)
    result = run("import", path, *NOTES, "--json")
    assert value not in result.out + result.err
    [line] = [row for row in result.data["fields"] if row["field"].endswith(".value")]
    assert line["becomes"] == "not taken"
    assert result.data["tokens"][0]["token"].startswith("mcpg_")


@pytest.mark.parametrize(
    ("arguments", "field"),
    [(("--endpoint", "No"), "endpoint"), (("--client", "a b"), "client"), (("--client", ""), "client")],
)
def test_names_that_are_none_are_refused(run, arguments, field):
    result = run("import", str(EXAMPLE), *arguments, "--dry-run", "--json")
    assert (result.status, list(result.fields)) == (2, [field])


def test_a_file_that_is_no_template_is_refused(run, write, tmp_path):
    assert list(run("import", str(tmp_path / "none"), "--json").fields) == ["file"]
    assert list(run("import", write("{"), "--json").fields) == ["file"]
    assert "template" in run("import", write("[]"), "--json").fields


def test_a_token_text_in_the_wrong_place_is_masked(run, write):
    text = testing.issue_token(testing.add_client("partner"), "notes").text
    for value in (template(websocket={text: 1, "bind_address": text}), {text: text}, text):
        result = run("import", write(value), "--json")
        assert result.status == 2
        assert text not in result.out + result.err
        assert text not in "".join(run("import", write(value))[1:])
