"""token list, show and expiring: who uses which secret and grant, and which tokens end soon."""

from __future__ import annotations

from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from mcp_guard.expiry import token_expiring
from mcp_guard.models import Token
from mcp_guard.writing import policy_write
from tests.operators.command_line import Run, runner
from tests.operators.used import aged, used, used_grant

pytestmark = pytest.mark.django_db

ISSUE = ("token", "issue", "--client", "partner", "--name", "ci", "--endpoint", "notes", "--scope", "read")


@pytest.fixture
def run(monkeypatch) -> Run:
    run = runner(monkeypatch)
    assert run("scope", "add", "read", "--grant", "tools/call:read_note").status == 0
    assert run("client", "add", "partner").status == 0
    return run


class TestExpiring:
    def test_the_soonest_is_first(self, run):
        for name, expires in (("late", "40d"), ("soon", "20d"), ("soonest", "2d"), ("revoked", "1d")):
            run(*ISSUE, "--name", name, "--expires", expires)
        run("token", "revoke", str(Token.objects.get(name="revoked").pk))
        with policy_write():
            gone = Token.objects.get(name="late")
            gone.pk, gone.name, gone.expires_at = None, "gone", timezone.now() - timedelta(seconds=1)
            gone.save()
        assert [row["name"] for row in run("token", "expiring", "--json").data] == ["soonest", "soon"]
        assert [row["name"] for row in run("token", "expiring", "--days", "3", "--json").data] == ["soonest"]
        assert run("token", "expiring", "--days", "1").out == "no token expires within 1 days\n"
        assert set(run("token", "expiring", "--days", "x", "--json").fields) == {"days"}

    def test_the_setting_says_how_soon(self, run, settings):
        run(*ISSUE, "--name", "a", "--expires", "20d")
        settings.MCP_GUARD = settings.MCP_GUARD | {"TOKEN_WARN_DAYS": 10}
        assert run("token", "expiring", "--json").data == []
        settings.MCP_GUARD = settings.MCP_GUARD | {"TOKEN_WARN_DAYS": 21}
        assert len(run("token", "expiring", "--json").data) == 1

    def test_the_exit_status_tells(self, run):
        assert run("token", "expiring").status == 0
        run(*ISSUE, "--name", "a", "--expires", "2d")
        assert run("token", "expiring").status == 3
        assert run("token", "expiring", "--days", "1").status == 0
        assert run("token", "expiring", "--days", "x").status == 2
        assert call_command("mcp_guard", "token", "expiring", stdout=StringIO()) is None

    def test_who_uses_it_is_named(self, run):
        number = run(*ISSUE, "--name", "a", "--expires", "2d", "--json").data["id"]
        used(number, "203.0.113.9", "importer/2\x1b[2J")
        (row,) = run("token", "expiring", "--json").data
        (service,) = row["services"]
        assert (service["address"], service["endpoint"]) == ("203.0.113.9", "notes")
        text = run("token", "expiring").out
        assert "203.0.113.9" in text
        assert "\x1b" not in text

    def test_a_project_hears_of_each(self, run):
        number = run(*ISSUE, "--name", "a", "--expires", "2d", "--json").data["id"]
        used(number, "203.0.113.9", "importer")
        heard = []

        def fail(**_):
            raise ValueError("mcpg_secret")

        def hear(sender, token, services, left, **_):
            heard.append((sender, token.pk, [s.user_agent for s in services], left < timedelta(days=2)))

        token_expiring.connect(fail)
        token_expiring.connect(hear)
        try:
            result = run("token", "expiring")
            as_json = run("token", "expiring", "--json")
            with pytest.raises(CommandError, match="fail failed for token"):
                call_command("mcp_guard", "token", "expiring", stdout=StringIO(), stderr=StringIO())
        finally:
            token_expiring.disconnect(fail)
            token_expiring.disconnect(hear)
        assert heard == [(Token, number, ["importer"], True)] * 3
        assert "fail failed for token" in result.err
        assert "secret" not in result.err
        assert [row["id"] for row in as_json.data] == [number]
        assert as_json.err == result.err
        assert (result.status, as_json.status) == (1, 1)


class TestUse:
    def test_a_list_shows_the_last_use(self, run):
        number = run(*ISSUE, "--name", "a", "--json").data["id"]
        assert run("token", "list", "--json").data[0]["last_used"] is None
        used(number, "203.0.113.8", "old", days=3)
        used(number, "203.0.113.9", "new")
        last = run("token", "list", "--json").data[0]["last_used"]
        assert (last["address"], last["endpoint"], last["user_agent"]) == ("203.0.113.9", "notes", "new")
        assert f"{last['at']} 203.0.113.9 notes" in run("token", "list").out

    def test_lists_by_use(self, run):
        numbers = {
            name: run(*ISSUE, "--name", name, "--json").data["id"] for name in ("never", "idle", "busy")
        }
        used(numbers["idle"], "", "", days=31)
        used(numbers["busy"], "", "", days=29)

        def names(option):
            return [row["name"] for row in run("token", "list", option, "--json").data]

        assert names("--never-used") == ["never"]
        assert names("--idle") == ["idle"]

    def test_a_grant_nobody_uses_is_too_much_after_a_while(self, run):
        run("scope", "set", "read", "--grant", "tools/call:a", "tools/call:b", "tools/call:c", "tools/list")
        number = run(*ISSUE, "--name", "old", "--json").data["id"]
        run(*ISSUE, "--name", "young")
        aged(number, 31)
        used_grant(number, "tools/call:a", days=1)
        used_grant(number, "tools/call:b", days=31)
        (row,) = run("token", "list", "--over-scoped", "--json").data
        assert (row["name"], row["idle_grants"]) == ("old", ["tools/call:b", "tools/call:c"])
        shown = {
            row["grant"]: row["idle"] for row in run("token", "show", str(number), "--json").data["grants"]
        }
        assert shown == {"tools/call:a": False, "tools/call:b": True, "tools/call:c": True}

    def test_a_rotated_token_says_which_secret_is_used(self, run):
        number = run(*ISSUE, "--name", "a", "--json").data["id"]
        used(number, "203.0.113.9", "importer")
        run("token", "rotate", str(number))
        new, old = run("token", "show", str(number), "--json").data["secrets"]
        assert new["last_used"] is None
        assert old["last_used"]["address"] == "203.0.113.9"
        text = run("token", "show", str(number)).out
        assert f"{old['mask']} until {old['expires_at']}, last used {old['last_used']['at']}" in text
        assert f"{new['mask']}, never used" in text

    def test_a_token_that_is_not_there(self, run):
        assert set(run("token", "show", "4711", "--json").fields) == {"id"}
