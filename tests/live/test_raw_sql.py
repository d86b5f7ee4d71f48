"""Policy that is written past Django: PostgreSQL raises the revision by itself, and every process follows."""

from __future__ import annotations

import pytest
from django.contrib.admin.actions import delete_selected
from django.contrib.auth import get_user_model
from django.core.management import call_command

from mcp_guard import changes, testing
from mcp_guard.models import Change, Revision, Token
from mcp_guard.writing import PolicyWriteRefused
from tests.faults.bed import Bed, Writer, bed
from tests.faults.client import bearer
from tests.faults.prober import probing

FUTURE = "now() + interval '1 day'"
STATEMENTS = {
    "scope": (
        "INSERT INTO mcp_guard_scope (name, grants, endpoints, description) "
        "VALUES ('by-hand', '[]', '[]', '')"
    ),
    "client": "UPDATE mcp_guard_client SET owner = 'somebody'",
    "scopes of a client": (
        "INSERT INTO mcp_guard_client_scopes (client_id, scope_id) "
        "SELECT c.id, s.id FROM mcp_guard_client c, mcp_guard_scope s"
    ),
    "scopes of a token": (
        "INSERT INTO mcp_guard_token_scopes (token_id, scope_id) "
        "SELECT t.id, s.id FROM mcp_guard_token t, mcp_guard_scope s"
    ),
    "scopes of tokens, all gone": "TRUNCATE mcp_guard_token_scopes",
    "origin": "UPDATE mcp_guard_allowedorigin SET active = false",
    "origin deleted": "DELETE FROM mcp_guard_allowedorigin",
    "token": "UPDATE mcp_guard_token SET name = 'by hand'",
    "secret": f"UPDATE mcp_guard_tokensecret SET expires_at = {FUTURE}",
    "registered server": "DELETE FROM mcp_guard_registeredserver",
    "endpoint": f"INSERT INTO mcp_guard_endpointstate VALUES ('tools', {FUTURE})",
}
"""A statement for each table of policy, and for each of the ways to write."""


async def raised(writer: Writer, order: str, **arguments) -> int:
    """Return by how much an order raises the revision."""
    before = await writer.ask("revision")
    await writer.do(order, **arguments)
    return await writer.ask("revision") - before


@pytest.mark.services
async def test_a_statement_on_any_table_raises_the_revision(postgres_url):
    async with bed(postgres_url, servers=()) as (_, writer):
        await writer.do("origin", name="https://partner.example", of="partner")
        await writer.do("issue", of="partner")

        found = {what: await raised(writer, "sql", statement=sql) for what, sql in STATEMENTS.items()}

        assert found == dict.fromkeys(STATEMENTS, 1)


@pytest.mark.services
async def test_a_change_through_the_app_raises_it_once(postgres_url):
    """The triggers see the rows of a change too, and know that it has raised the revision."""
    async with bed(postgres_url, servers=()) as (_, writer):
        ((token, _),) = await writer.ask("issue", of="partner")

        assert await raised(writer, "issue", of="partner") == 1
        assert await raised(writer, "revoke", token=token) == 1


@pytest.mark.services
async def test_what_is_no_policy_raises_nothing(postgres_url):
    async with bed(postgres_url, servers=()) as (_, writer):
        statement = "UPDATE auth_user SET first_name = 'x'"

        assert await raised(writer, "sql", statement=statement) == 0


@pytest.mark.services
@pytest.mark.parametrize("guard", [{}, {"PUSH": False, "SHARED_COUNTER": False}], ids=["pushed", "polled"])
async def test_a_token_revoked_in_sql_is_refused_by_every_process(postgres_url, guard):
    async with bed(postgres_url, guard=guard) as (made, writer):
        ((token, text),) = await writer.ask("issue", of="partner")
        await _revoke_in_sql(made, writer, token, text)


async def _revoke_in_sql(made: Bed, writer: Writer, token: int, text: str) -> None:
    with probing(made.ports, bearer(text)) as probers:
        for prober in probers:
            assert await prober.until(lambda answer: answer.is_admitted, 10)
        statement = f"UPDATE mcp_guard_token SET revoked_at = now() WHERE id = {token}"
        done = await writer.do("sql", statement=statement)
        for prober in probers:
            refused = await prober.until(lambda answer: answer.status == 401, 10)
            assert refused is not None
            assert not prober.admitted_after(done.returned + 2.0)


def test_loading_a_fixture_raises_the_revision(db, tmp_path):
    testing.issue_token(testing.add_client(), "tools")
    file = str(tmp_path / "policy.json")
    call_command("dumpdata", "mcp_guard.client", "mcp_guard.token", "mcp_guard.tokensecret", output=file)
    before = Revision.objects.get().n

    call_command("loaddata", file, verbosity=0)

    assert Revision.objects.get().n == before + 3
    assert Change.objects.count() == before + 3


def test_loading_a_fixture_that_sets_scopes_is_refused_as_a_whole(db, tmp_path):
    """Django sets the scopes of a loaded token by hand, of which no revision would tell."""
    testing.issue_token(
        testing.add_client(), "tools", scopes=[testing.grant_scope("read", "tools/call:read")]
    )
    file = str(tmp_path / "policy.json")
    call_command("dumpdata", "mcp_guard.client", "mcp_guard.token", output=file)
    changes.set_token(testing.ACTOR, Token.objects.get(), name="newer", scopes=[])
    before = Revision.objects.get().n

    with pytest.raises(PolicyWriteRefused):
        call_command("loaddata", file, verbosity=0)

    assert Revision.objects.get().n == before
    assert Token.objects.get().name == "newer"
    assert not Token.objects.get().scopes.exists()


def test_deleting_users_on_the_admins_list_deletes_their_tokens_as_changes(db, rf, admin_user):
    from django.contrib.admin import site
    from django.contrib.auth.admin import UserAdmin

    people = [get_user_model().objects.create_user(f"u{number}") for number in range(2)]
    client = testing.add_client()
    for person in people:
        testing.issue_token(client, "tools", user=person)
    before = Revision.objects.get().n
    request = rf.post("/", {"post": "yes"})
    request.user = admin_user
    request._messages = Silent()

    rows = get_user_model().objects.filter(pk__in=[person.pk for person in people])
    delete_selected(UserAdmin(get_user_model(), site), request, rows)

    assert not Token.objects.exists()
    assert Change.objects.filter(revision__gt=before, subject="token").count() >= 2


class Silent:
    """The messages of a request that nobody reads."""

    def add(self, *arguments) -> None:
        return
