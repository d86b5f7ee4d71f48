"""What open connections live by is judged again without a stampede, and not lost on the way."""

from __future__ import annotations

import asyncio

import pytest

from mcp_guard import gate, testing, wire
from mcp_guard.asgi import guard
from mcp_guard.asgi.admission import Admission
from mcp_guard.asgi.front_door import front_door
from mcp_guard.live import lookup, sessions
from mcp_guard.live.connections import connections
from mcp_guard.live.holder import holder
from mcp_guard.policy.credential import DeadSession, LiveSession
from mcp_guard.policy.decision import FOR_GOOD, Admitted, Reason, Refused
from tests.live.heads import endpoint, http_scope, socket_scope

ORIGIN = "https://app.example.com"
pytestmark = pytest.mark.django_db


@pytest.fixture
def admission(policy, monkeypatch) -> Admission:
    """Return a socket that a session has opened."""
    client = testing.add_client()
    testing.list_origin(ORIGIN, client, "notes", cookies=True)
    monkeypatch.setattr(sessions, "aread", _live)
    scope = socket_scope(origin=ORIGIN, cookie="sessionid=abcdefgh12345678")
    return Admission(endpoint("notes"), gate_head(scope))


def run(playing):
    """Play under the rows of the test, which no other thread can see."""
    holder.refresh()
    return asyncio.run(playing)


def gate_head(scope):
    return wire.from_scope(scope, endpoint("notes"))


async def _live(key: str) -> LiveSession:
    return LiveSession(key, 7)


async def _dead(key: str) -> DeadSession:
    return DeadSession()


async def _hangs(key: str) -> LiveSession:
    raise TimeoutError


def test_a_change_of_policy_reads_no_session_of_an_open_socket(admission, monkeypatch):
    async def play():
        assert await admission.judge_handshake() is None
        monkeypatch.setattr(sessions, "aread", _hangs)
        admission._snapshot = None
        return await admission.judge_open()

    judged = run(play())

    assert isinstance(judged, Admitted)
    assert judged.principal.user_id == 7


def test_a_doubted_session_is_read_again(admission, monkeypatch):
    async def play():
        await admission.judge_handshake()
        monkeypatch.setattr(sessions, "aread", _dead)
        admission.doubt()
        return await admission.judge_open()

    assert run(play()) == Refused(Reason.CREDENTIAL_MISSING, admission.admitted.cors, until=FOR_GOOD)


def test_a_store_that_does_not_answer_closes_nothing_before_policy_would_be_too_old(admission, monkeypatch):
    monkeypatch.setattr("mcp_guard.asgi.admission.RETRY_SECONDS", 0.001)

    async def play():
        await admission.judge_handshake()
        monkeypatch.setattr(sessions, "aread", _hangs)
        admission.doubt()
        waiting = asyncio.create_task(admission.judge_open())
        await asyncio.sleep(0.05)
        was_waiting = not waiting.done()
        admission._judged_at -= 11
        return was_waiting, await waiting

    was_waiting, judged = run(play())

    assert was_waiting
    assert judged == Refused(Reason.STORE_UNREADABLE)


def test_no_token_is_looked_up_for_a_host_or_an_origin_that_is_refused(policy, settings, monkeypatch):
    settings.MCP_GUARD = {**settings.MCP_GUARD, "TOKENS_IN_MEMORY": 1}
    client = testing.add_client()
    issued = [testing.issue_token(client, "notes") for _ in range(3)]
    looked_up = []

    def find(digest):
        looked_up.append(digest)
        raise TimeoutError

    monkeypatch.setattr(lookup, "find", find)
    notes = endpoint("notes")
    bearer = testing.bearer(issued[0])
    for odd, reason in (
        ({"host": "evil"}, Reason.HOST_NOT_ALLOWED),
        ({"origin": "https://evil.example"}, Reason.ORIGIN_NOT_LISTED),
    ):
        asked = wire.from_scope(http_scope(**odd, **{k.lower(): v for k, v in bearer.items()}), notes)
        judged = gate.settle(notes, asked, gate.judge(notes, asked))

        assert judged.reason is reason
    assert looked_up == []


def test_an_accept_that_fails_leaves_nothing_behind(policy):
    testing.list_origin(ORIGIN, testing.add_client(), "notes")

    async def app(scope, receive, send):
        raise AssertionError("the application ran")

    async def receive():
        return {"type": "websocket.connect"}

    async def send(event):
        raise ConnectionResetError

    async def play():
        with pytest.raises(ConnectionResetError):
            await guard(app, endpoint="notes")(socket_scope(origin=ORIGIN), receive, send)
        return connections.count()

    assert run(play()) == 0


def _exchange(app, scope, events):
    sent = []

    async def receive():
        return events.pop(0) if events else {"type": "http.disconnect"}

    async def send(event):
        sent.append(event)

    async def play():
        await app(scope, receive, send)

    run(play())
    return sent


def test_a_body_that_nobody_judged_does_not_reach_the_application(policy):
    issued = testing.issue_token(testing.add_client(), "notes")
    seen = []

    async def app(scope, receive, send):
        seen.append(await receive())
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    scope = http_scope(authorization=testing.bearer(issued)["Authorization"])
    scope["http_version"] = "2"
    message = b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"delete_note"}}'
    sent = _exchange(guard(app, endpoint="notes"), scope, [{"type": "http.request", "body": message}])

    assert seen == [{"type": "http.request", "body": b"", "more_body": False}]
    assert sent[0]["status"] == 200


def test_trailers_that_a_server_adds_later_do_not_reach_the_application(policy):
    issued = testing.issue_token(testing.add_client(), "notes")
    scope = http_scope(authorization=testing.bearer(issued)["Authorization"], content_type="application/json")
    scope["method"] = "POST"
    seen = []

    async def app(scope, receive, send):
        seen.extend(scope["headers"])
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    class Body(dict):
        """The body event; taking it appends a trailer to the list of headers, as a server does."""

        def get(self, key, default=None):
            scope["headers"].append((b"x-forwarded-user", b"admin"))
            return super().get(key, default)

    ping = b'{"jsonrpc":"2.0","id":1,"method":"ping"}'
    _exchange(guard(app, endpoint="notes"), scope, [Body(type="http.request", body=ping)])

    assert seen
    assert (b"x-forwarded-user", b"admin") not in seen


def test_the_front_door_takes_no_more_of_a_body_than_the_limit(policy, settings):
    settings.ROOT_URLCONF = "tests.live.urls"
    issued = testing.issue_token(testing.add_client(), "notes")
    scope = http_scope(authorization=testing.bearer(issued)["Authorization"], content_type="application/json")
    scope |= {"method": "POST", "path": "/guarded", "raw_path": b"/guarded"}
    events = [{"type": "http.request", "body": b"x" * 1_000_000, "more_body": True} for _ in range(50)]

    async def app(scope, receive, send):
        raise AssertionError("the application ran")

    sent = _exchange(front_door(app), scope, events)

    assert sent[0]["status"] == 413
    assert len(events) >= 44
