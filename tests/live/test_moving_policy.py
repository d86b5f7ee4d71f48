"""Policy that changes while a request is being judged refuses nobody who may go on."""

from __future__ import annotations

import pytest
from django.contrib.auth import get_user_model
from django.test import override_settings

from mcp_guard import changes, gate, testing
from mcp_guard.live import load, lookup, sessions
from mcp_guard.live.holder import holder
from mcp_guard.policy.credential import LiveSession
from mcp_guard.policy.decision import Admitted, Reason, Refused
from tests.live.heads import endpoint, head

in_one_transaction = pytest.mark.usefixtures("policy")
LISTED = "https://partner.example"


def settled(name, **headers):
    declared = endpoint(name)
    asked = head(declared, **headers)
    return gate.settle(declared, asked, gate.judge(declared, asked))


async def asettled(name, **headers):
    declared = endpoint(name)
    asked = head(declared, **headers)
    return await gate.asettle(declared, asked, gate.judge(declared, asked))


def moving_counter(values):
    """Return a counter whose value moves with every look at it."""

    class Moving:
        is_shared = True

        @property
        def value(self):
            return next(values)

    return Moving()


@in_one_transaction
def test_a_change_between_two_looks_at_the_counter_is_waited_for(monkeypatch):
    issued = testing.issue_token(testing.add_client(), "tools")
    holder.refresh()
    declared = endpoint("tools")
    asked = head(declared, **testing.bearer(issued))
    monkeypatch.setattr(holder, "_counter", moving_counter(iter([0, *[1] * 100])))

    judged = gate.judge(declared, asked)

    assert not isinstance(judged, Refused)
    assert isinstance(gate.settle(declared, asked, judged), Admitted)


@pytest.fixture
def changing_session(monkeypatch):
    """A session of a listed page, and policy that changes whenever a session is read."""
    client = testing.add_client()
    testing.list_origin(LISTED, client, "notes", cookies=True)
    user = get_user_model().objects.create_user("somebody")

    def read(key):
        holder.expire()
        return LiveSession(key, user.pk)

    async def aread(key):
        return read(key)

    monkeypatch.setattr(sessions, "read", read)
    monkeypatch.setattr(sessions, "aread", aread)
    return {"origin": LISTED, "cookie": "sessionid=abcdefgh"}


@in_one_transaction
def test_a_session_is_let_in_though_policy_changed_while_it_was_read(changing_session):
    assert isinstance(settled("notes", **changing_session), Admitted)


@pytest.mark.usefixtures("live_policy")
async def test_a_session_is_let_in_though_policy_changed_while_it_was_read_asynchronously(changing_session):
    assert isinstance(await asettled("notes", **changing_session), Admitted)


@pytest.fixture
def changing_token(monkeypatch):
    """A token that is not in memory, and another change with each of its first look-ups."""
    client = testing.add_client()
    issued = testing.issue_token(client, "tools")
    testing.issue_token(client, "tools")
    holder.refresh()
    read_token = load.read_token
    looked_up = []

    def read(alias, digest):
        found = read_token(alias, digest)
        looked_up.append(digest)
        if len(looked_up) < 3:
            holder.expire()
        return found

    monkeypatch.setattr(load, "read_token", read)
    monkeypatch.setattr(lookup, "find", lookup.lookups.find)  # on the connection that holds the rows
    return issued


@pytest.fixture
def few_tokens_in_memory():
    with override_settings(MCP_GUARD={"ENDPOINTS": {"tools": {"profile": "token"}}, "TOKENS_IN_MEMORY": 1}):
        yield


@in_one_transaction
def test_a_token_is_let_in_though_policy_changed_while_it_was_looked_up(few_tokens_in_memory, changing_token):
    assert isinstance(settled("tools", **testing.bearer(changing_token)), Admitted)


@in_one_transaction
def test_a_token_revoked_while_it_was_looked_up_is_refused(few_tokens_in_memory, changing_token):
    changes.revoke_token(testing.ACTOR, changing_token.token)

    assert settled("tools", **testing.bearer(changing_token)) == Refused(Reason.TOKEN_REVOKED)


@in_one_transaction
def test_what_never_comes_to_rest_is_refused(monkeypatch):
    issued = testing.issue_token(testing.add_client(), "tools")
    monkeypatch.setattr(holder, "refresh", lambda: None)

    assert settled("tools", **testing.bearer(issued)) == Refused(Reason.POLICY_TOO_OLD)
