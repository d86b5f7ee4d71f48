"""check and status: the gate's own answer with its reason, and what of the policy cannot be used."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from mcp_guard import gate
from mcp_guard.audit.counts import decisions
from mcp_guard.audit.uses import uses
from mcp_guard.explain.reasons import ADVICE, Step, advice
from mcp_guard.models import (
    AllowedOrigin,
    AuditEvent,
    Client,
    EndpointState,
    GrantUse,
    Revision,
    Scope,
    Token,
    TokenUse,
)
from mcp_guard.policy.decision import Reason
from mcp_guard.tokens import mint
from mcp_guard.writing import policy_write
from tests.operators.command_line import Result, Run, lines_of, runner

pytestmark = pytest.mark.django_db

APP = "https://app.example"


@pytest.fixture
def run(monkeypatch) -> Run:
    run = runner(monkeypatch)
    for arguments in (
        ("scope", "add", "read", "--grant", "tools/call:read_note", "resources/read:note://public/*"),
        ("client", "add", "partner"),
        ("client", "add", "other"),
        ("origin", "add", APP, "--client", "partner", "--endpoint", "notes", "tools", "hooks", "portal"),
        ("origin", "add", "https://other.example", "--client", "other", "--endpoint", "notes"),
    ):
        assert run(*arguments).status == 0
    return run


def issue(run: Run, *options: str) -> tuple[str, str]:
    arguments = ["--client", "partner", "--name", "n", "--endpoint", "notes", "hooks", "--scope", "read"]
    data = run("token", "issue", *arguments, *options, "--json").data
    return str(data["id"]), data["token"]


def ask(run: Run, *options: str, endpoint: str = "notes", token: str | None = None) -> dict:
    arguments = ["check", "--endpoint", endpoint, *options, "--json"]
    if token is not None:
        arguments.append("--token")
    result: Result = run(*arguments, stdin=f"{token}\nsecond line\n")
    assert (result.status, result.err) == (0, "")
    return result.data


def results(data: dict) -> dict[str, str]:
    return {step["step"]: step["result"] for step in data["steps"]}


class TestTheAnswer:
    def test_a_browser_token_from_its_origin_is_admitted(self, run):
        number, token = issue(run, "--kind", "browser")
        data = ask(run, "--origin", APP, "--tool", "read_note", token=token)
        assert (data["outcome"], data["reason"], data["status"], data["advice"]) == (
            "admitted",
            None,
            None,
            None,
        )
        assert data["principal"] == {
            "client": "partner", "user_id": None, "token_id": int(number), "delegated": False,
            "grants": ["resources/read:note://public/*", "tools/call:read_note"],
        }  # fmt: skip
        assert set(results(data).values()) == {"passed"}
        assert data["preflight"]["outcome"] == "granted"
        assert data["preflight"]["allow_origin"] == APP
        assert data["revision"] == Revision.objects.get().n

    @pytest.mark.parametrize(
        ("options", "reason", "status", "step"),
        [
            (("--origin", "https://evil.example"), "origin_not_listed", 403, "origin"),
            (("--origin", "null"), "origin_null", 403, "origin"),
            (("--origin", "HTTPS://App.example"), "origin_malformed", 403, "origin"),
            (("--origin", ""), "origin_malformed", 403, "origin"),
            (("--origin", "https://bücher.example"), "origin_malformed", 403, "origin"),
            (("--host", "evil.example"), "host_not_allowed", 421, "host"),
            (("--host", ""), "host_not_allowed", 421, "host"),
            (("--method", "PUT"), "method_not_allowed", 405, "content"),
            (("--method", "post"), "method_not_allowed", 405, "content"),
            (("--tool", "write_note"), "scope_insufficient", 403, "grant"),
            (
                ("--rpc-method", "resources/read", "--name", "note://private/1"),
                "scope_insufficient",
                403,
                "grant",
            ),
            (("--rpc-method", "logging/setLevel"), "scope_insufficient", 403, "grant"),
            (("--origin", APP), "token_wrong_kind", 401, "credential"),
            (("--websocket",), "origin_missing", 403, "origin"),
        ],
    )
    def test_a_refusal_names_its_reason_and_step(self, run, options, reason, status, step):
        _, token = issue(run)
        data = ask(run, *options, token=token)
        assert (data["outcome"], data["reason"], data["status"]) == ("refused", reason, status)
        assert data["advice"]
        assert data["principal"] is None
        names = [item["step"] for item in data["steps"]]
        expected = dict.fromkeys(names, "passed") | {step: "refused"}
        expected |= dict.fromkeys(names[names.index(step) + 1 :], "not reached")
        assert results(data) == expected

    @pytest.mark.parametrize(
        "options",
        [
            ("--tool", "read_note"),
            ("--rpc-method", "resources/read", "--name", "note://public/1"),
            ("--rpc-method", "tools/list"),
            ("--method", "GET"),
            ("--host", "localhost:8000"),
        ],
    )
    def test_what_a_server_token_may_do_is_admitted(self, run, options):
        _, token = issue(run)
        data = ask(run, *options, token=token)
        assert (data["outcome"], data["preflight"]) == ("admitted", None)

    def test_without_an_operation_the_grant_is_not_asked(self, run):
        _, token = issue(run)
        assert results(ask(run, token=token))["grant"] == "not asked"

    @pytest.mark.parametrize(
        ("change", "reason"),
        [
            (lambda run, number: run("token", "revoke", number), "token_revoked"),
            (lambda run, _number: run("client", "disable", "partner"), "token_client_disabled"),
            (lambda run, number: run("token", "rotate", number, "--overlap", "0h"), "token_expired"),
        ],
    )
    def test_the_answer_follows_the_policy(self, run, change, reason):
        number, token = issue(run)
        assert ask(run, token=token)["outcome"] == "admitted"
        assert change(run, number).status == 0
        assert ask(run, token=token)["reason"] == reason

    @pytest.mark.parametrize(
        ("spoil", "reason"),
        [
            (lambda text: text, "token_unknown"),
            (lambda text: text[:-1] + "\u00e4", "credential_malformed"),
            (lambda text: text.replace("mcpg_", "mcpg_ "), "credential_malformed"),
        ],
    )
    def test_a_text_that_is_no_token_of_ours_is_refused(self, run, spoil, reason):
        assert ask(run, token=spoil(mint()))["reason"] == reason

    def test_a_mistyped_token_is_told_apart(self, run):
        _, token = issue(run)
        assert ask(run, token=token[:-1] + ("a" if token[-1] != "a" else "b"))["reason"] == "token_mistyped"

    def test_a_token_that_no_process_holds_in_memory_is_found(self, run, settings):
        tokens = [issue(run) for _ in range(3)]
        settings.MCP_GUARD = settings.MCP_GUARD | {"TOKENS_IN_MEMORY": 1}
        for number, text in tokens:
            data = ask(run, "--tool", "read_note", token=text)
            assert (data["outcome"], data["principal"]["token_id"]) == ("admitted", int(number))
        run("token", "revoke", tokens[0][0])
        assert ask(run, token=tokens[0][1])["reason"] == "token_revoked"
        assert ask(run, token=mint())["reason"] == "token_unknown"

    def test_report_only_says_what_it_would_refuse(self, run):
        _, token = issue(run, "--kind", "any")
        run("endpoint", "report-only", "notes")
        data = ask(run, "--origin", "https://new.example", token=token)
        assert (data["outcome"], data["reason"], data["status"]) == ("admitted", "origin_not_listed", None)
        assert results(data)["origin"] == "reported only"

    def test_a_handshake_without_a_token_awaits_it(self, run):
        data = ask(run, "--websocket", "--origin", APP)
        assert (data["outcome"], data["reason"]) == ("awaits message", None)
        assert results(data)["handshake"] == "passed"
        assert results(data)["credential"] == "awaits message"
        assert results(data)["grant"] == "not reached"

    def test_a_public_endpoint_admits_without_reading_the_token(self, run):
        data = ask(run, "--tool", "read_note", endpoint="public", token=mint())
        assert data["reason"] == "scope_insufficient"
        run("scope", "add", "notes-read", "--grant", "tools/call:read_note")
        data = ask(run, "--tool", "read_note", endpoint="public", token=mint())
        assert (data["outcome"], data["principal"]["client"]) == ("admitted", None)

    def test_a_backend_endpoint_expects_no_origin(self, run):
        _, token = issue(run)
        assert ask(run, "--origin", APP, endpoint="hooks", token=token)["reason"] == "origin_not_expected"
        assert ask(run, endpoint="hooks", token=token)["outcome"] == "admitted"

    def test_the_gate_itself_answers(self, run, monkeypatch):
        seen = []
        explain = gate.explain

        def spy(*arguments):
            seen.append(arguments[1])
            return explain(*arguments)

        monkeypatch.setattr(gate, "explain", spy)
        ask(run, "--origin", APP)
        assert [head.method for head in seen] == ["POST", "OPTIONS"]
        assert [head.headers[b"origin"] for head in seen] == [APP.encode()] * 2

    def test_asking_changes_and_notes_nothing(self, run, caplog):
        _, token = issue(run)
        before = Revision.objects.get().n, AuditEvent.objects.count(), decisions.all()
        ask(run, "--origin", "https://evil.example", token=mint())
        assert ask(run, "--tool", "read_note", token=token)["outcome"] == "admitted"
        uses.write()
        assert (Revision.objects.get().n, AuditEvent.objects.count(), decisions.all()) == before
        assert not TokenUse.objects.exists()
        assert not GrantUse.objects.exists()
        assert caplog.records == []


class TestTheDoors:
    @pytest.mark.parametrize(
        ("endpoint", "kind", "options", "outcome", "reason"),
        [
            ("notes", "browser", ("--origin", APP, "--tool", "read_note"), "admitted", None),
            ("notes", "browser", ("--origin", APP, "--tool", "x"), "refused", "scope_insufficient"),
            ("notes", "browser", ("--origin", "https://evil.example"), "refused", "origin_not_listed"),
            ("notes", "server", ("--origin", APP), "refused", "token_wrong_kind"),
            ("notes", "server", (), "refused", "origin_missing"),
            ("notes", None, ("--origin", APP), "refused", "credential_missing"),
            ("public", None, (), "admitted", None),
            ("public", "any", (), "refused", "credential_malformed"),
        ],
    )
    def test_a_message_is_judged_behind_its_handshake(self, run, endpoint, kind, options, outcome, reason):
        token = issue(run, "--kind", kind)[1] if kind else None
        data = ask(run, "--message", *options, endpoint=endpoint, token=token)
        assert (data["outcome"], data["reason"]) == (outcome, reason)
        assert "handshake" in results(data)

    @pytest.mark.parametrize(
        ("setting", "token", "reason"),
        [
            ({"ws_credentials": ["header"], "public_scopes": ["read"]}, True, "credential_malformed"),
            ({"token_every_message": True}, False, "credential_missing"),
        ],
    )
    def test_a_message_that_its_endpoint_does_not_take(self, run, settings, setting, token, reason):
        settings.MCP_GUARD = {"ENDPOINTS": {"notes": {"profile": "partner"} | setting}}
        text = run(
            *("token", "issue", "--client", "partner", "--name", "n", "--kind", "any"),
            *("--endpoint", "notes", "--scope", "read", "--json"),
        ).data["token"]
        data = ask(run, "--message", "--origin", APP, token=text if token else None)
        assert data["reason"] == reason

    @pytest.mark.parametrize(
        ("origin", "outcome"), [(APP, "granted"), ("https://evil.example", "refused"), ("null", "refused")]
    )
    def test_a_preflight_ends_at_its_origin(self, run, origin, outcome):
        data = ask(run, "--preflight", "--origin", origin)
        assert (data["outcome"], data["preflight"]) == (outcome, None)
        assert [*results(data)] == ["policy", "head", "host", "tls", "origin"]
        text = run("check", "--endpoint", "notes", "--preflight", "--origin", APP).out
        assert text.startswith("the preflight would be granted")


class TestAnEndpointWithMessagesHttp:
    @pytest.fixture
    def token(self, run, settings) -> str:
        settings.MCP_GUARD = {"ENDPOINTS": {"api": {"profile": "token", "messages": "http"}}}
        run("scope", "add", "edit", "--grant", "http:POST")
        of_api = ("--client", "partner", "--name", "n", "--endpoint", "api", "--scope", "edit")
        return run("token", "issue", *of_api, "--json").data["token"]

    def test_the_grant_is_for_the_http_method(self, run, token):
        data = ask(run, endpoint="api", token=token)
        assert (data["outcome"], results(data)["grant"]) == ("admitted", "passed")
        assert data["steps"][-1]["detail"] == "http:POST"

    def test_another_method_lacks_its_grant(self, run, token):
        data = ask(run, "--method", "HEAD", endpoint="api", token=token)
        assert (data["reason"], results(data)["grant"]) == ("scope_insufficient", "refused")
        assert data["steps"][-1]["detail"] == "http:GET"

    def test_a_websocket_is_refused_at_the_handshake(self, run, token):
        data = ask(run, "--websocket", endpoint="api", token=token)
        assert (data["reason"], results(data)["handshake"]) == ("websocket_not_expected", "refused")

    @pytest.mark.parametrize("option", ["tool", "rpc-method", "name"])
    def test_there_is_no_mcp_to_ask_about(self, run, token, option):
        fields = run("check", "--endpoint", "api", f"--{option}", "x", "--json").fields
        assert [*fields] == [option.replace("-", "_")]


class TestTheDetails:
    @pytest.mark.parametrize(
        ("origin", "change", "text"),
        [
            ("https://App.example", None, f", but {APP} is, which browsers send for it"),
            ("https://app.example:443", None, f", but {APP} is, which browsers send for it"),
            (APP, ("origin", "set", APP, "--no-active"), ": its row is switched off"),
            (APP, ("origin", "set", APP, "--endpoint", "tools", "hooks"), ": its row is for tools, hooks"),
            (APP, ("origin", "set", APP, "--endpoint"), ": its row is for no endpoint"),
            (APP, ("client", "disable", "partner"), ": client partner is disabled"),
        ],
    )
    def test_a_near_miss_is_named(self, run, origin, change, text):
        if change:
            assert run(*change).status == 0
        data = ask(run, "--origin", origin)
        assert data["reason"] == "origin_not_listed"
        (detail,) = [step["detail"] for step in data["steps"] if step["step"] == "origin"]
        assert detail == f"{origin} is not listed{text}"

    def test_text_shows_a_headline_and_every_step(self, run):
        result = run("check", "--endpoint", "notes", "--origin", "https://evil.example")
        lines = lines_of(result.out)
        assert lines[0] == "would be refused with 403: origin_not_listed"
        assert lines[-1] == "its preflight would be refused: origin_not_listed"
        assert [line.split()[0] for line in lines[3:-1]] == [
            "policy", "head", "host", "tls", "origin", "credential", "content", "grant",
        ]  # fmt: skip

    def test_a_hostile_origin_does_not_reach_the_terminal(self, run):
        result = run("check", "--endpoint", "notes", "--origin", "https://a\x1b[2J\n.example")
        assert result.status == 0
        assert "\x1b" not in result.out
        assert all(line.isprintable() for line in lines_of(result.out))

    def test_every_reason_has_its_step_and_advice(self):
        listed = [reason for advices in ADVICE.values() for reason in advices]
        assert sorted(listed, key=list(Reason).index) == list(Reason)
        assert list(ADVICE) == list(Step)
        assert all(ADVICE.values())
        assert all(advice(reason).endswith(".") for reason in Reason)


class TestTheToken:
    def test_it_is_read_from_a_file(self, run, tmp_path):
        _, token = issue(run)
        (tmp_path / "token").write_text(f"{token}\nsecond line\n")
        result = run("check", "--endpoint", "notes", "--token-file", str(tmp_path / "token"), "--json")
        assert result.data["outcome"] == "admitted"

    def test_it_is_never_printed(self, run):
        for text in (issue(run)[1], mint(), "mcpg_short"):
            for extra in ((), ("--json",), ("--origin", APP), ("--websocket", "--origin", APP)):
                result = run("check", "--endpoint", "notes", "--token", *extra, stdin=text)
                assert result.status == 0
                assert text not in result.out + result.err

    @pytest.mark.parametrize("stdin", ["", "\n", "  \n"])
    def test_nothing_on_standard_input_is_refused(self, run, stdin):
        result = run("check", "--endpoint", "notes", "--token", "--json", stdin=stdin)
        assert (result.status, set(result.fields)) == (2, {"token"})

    @pytest.mark.parametrize("content", [None, b"", b"\xff\xfe"])
    def test_a_file_without_a_token_is_refused(self, run, tmp_path, content):
        if content is not None:
            (tmp_path / "token").write_bytes(content)
        result = run("check", "--endpoint", "notes", "--token-file", str(tmp_path / "token"), "--json")
        assert (result.status, set(result.fields)) == (2, {"token_file"})


@pytest.mark.parametrize(
    ("options", "field"),
    [
        (("--endpoint", "nope"), "endpoint"),
        (("--endpoint", "notes", "--name", "x"), "name"),
        (("--endpoint", "notes", "--tool", "x", "--name", "x"), "name"),
        (("--endpoint", "notes", "--tool", ""), "name"),
        (("--endpoint", "notes", "--rpc-method", "tools/call"), "name"),
        (("--endpoint", "notes", "--rpc-method", "ping", "--name", "x"), "name"),
        (("--endpoint", "notes", "--websocket", "--method", "POST"), "method"),
        (("--endpoint", "notes", "--message", "--method", "POST"), "method"),
        (("--endpoint", "notes", "--preflight"), "origin"),
    ],
)
def test_a_question_that_makes_no_sense_is_refused(run, options, field):
    result = run("check", *options, "--json")
    assert (result.status, set(result.fields)) == (2, {field})


class TestStatus:
    def test_it_shows_the_revision_and_counts(self, run):
        run("scope", "add", "notes-read", "--grant", "tools/call:read_note")
        issue(run)
        issue(run, "--expires", "3d")
        run("token", "revoke", issue(run)[0])
        run("client", "disable", "other")
        data = run("status", "--json").data
        row = Revision.objects.get()
        assert (data["revision"], data["epoch"], data["problems"]) == (row.n, str(row.epoch), [])
        assert data["counts"] == {
            "clients": 2, "clients_disabled": 1, "origins": 2, "origins_listed": 1, "scopes": 2,
            "tokens": 3, "tokens_live": 2, "tokens_expiring": 1, "tokens_revoked": 1,
        }  # fmt: skip
        listed = {endpoint["name"]: endpoint["origins"] for endpoint in data["endpoints"]}
        assert (listed["notes"], listed["tools"], listed["desk"]) == (1, 1, 0)

    def test_it_names_rows_that_cannot_be_used_and_exits_0(self, run):
        issue(run)
        with policy_write():
            AllowedOrigin(
                origin="https://*.bad.example", client=Client.objects.first(), endpoints=["notes"]
            ).save()
            Scope(name="bad", grants=["*"]).save()
            Token.objects.update(endpoints=["notes", "gone"])
            EndpointState(name="renamed", report_only_until=timezone.now() + timedelta(days=1)).save()
        result = run("status", "--json")
        problems = " | ".join(result.data["problems"])
        assert result.status == 0
        for text in ("https://*.bad.example", "'*'", "'gone'", "'renamed'"):
            assert text in problems
        text = run("status").out
        assert "what cannot be used; it lets nobody in:" in text
        assert ask(run, "--origin", "https://*.bad.example")["outcome"] == "refused"

    def test_an_empty_database_is_no_error(self, monkeypatch, settings):
        data = runner(monkeypatch)("status", "--json").data
        assert (data["revision"], set(data["counts"].values())) == (0, {0})
        assert data["problems"] == ["endpoint public: public scope 'notes-read' does not exist"]
        settings.MCP_GUARD = {"ENDPOINTS": {"notes": {"profile": "partner"}}}
        assert runner(monkeypatch)("status").out.endswith("no row is unusable\n")


LOCAL = {
    "here": {"profile": "local", "local_scopes": ["read"]},
    "strict": {"profile": "local", "require_nonce": True},
}


@pytest.fixture
def local(run, settings) -> Run:
    settings.MCP_GUARD = {"ENDPOINTS": settings.MCP_GUARD["ENDPOINTS"] | LOCAL}
    return run


@pytest.mark.parametrize(
    ("endpoint", "options", "outcome", "reason"),
    [
        ("here", ("--nonce",), "admitted", None),
        ("here", ("--nonce", "--websocket"), "admitted", None),
        ("here", ("--nonce", "--tool", "read_note"), "admitted", None),
        ("here", ("--nonce", "--tool", "write_note"), "refused", "scope_insufficient"),
        ("here", ("--nonce", "--host", "localhost:9000"), "admitted", None),
        ("here", ("--nonce", "--host", "localhost"), "refused", "host_not_allowed"),
        ("here", ("--nonce", "--host", "attacker.test:8000"), "refused", "host_not_allowed"),
        ("here", (), "refused", "credential_missing"),
        ("strict", (), "refused", "nonce_missing"),
        ("strict", ("--nonce",), "refused", "credential_missing"),
    ],
)
def test_a_local_endpoint_is_asked_as_if_from_this_machine(local, endpoint, options, outcome, reason):
    data = ask(local, *options, endpoint=endpoint)

    assert (data["outcome"], data["reason"]) == (outcome, reason)
    if outcome == "admitted":
        assert data["principal"]["client"] == "(this machine)"


def test_the_nonce_and_a_token_are_two_carriers_unless_both_are_asked_for(local):
    assert local("client", "add", "mine").status == 0
    arguments = (
        "--client",
        "mine",
        "--name",
        "n",
        "--endpoint",
        "here",
        "strict",
        "--scope",
        "read",
        "--json",
    )
    token = local("token", "issue", *arguments).data["token"]

    assert ask(local, "--nonce", endpoint="here", token=token)["reason"] == "credential_ambiguous"
    assert ask(local, "--nonce", endpoint="strict", token=token)["principal"]["client"] == "mine"
    assert ask(local, endpoint="strict", token=token)["reason"] == "nonce_missing"


def test_only_a_local_endpoint_has_a_nonce(run):
    result = run("check", "--endpoint", "notes", "--nonce", "--json")

    assert result.status == 2
    assert result.data["error"]["fields"] == {"nonce": ["notes has not the profile 'local'"]}
