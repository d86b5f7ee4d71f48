"""Uses of tokens and grants: which secret, from where, once a minute, in bounded memory and bounded rows."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from mcp_guard import changes, conf, gate, testing, wire
from mcp_guard.asgi.admission import Admission
from mcp_guard.audit import use_rows
from mcp_guard.audit import uses as module
from mcp_guard.audit.uses import SECONDS, Uses, uses
from mcp_guard.live.holder import Holder, holder
from mcp_guard.mcp.jsonrpc import NoBearer, parse
from mcp_guard.mcp.operations import naming_operation
from mcp_guard.mcp.permit import permit_message
from mcp_guard.models import GrantUse, Revision, TokenUse
from mcp_guard.policy.decision import Admitted, Principal, Refused
from mcp_guard.policy.scopes import Operation, compile_grants
from tests.live.heads import head, socket_scope

NOW = datetime(2030, 1, 1, 12, tzinfo=UTC).timestamp()
CALL = '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"%s","arguments":{}}}'


@pytest.fixture(autouse=True)
def clean():
    uses.forget()
    yield
    uses.forget()


@pytest.fixture
def policy(db):
    with testing.policy_of_this_connection():
        yield


@pytest.fixture
def issued(policy):
    scope = testing.grant_scope("read", "tools/call:read_note", "resources/read:note://public/*")
    return testing.issue_token(testing.add_client(), "notes", "tools", scopes=[scope])


def ask(issued, endpoint="notes", **headers):
    endpoint = conf.endpoint(endpoint)
    asked = head(endpoint, authorization=f"Bearer {issued.text}", **headers)
    return gate.settle(endpoint, asked, gate.judge(endpoint, asked))


def use(own, secret, *, endpoint="notes", now=NOW, token=1, **headers):
    endpoint = conf.endpoint(endpoint)
    own.note(endpoint, head(endpoint, **headers), Principal(1, "c", None, token, secret_id=secret), now)


def waiting(own):
    return list(own._tokens_used._moments)


class TestTheGate:
    def test_an_admission_is_a_use_of_the_secret_that_was_presented(self, issued):
        rotated = changes.rotate_token(testing.ACTOR, issued.token)
        new, old = issued.token.secrets.all()
        for text_of, secret in ((issued, old), (rotated, new)):
            assert isinstance(ask(text_of, user_agent="importer/2"), Admitted)
            uses.write()
            row = TokenUse.objects.get(secret=secret)
            assert (row.token, row.endpoint, row.address) == (issued.token, "notes", "127.0.0.1")
            assert row.user_agent == "importer/2"
        assert TokenUse.objects.count() == 2

    def test_a_refusal_is_no_use(self, issued):
        changes.revoke_token(testing.ACTOR, issued.token)
        assert isinstance(ask(issued), Refused)
        assert isinstance(ask(issued, host="evil.example"), Refused)
        uses.write()
        assert not TokenUse.objects.exists()

    @pytest.mark.parametrize(("tool", "grant"), [("read_note", "tools/call:read_note"), ("write_note", None)])
    def test_the_grant_that_opened_a_message_is_used(self, issued, tool, grant):
        permit_message(ask(issued), parse(CALL % tool))
        uses.write()
        assert list(GrantUse.objects.values_list("grant", flat=True)) == ([grant] if grant else [])

    def test_a_question_is_no_use(self, issued):
        from mcp_guard.live.load import load

        endpoint = conf.endpoint("notes")
        asked = head(endpoint, authorization=f"Bearer {issued.text}")
        assert isinstance(gate.explain(endpoint, asked, load(), datetime.now(UTC).timestamp()), Admitted)
        assert not waiting(uses)

    def test_http_messages_use_the_grant_of_their_method(self, policy, settings):
        settings.MCP_GUARD = {"ENDPOINTS": {"api": {"profile": "token", "messages": "http"}}}
        scope = testing.grant_scope("get", "http:GET")
        ask(testing.issue_token(testing.add_client(), "api", scopes=[scope]), "api")
        uses.write()
        assert GrantUse.objects.get().grant == "http:GET"

    def test_a_message_on_an_open_socket_is_a_use(self, policy, monkeypatch):
        client = testing.add_client()
        testing.list_origin("https://app.example", client, "notes")
        issued = testing.issue_token(client, "notes", kind="any")
        notes = conf.endpoint("notes")
        scope = socket_scope(origin="https://app.example", authorization=f"Bearer {issued.text}")
        admission = Admission(notes, wire.from_scope(scope, notes))
        holder.refresh()

        async def play():
            assert await admission.judge_handshake() is None
            opened = holder.now()
            monkeypatch.setattr(Holder, "now", lambda _: opened + 90)
            assert isinstance(await admission.judge_message(NoBearer()), Admitted)

        asyncio.run(play())
        first, *others = waiting(uses)
        assert (first.secret_id, others) == (issued.token.secrets.get().pk, [])
        uses.write()
        assert TokenUse.objects.get().last_at - timezone.now() > timedelta(seconds=60)

    def test_no_revision_is_raised(self, issued):
        before = Revision.objects.get().n
        permit_message(ask(issued), parse(CALL % "read_note"))
        uses.write()
        assert (TokenUse.objects.count(), GrantUse.objects.count()) == (1, 1)
        assert Revision.objects.get().n == before


class TestOnceAMinute:
    def test_within_the_minute_nothing_more_waits(self):
        own = Uses()
        use(own, 1, now=NOW)
        own._tokens_used.take()
        use(own, 1, now=NOW + SECONDS - 1)
        assert not waiting(own)
        use(own, 1, now=NOW + SECONDS)
        assert len(waiting(own)) == 1

    def test_callers_that_take_turns_are_told_apart_and_noted_once(self):
        own = Uses()
        for _ in range(3):
            for agent in ("one", "two"):
                use(own, 1, user_agent=agent)
        assert [each.user_agent for each in waiting(own)] == ["one", "two"]
        own._tokens_used.take()
        use(own, 1, user_agent="one")
        assert not waiting(own)

    def test_secrets_and_endpoints_are_told_apart(self):
        own = Uses()
        for secret in (1, 2):
            for endpoint in ("notes", "tools"):
                use(own, secret, endpoint=endpoint)
        assert {(each.secret_id, each.endpoint) for each in waiting(own)} == {
            (1, "notes"), (1, "tools"), (2, "notes"), (2, "tools"),
        }  # fmt: skip

    def test_a_grant_is_noted_once_a_minute(self):
        own = Uses()
        principal = Principal(token_id=1, grants=compile_grants(["resources/read:note://public/*"]))
        for number in range(10):
            own.note_grant(principal, Operation("resources/read", f"note://public/{number}"), NOW)
        assert [each.grant for each in own._grants_used.take()] == ["resources/read:note://public/*"]
        own.note_grant(principal, Operation("resources/read", "note://public/1"), NOW + SECONDS - 1)
        assert not len(own._grants_used)
        own.note_grant(principal, Operation("resources/read", "note://public/1"), NOW + SECONDS)
        assert len(own._grants_used) == 1

    def test_every_grant_that_an_operation_needs_is_used(self):
        own = Uses()
        granted = ["completion/complete", "resources/read:note://public/*", "tools/call:a"]
        principal = Principal(token_id=1, grants=compile_grants(granted))
        template = Operation("resources/read", "note://public/{name}", is_template=True)
        own.note_grant(principal, Operation("completion/complete", also=(template,)), NOW)
        assert [each.grant for each in own._grants_used.take()] == granted[:2]

    def test_what_is_listened_to_twice_is_needed_once(self):
        uris = ["note://public/a", "note://public/b", "note://public/a"]
        operation = naming_operation(
            "subscriptions/listen", {"notifications": {"resourceSubscriptions": uris}}
        )
        assert [each.name for each in operation.also] == uris[:2]

    def test_an_operation_that_was_let_through_is_noted_once(self, monkeypatch):
        noted = []
        monkeypatch.setattr(gate.uses, "note_grant", lambda *use: noted.append(use[1]))
        principal = Principal(token_id=1, grants=compile_grants(["completion/complete", "prompts/get:p"]))
        operation = Operation("completion/complete", also=(Operation("prompts/get", "p"),))
        assert isinstance(gate.permit(Admitted(principal), operation), Admitted)
        assert noted == [operation]

    @pytest.mark.parametrize("principal", [Principal(), Principal(1, "c", user_id=2)])
    def test_what_comes_without_a_token_uses_none(self, principal):
        own = Uses()
        endpoint = conf.endpoint("notes")
        own.note(endpoint, head(endpoint), principal, NOW)
        own.note_grant(principal._replace(grants=compile_grants(["ping"])), Operation("ping"), NOW)
        assert not waiting(own)
        assert not len(own._grants_used)


class TestBounds:
    def test_callers_of_one_secret(self):
        own = Uses()
        for number in range(1000):
            use(own, 1, user_agent=f"agent {number}")
        assert len(waiting(own)) == module.MOST_CALLERS

    def test_what_is_remembered_and_room_after_a_minute(self, monkeypatch):
        monkeypatch.setattr(module, "MOST_NOTED", 10)
        own = Uses()
        for secret in range(20):
            use(own, secret)
        own.note_grant(Principal(token_id=1, grants=compile_grants(["ping/x"])), Operation("ping/x"), NOW)
        assert len(waiting(own)) == 10
        assert not len(own._grants_used)
        assert sum(map(len, own._secrets.values())) == 10
        use(own, 99, now=NOW + SECONDS)
        assert 99 in [each.secret_id for each in waiting(own)]
        assert own._noted == 1

    def test_what_waits_for_a_database_that_is_away(self, monkeypatch):
        monkeypatch.setattr(module, "MOST_WAITING", 5)
        own = Uses()
        for secret in range(20):
            use(own, secret)
        assert len(waiting(own)) == 5

    def test_hostile_callers_fit_their_columns_and_hide_no_token(self, issued):
        ask(issued, user_agent=f"\x00\x1b[31m{issued.text}" + "ü" * 9000)
        uses.write()
        row = TokenUse.objects.get()
        assert len(row.user_agent) <= 200
        assert row.user_agent.isprintable()
        assert issued.text not in row.user_agent

    def test_rows_of_one_token(self, issued, monkeypatch):
        monkeypatch.setattr(use_rows, "MOST_USES", 3)
        secret = issued.token.secrets.get()
        for number in range(10):
            use(uses, secret.pk, token=issued.token.pk, user_agent=str(number), now=NOW + number * SECONDS)
            uses.write()
        assert [row.user_agent for row in TokenUse.objects.all()] == ["9", "8", "7"]

    def test_the_only_row_of_an_old_secret_stays(self, issued, monkeypatch):
        monkeypatch.setattr(use_rows, "MOST_USES", 3)
        old = issued.token.secrets.get()
        use(uses, old.pk, token=issued.token.pk, user_agent="nightly", now=NOW)
        changes.rotate_token(testing.ACTOR, issued.token)
        new = issued.token.secrets.exclude(pk=old.pk).get()
        for number in range(1, 10):
            agent = str(number)
            use(uses, new.pk, token=issued.token.pk, user_agent=agent, now=NOW + number * SECONDS)
            uses.write()
        assert [row.user_agent for row in TokenUse.objects.all()] == ["9", "8", "nightly"]

    def test_rows_of_grants_of_one_token(self, issued, monkeypatch):
        monkeypatch.setattr(use_rows, "MOST_GRANTS", 2)
        for number, name in enumerate("abc"):
            principal = Principal(token_id=issued.token.pk, grants=compile_grants([f"tools/call:{name}"]))
            uses.note_grant(principal, Operation("tools/call", name), NOW + number)
        uses.write()
        assert set(GrantUse.objects.values_list("grant", flat=True)) == {"tools/call:b", "tools/call:c"}


class TestWriting:
    def test_nothing_is_asked_when_nothing_was_used(self, db, django_assert_num_queries):
        with django_assert_num_queries(0):
            uses.write()

    def test_a_row_says_first_and_last(self, issued):
        secret = issued.token.secrets.get()
        for minutes in (0, 5):
            use(uses, secret.pk, token=issued.token.pk, now=NOW + minutes * 60)
            uses.write()
        row = TokenUse.objects.get()
        assert row.last_at - row.first_at == timedelta(minutes=5)

    def test_what_was_seen_earlier_does_not_undo_what_another_process_wrote(self, issued):
        secret = issued.token.secrets.get()
        for own, now in ((Uses(), NOW + 50), (Uses(), NOW)):
            use(own, secret.pk, token=issued.token.pk, now=now)
            own.write()
        assert TokenUse.objects.get().last_at.timestamp() == NOW + 50

    def test_rows_are_written_in_one_order_whatever_came_first(self, issued):
        """Two processes that wrote the same rows in different orders would wait for each other."""
        secret = issued.token.secrets.get()
        for agent in ("b", "c", "a"):
            use(uses, secret.pk, token=issued.token.pk, user_agent=agent)
        uses.write()
        assert list(TokenUse.objects.order_by("pk").values_list("user_agent", flat=True)) == ["a", "b", "c"]

    def test_rows_that_are_there_are_locked_in_one_order(self, issued):
        secret = issued.token.secrets.get()
        for now in (NOW, NOW + SECONDS):
            with CaptureQueriesContext(connection) as asked:
                for agent in ("b", "a"):
                    use(uses, secret.pk, token=issued.token.pk, user_agent=agent, now=now)
                uses.write()
        texts = [query["sql"] for query in asked]
        update = next(number for number, sql in enumerate(texts) if sql.startswith("UPDATE"))
        assert 'SELECT "mcp_guard_tokenuse"."id"' in texts[update - 1]
        assert "ORDER BY 1 ASC" in texts[update - 1].replace('"mcp_guard_tokenuse"."id" ASC', "1 ASC")

    def test_what_was_deleted_meanwhile_is_left_out(self, issued):
        permit_message(ask(issued), parse(CALL % "read_note"))
        changes.delete_token(testing.ACTOR, issued.token)
        uses.write()
        assert not TokenUse.objects.exists()
        assert not GrantUse.objects.exists()

    def test_what_could_not_be_written_is_written_later(self, issued, monkeypatch):
        permit_message(ask(issued), parse(CALL % "read_note"))

        def fail(*_):
            raise ConnectionError

        with monkeypatch.context() as broken:
            broken.setattr(use_rows, "write", fail)
            with pytest.raises(ConnectionError):
                uses.write()
        uses.write()
        assert (TokenUse.objects.count(), GrantUse.objects.count()) == (1, 1)
