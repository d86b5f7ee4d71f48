"""token: the text is shown once and nowhere else; rotate, revoke and expiring do what they say."""

from __future__ import annotations

from datetime import datetime

import pytest
from django.contrib.auth import get_user_model
from django.utils import timezone

from mcp_guard.models import AuditEvent, Token, TokenSecret
from mcp_guard.tokens import digest, is_well_formed
from mcp_guard.writing import policy_write
from tests.operators.command_line import Run, runner

pytestmark = pytest.mark.django_db

ISSUE = ("token", "issue", "--client", "partner", "--name", "ci", "--endpoint", "notes", "--scope", "read")


@pytest.fixture
def run(monkeypatch) -> Run:
    run = runner(monkeypatch)
    assert run("scope", "add", "read", "--grant", "tools/call:read_note").status == 0
    assert run("scope", "add", "write", "--grant", "tools/call:write_note").status == 0
    assert run("client", "add", "partner").status == 0
    return run


def seconds_from_now(text: str) -> float:
    return (datetime.fromisoformat(text) - timezone.now()).total_seconds()


def test_issue_prints_the_token_and_all_of_its_fields(run):
    get_user_model().objects.create_user("jo")
    result = run(*ISSUE, "tools/x", "--json")
    assert result.status == 2
    assert set(result.fields) == {"scopes"}
    result = run(
        *ISSUE,
        "write",
        "--endpoint",
        "tools",
        "--user",
        "jo",
        "--not-before",
        "1h",
        "--expires",
        "30d",
        "--json",
    )
    token = Token.objects.get()
    data = result.data
    assert (result.status, result.err, data["id"]) == (0, "", token.pk)
    assert is_well_formed(data["token"])
    assert TokenSecret.objects.get().digest == digest(data["token"]).hex()
    assert data | {
        "client": "partner", "name": "ci", "kind": "server", "user": "jo", "endpoints": ["notes", "tools"],
        "scopes": ["read", "write"], "state": "not yet valid", "revoked_at": None, "warnings": [],
    } == data  # fmt: skip
    assert 3600 - 60 < seconds_from_now(data["not_before"]) <= 3600
    assert 30 * 86400 - 60 < seconds_from_now(data["expires_at"]) <= 30 * 86400


def test_the_default_is_a_server_token_for_90_days(run):
    data = run(*ISSUE, "--json").data
    assert data["kind"] == "server"
    assert 90 * 86400 - 60 < seconds_from_now(data["expires_at"]) <= 90 * 86400


def test_the_text_is_shown_once_and_stored_nowhere(run):
    text = run(*ISSUE, "--json").data["token"]
    rotated = run("token", "rotate", str(Token.objects.get().pk), "--json").data["token"]
    assert rotated != text
    later = "".join(
        run(*arguments, *extra).out
        for arguments in (
            ("token", "list"), ("token", "expiring", "--days", "365"), ("client", "list"), ("status",),
            ("check", "--endpoint", "notes"), ("token", "revoke", "--client", "partner"),
        )
        for extra in ((), ("--json",))
    )  # fmt: skip
    stored = "".join(f"{event.before}{event.after}{event.subject}" for event in AuditEvent.objects.all())
    for secret in (text, rotated):
        assert secret[5:20] not in later + stored
        assert digest(secret).hex() not in later + stored


def test_in_text_the_token_stands_on_a_line_of_its_own(run):
    result = run(*ISSUE)
    words = [line.split() for line in result.out.splitlines()]
    texts = [line[1] for line in words if line and line[0] == "token"]
    assert len(texts) == 1
    assert is_well_formed(texts[0])
    assert result.out.count(texts[0]) == 1
    assert (result.status, result.err) == (0, "")


@pytest.mark.parametrize(
    ("options", "field"),
    [
        (("--client", "nobody"), "client"),
        (("--endpoint", "nope"), "endpoints"),
        (("--scope", "nope"), "scopes"),
        (("--user", "nobody"), "user"),
        (("--expires", "91d"), "expires_at"),
        (("--expires", "2001-01-01T00:00Z"), "expires_at"),
        (("--expires", "tomorrow"), "expires_at"),
        (("--not-before", "91d"), "not_before"),
        (("--not-before", "x"), "not_before"),
        (("--name", "n" * 81), "name"),
    ],
)
def test_issue_refuses_beside_the_field(run, options, field):
    result = run(*ISSUE, *options, "--json")
    assert (result.status, set(result.fields)) == (2, {field})
    assert not Token.objects.exists()
    assert "mcpg_" not in result.out


def test_a_deactivated_user_gets_no_token(run):
    get_user_model().objects.create_user("jo", is_active=False)
    assert set(run(*ISSUE, "--user", "jo", "--json").fields) == {"user"}
    assert not Token.objects.exists()


@pytest.mark.parametrize(
    ("before", "kind", "text"),
    [
        ([], "any", "kind any"),
        ([], "browser", "has no origin"),
        ([("client", "disable", "partner")], "server", "is disabled"),
    ],
)
def test_issue_warns_of_what_keeps_or_weakens_it(run, before, kind, text):
    for arguments in before:
        run(*arguments)
    (warning,) = run(*ISSUE, "--kind", kind, "--json").data["warnings"]
    assert text in warning
    result = run(*ISSUE, "--kind", kind)
    assert (result.status, result.err) == (0, f"warning: {warning}\n")


def test_rotate_keeps_the_old_secret_for_the_overlap(run):
    old = run(*ISSUE, "--json").data
    new = run("token", "rotate", str(old["id"]), "--overlap", "2h", "--json").data
    assert (new["id"], new["expires_at"]) == (old["id"], old["expires_at"])
    newest, previous = new["secrets"]
    assert newest["expires_at"] is None
    assert newest["mask"].endswith(new["token"][-6:])
    assert previous["mask"].endswith(old["token"][-6:])
    assert 7200 - 60 < seconds_from_now(previous["expires_at"]) <= 7200


def test_rotate_overlaps_a_day_when_nothing_is_said(run):
    old = run(*ISSUE, "--json").data
    previous = run("token", "rotate", str(old["id"]), "--json").data["secrets"][1]
    assert 86400 - 60 < seconds_from_now(previous["expires_at"]) <= 86400


def test_rotating_twice_ends_the_secret_in_use_only_when_asked(run):
    token = str(run(*ISSUE, "--json").data["id"])
    run("token", "rotate", token)
    again = run("token", "rotate", token, "--json")
    assert (again.status, set(again.fields)) == (2, {"end_older"})
    assert TokenSecret.objects.count() == 2
    assert run("token", "rotate", token, "--end-older").status == 0
    ends = list(TokenSecret.objects.order_by("pk").values_list("expires_at", flat=True))
    assert ends[0] <= timezone.now() < ends[1]
    assert ends[2] is None


@pytest.mark.parametrize("overlap", ["8d", "1", "-1h", "x"])
def test_rotate_refuses_a_bad_overlap(run, overlap):
    token = run(*ISSUE, "--json").data["id"]
    result = run("token", "rotate", str(token), f"--overlap={overlap}", "--json")
    assert (result.status, set(result.fields)) == (2, {"overlap"})
    assert TokenSecret.objects.count() == 1


def test_a_revoked_token_is_not_rotated(run):
    token = str(run(*ISSUE, "--json").data["id"])
    run("token", "revoke", token)
    result = run("token", "rotate", token, "--json")
    assert (result.status, result.fields) == (2, {})
    assert TokenSecret.objects.count() == 1


def test_revoke_is_for_good_and_may_be_repeated(run):
    token = str(run(*ISSUE, "--json").data["id"])
    first = run("token", "revoke", token, "--json").data
    assert (first["state"], first["revoked_at"] is None) == ("revoked", False)
    events = AuditEvent.objects.count()
    again = run("token", "revoke", token)
    assert (again.status, again.out.startswith("was revoked before: token ")) == (0, True)
    assert AuditEvent.objects.count() == events


def test_revoke_of_a_client_leaves_other_clients_alone(run):
    run("client", "add", "other")
    for client in ("partner", "partner", "other"):
        run("token", "issue", "--client", client, "--name", "n", "--endpoint", "notes", "--scope", "read")
    assert run("token", "revoke", "--client", "partner", "--json").data == {"client": "partner", "revoked": 2}
    states = {row["client"]: row["state"] for row in run("token", "list", "--json").data}
    assert states == {"partner": "revoked", "other": "live"}


@pytest.mark.parametrize("verb", ["rotate", "revoke"])
@pytest.mark.parametrize("number", ["0", "999", "9" * 18, "9" * 40, "1.5", "x", "", "\u0661"])
def test_an_unknown_number_is_refused(run, verb, number):
    result = run("token", verb, number, "--json")
    assert (result.status, set(result.fields)) == (2, {"id"})


def test_list_filters(run):
    run("client", "add", "other")
    run(*ISSUE)
    run("token", "issue", "--client", "other", "--name", "n", "--endpoint", "tools", "--scope", "read")
    run("token", "issue", "--client", "other", "--name", "gone", "--endpoint", "tools", "--scope", "read")
    run("token", "revoke", str(Token.objects.get(name="gone").pk))

    def listed(*options: str) -> list[str]:
        return [row["name"] for row in run("token", "list", *options, "--json").data]

    assert listed() == ["gone", "n", "ci"]
    assert listed("--live") == ["n", "ci"]
    assert listed("--client", "partner") == ["ci"]
    assert listed("--endpoint", "tools", "--live") == ["n"]


def test_the_state_says_why_a_token_does_not_work(run):
    user = get_user_model().objects.create_user("jo")
    numbers = {}
    for name in ("live", "later", "user", "expired", "revoked"):
        options = ["--user", "jo"] if name == "user" else ["--not-before", "2d"] if name == "later" else []
        numbers[name] = run(*ISSUE, "--name", name, *options, "--json").data["id"]
    run("token", "revoke", str(numbers["revoked"]))
    get_user_model().objects.filter(pk=user.pk).update(is_active=False)
    with policy_write():
        Token.objects.filter(name="expired").update(expires_at=timezone.now())

    def states() -> dict[str, str]:
        return {row["name"]: row["state"] for row in run("token", "list", "--json").data}

    assert states() == {
        "live": "live", "later": "not yet valid", "user": "user inactive", "expired": "expired",
        "revoked": "revoked",
    }  # fmt: skip
    run("client", "disable", "partner")
    assert states()["live"] == "client disabled"


def test_lists_ask_a_fixed_number_of_queries(run, django_assert_num_queries):
    for name in ("1", "2", "3"):
        run(*ISSUE, "--name", name)
    with django_assert_num_queries(4):
        run("token", "list")
    with django_assert_num_queries(2):
        run("client", "list")
