"""client, origin, scope and endpoint: what each verb changes, prints and refuses."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from django.utils import timezone

from mcp_guard.models import AllowedOrigin, Client, EndpointState, Scope
from mcp_guard.writing import policy_write
from tests.operators.command_line import Run, lines_of, runner

pytestmark = pytest.mark.django_db


@pytest.fixture
def run(monkeypatch) -> Run:
    return runner(monkeypatch)


@pytest.fixture
def partner(run) -> Client:
    assert run("scope", "add", "read", "--grant", "tools/call:read_note").status == 0
    assert run("client", "add", "partner", "--scope", "read").status == 0
    return Client.objects.get(name="partner")


def seconds_from_now(text: str) -> float:
    return (datetime.fromisoformat(text) - timezone.now()).total_seconds()


class TestClient:
    def test_add_stores_every_option(self, run, partner):
        run("scope", "add", "write", "--grant", "tools/call:write_note")
        result = run(
            "client", "add", "team-a", "--owner", "Jo", "--contact", "jo@a.example", "--notes", "n",
            "--scope", "write", "read", "--scope", "read", "--json",
        )  # fmt: skip
        client = Client.objects.get(name="team-a")
        created = result.data.pop("created_at")
        assert created.endswith("Z")
        assert {**result.data, "created_at": None} == {
            "id": client.pk, "name": "team-a", "active": True, "owner": "Jo", "contact": "jo@a.example",
            "notes": "n", "scopes": ["read", "write"], "created_at": None,
        }  # fmt: skip
        assert (client.owner, client.contact, client.notes) == ("Jo", "jo@a.example", "n")
        assert [scope.name for scope in client.scopes.all()] == ["read", "write"]

    def test_set_changes_only_what_was_given(self, run, partner):
        run("client", "set", "partner", "--owner", "Jo", "--notes", "kept")
        run("client", "set", "partner", "--name", "partner-2", "--owner", "")
        client = Client.objects.get(pk=partner.pk)
        assert (client.name, client.owner, client.notes) == ("partner-2", "", "kept")
        assert client.scopes.count() == 1

    def test_set_with_an_empty_scope_list_takes_all_scopes(self, run, partner):
        assert run("client", "set", "partner", "--scope", "--json").data["scopes"] == []
        assert not partner.scopes.exists()

    @pytest.mark.parametrize("noun", ["client set partner", "scope set read", "origin set https://a.example"])
    def test_set_without_an_option_is_refused(self, run, partner, noun):
        run("origin", "add", "https://a.example", "--client", "partner", "--endpoint", "notes")
        result = run(*noun.split(), "--json")
        assert (result.status, result.fields) == (2, {})
        assert "nothing to change" in result.data["error"]["message"]

    def test_disable_and_enable_switch_it(self, run, partner):
        assert run("client", "disable", "partner", "--json").data["active"] is False
        assert Client.objects.get().active is False
        assert run("client", "enable", "partner", "--json").data["active"] is True
        assert Client.objects.get().active is True

    def test_list_counts_what_it_owns(self, run, partner):
        run("client", "add", "other")
        for host in ("a", "b"):
            run("origin", "add", f"https://{host}.example", "--client", "partner", "--endpoint", "notes")
        for name in ("1", "2", "3"):
            run(
                "token",
                "issue",
                "--client",
                "partner",
                "--name",
                name,
                "--endpoint",
                "notes",
                "--scope",
                "read",
            )
        rows = {row["name"]: (row["origins"], row["tokens"]) for row in run("client", "list", "--json").data}
        assert rows == {"other": (0, 0), "partner": (2, 3)}

    def test_remove_deletes_one_that_owns_nothing(self, run, partner):
        assert run("client", "remove", "partner", "--json").data["name"] == "partner"
        assert not Client.objects.exists()

    @pytest.mark.parametrize("verb", ["disable", "enable", "remove", "set"])
    def test_an_unknown_name_is_refused(self, run, verb):
        extra = ["--owner", "x"] if verb == "set" else []
        assert run("client", verb, "nobody", *extra, "--json").fields == {
            "name": ["there is no client “nobody”"]
        }

    def test_a_name_that_is_taken_is_refused(self, run, partner):
        assert set(run("client", "add", "partner", "--json").fields) == {"name"}


class TestOrigin:
    def test_add_stores_the_canonical_form_and_says_so(self, run, partner):
        arguments = ("HTTPS://App.Example.com:443", "--client", "partner", "--endpoint", "notes", "tools")
        result = run("origin", "add", *arguments, "--endpoint", "tools")
        assert lines_of(result.out)[0] == (
            "listed origin https://app.example.com (typed as HTTPS://App.Example.com:443)"
        )
        row = AllowedOrigin.objects.get()
        assert (row.origin, row.endpoints, row.cookies) == (
            "https://app.example.com",
            ["notes", "tools"],
            False,
        )

    def test_add_stores_every_option(self, run, partner):
        result = run(
            "origin", "add", "https://a.example", "--client", "partner", "--endpoint", "notes",
            "--cookies", "--expires", "30d", "--note", "trial", "--json",
        )  # fmt: skip
        assert (result.data["cookies"], result.data["note"], result.data["client"]) == (
            True,
            "trial",
            "partner",
        )
        assert 30 * 86400 - 60 < seconds_from_now(result.data["expires_at"]) <= 30 * 86400
        assert AllowedOrigin.objects.get().cookies is True

    @pytest.mark.parametrize(
        ("options", "field"),
        [
            (("https://a.example/path", "--client", "partner", "--endpoint", "notes"), "origin"),
            (("https://*.example", "--client", "partner", "--endpoint", "notes"), "origin"),
            (("https://a.example", "--client", "nobody", "--endpoint", "notes"), "client"),
            (("https://a.example", "--client", "partner", "--endpoint", "nope"), "endpoints"),
            (
                ("https://a.example", "--client", "partner", "--endpoint", "notes", "--expires", "soon"),
                "expires_at",
            ),
            (
                ("https://a.example", "--client", "partner", "--endpoint", "notes", "--expires", "0h"),
                "expires_at",
            ),
        ],
    )
    def test_add_refuses_beside_the_field(self, run, partner, options, field):
        result = run("origin", "add", *options, "--json")
        assert (result.status, set(result.fields)) == (2, {field})
        assert not AllowedOrigin.objects.exists()

    def test_set_changes_only_what_was_given(self, run, partner):
        run("client", "add", "other")
        run(
            "origin", "add", "https://a.example", "--client", "partner", "--endpoint", "notes",
            "--cookies", "--expires", "30d", "--note", "kept",
        )  # fmt: skip
        result = run(
            "origin",
            "set",
            "https://A.example:443",
            "--no-cookies",
            "--no-active",
            "--client",
            "other",
            "--json",
        )
        assert result.data["typed"] == "https://A.example:443"
        row = AllowedOrigin.objects.get()
        assert (row.cookies, row.active, row.client.name, row.note) == (False, False, "other", "kept")
        assert row.expires_at is not None
        run("origin", "set", "https://a.example", "--expires", "never", "--endpoint", "--cookies", "--active")
        row = AllowedOrigin.objects.get()
        assert (row.expires_at, row.endpoints, row.cookies, row.active) == (None, [], True, True)

    def test_list_filters_by_client_and_endpoint(self, run, partner):
        run("client", "add", "other")
        run("origin", "add", "https://a.example", "--client", "partner", "--endpoint", "notes")
        run("origin", "add", "https://b.example", "--client", "other", "--endpoint", "notes", "tools")

        def listed(*options: str) -> list[str]:
            return [row["origin"] for row in run("origin", "list", *options, "--json").data]

        assert listed() == ["https://a.example", "https://b.example"]
        assert listed("--client", "partner") == ["https://a.example"]
        assert listed("--endpoint", "tools") == ["https://b.example"]
        assert set(run("origin", "list", "--client", "nobody", "--json").fields) == {"client"}

    def test_remove_takes_any_form_that_names_the_row(self, run, partner):
        run("origin", "add", "https://a.example", "--client", "partner", "--endpoint", "notes")
        assert run("origin", "remove", "HTTPS://A.example", "--json").data["origin"] == "https://a.example"
        assert not AllowedOrigin.objects.exists()

    def test_remove_takes_a_row_that_holds_no_origin(self, run, partner):
        with policy_write():
            AllowedOrigin(origin="https://*.example/", client=partner, endpoints="notes").save()
        assert run("origin", "list", "--endpoint", "notes", "--json").data == []
        assert run("origin", "remove", "https://*.example/").status == 0
        assert not AllowedOrigin.objects.exists()

    @pytest.mark.parametrize(
        ("typed", "text"),
        [("https://b.example", "https://b.example is not listed"), ("b.example", "the scheme is missing")],
    )
    def test_remove_refuses_what_is_not_listed(self, run, typed, text):
        assert text in run("origin", "remove", typed, "--json").fields["origin"][0]


class TestScope:
    def test_add_takes_grants_in_both_spellings(self, run):
        grants = ("tools/call:a", "http:POST", "--grant", "prompts/get:c", "--grant", "tools/call:a")
        result = run("scope", "add", "mixed", "--grant", *grants, "--description", "d", "--json")
        scope = Scope.objects.get()
        expected = ["tools/call:a", "http:POST", "prompts/get:c"]
        assert result.data == {
            "id": scope.pk, "name": "mixed", "grants": expected, "endpoints": [], "description": "d",
        }  # fmt: skip
        assert (scope.grants, scope.description) == (expected, "d")

    @pytest.mark.parametrize(
        "grant",
        [
            "*",
            "tools/call",
            "tools/call:*",
            "ping:x",
            "no method",
            "http",
            "http:",
            "http:*",
            "http:post",
            "http:HEAD",
        ],
    )
    def test_add_refuses_what_is_no_grant(self, run, grant):
        assert set(run("scope", "add", "bad", "--grant", grant, "--json").fields) == {"grants"}
        assert not Scope.objects.exists()

    def test_set_replaces_its_grants(self, run):
        run("scope", "add", "s", "--grant", "tools/call:a", "--description", "kept")
        run("scope", "set", "s", "--grant", "tools/call:b")
        scope = Scope.objects.get()
        assert (scope.grants, scope.description) == (["tools/call:b"], "kept")
        assert run("scope", "set", "s", "--grant", "--json").data["grants"] == []

    def test_list_shows_all_of_them(self, run):
        run("scope", "add", "b", "--grant", "tools/call:b")
        run("scope", "add", "a", "--grant", "tools/call:a")
        assert [row["name"] for row in run("scope", "list", "--json").data] == ["a", "b"]
        assert lines_of(run("scope", "list").out) == [
            "NAME  GRANTS        ENDPOINTS  DESCRIPTION",
            "a     tools/call:a  -          -",
            "b     tools/call:b  -          -",
        ]

    def test_it_counts_at_the_endpoints_that_it_names(self, run):
        added = run("scope", "add", "s", "--grant", "tools/call:a", "--endpoint", "notes", "tools", "--json")
        assert added.data["endpoints"] == ["notes", "tools"]
        assert run("scope", "set", "s", "--endpoint", "notes", "--json").data["endpoints"] == ["notes"]
        assert run("scope", "set", "s", "--endpoint", "--json").data["endpoints"] == []
        assert set(run("scope", "set", "s", "--endpoint", "nowhere", "--json").fields) == {"endpoints"}

    def test_remove_says_who_had_it(self, run, partner):
        data = run("scope", "remove", "read", "--json").data
        assert (data["name"], data["clients"], data["tokens"]) == ("read", 1, 0)
        assert not Scope.objects.exists()

    @pytest.mark.parametrize("arguments", [["set", "nope", "--grant", "x/y"], ["remove", "nope"]])
    def test_an_unknown_name_is_refused(self, run, arguments):
        assert run("scope", *arguments, "--json").fields == {"name": ["there is no scope “nope”"]}


class TestEndpoint:
    def test_list_shows_every_declared_endpoint(self, run, settings):
        settings.MCP_GUARD = {
            "ENDPOINTS": {
                "b": {
                    "profile": "token",
                    "hosts": [".example.com", "h:81"],
                    "token_header": "X-T",
                    "any_origin": True,
                },
                "a": {"profile": "partner"},
            }
        }
        a, b = run("endpoint", "list", "--json").data
        assert (a["name"], a["profile"], a["report_only_until"]) == ("a", "partner", None)
        assert b["hosts"] == [".example.com", "h:81"]
        assert (b["token_header"], b["any_origin"], b["missing_origin"]) == (
            "x-t", True, {"http": "bearer", "ws": "refuse"}
        )  # fmt: skip
        assert b["limits"]["body_bytes"] == 4 * 1024 * 1024

    @pytest.mark.parametrize(
        ("options", "days"), [([], 14), (["--days", "3"], 3), (["--until", "2d"], 2), (["--until", "1w"], 7)]
    )
    def test_report_only_ends_by_itself(self, run, options, days):
        until = run("endpoint", "report-only", "notes", *options, "--json").data["report_only_until"]
        assert days * 86400 - 60 < seconds_from_now(until) <= days * 86400
        assert EndpointState.objects.get().name == "notes"

    @pytest.mark.parametrize(
        ("options", "field"),
        [
            (["--days", "15"], "until"),
            (["--days", "0"], "until"),
            (["--until", "15d"], "until"),
            (["--until", "2001-01-01"], "until"),
            (["--until", "x"], "until"),
            (["--days", "-1"], "days"),
            (["--days", "x"], "days"),
        ],
    )
    def test_report_only_refuses_what_is_too_long_or_no_time(self, run, options, field):
        arguments = [options[0] + "=" + options[1]]
        result = run("endpoint", "report-only", "notes", *arguments, "--json")
        assert (result.status, set(result.fields)) == (2, {field})
        assert not EndpointState.objects.exists()

    def test_enforce_ends_it_now(self, run):
        run("endpoint", "report-only", "notes")
        assert run("endpoint", "enforce", "notes", "--json").data["report_only_until"] is None
        assert EndpointState.objects.get().report_only_until is None

    def test_enforce_overrules_the_setting(self, run, settings):
        until = (timezone.now() + timedelta(days=5)).date().isoformat()
        settings.MCP_GUARD = {"ENDPOINTS": {"notes": {"profile": "partner", "report_only": until}}}
        assert run("endpoint", "list", "--json").data[0]["report_only_until"] == f"{until}T00:00:00Z"
        run("endpoint", "enforce", "notes")
        assert run("endpoint", "list", "--json").data[0]["report_only_until"] is None

    def test_what_has_ended_is_not_shown(self, run):
        with policy_write():
            EndpointState(name="notes", report_only_until=timezone.now() - timedelta(seconds=1)).save()
        rows = {row["name"]: row["report_only_until"] for row in run("endpoint", "list", "--json").data}
        assert rows["notes"] is None

    @pytest.mark.parametrize("verb", ["report-only", "enforce"])
    def test_an_unknown_endpoint_is_refused(self, run, verb):
        assert "there is no endpoint" in run("endpoint", verb, "nope", "--json").fields["name"][0]
