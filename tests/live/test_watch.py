"""What sockets with a session live by besides policy: the session itself and its user."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable

import pytest
from django.contrib.auth import get_user_model
from django.contrib.sessions.backends.db import SessionStore
from django.contrib.sessions.models import Session
from django.utils import timezone

from mcp_guard.live import watch as module
from mcp_guard.live.connections import connections
from mcp_guard.live.watch import Watch
from tests.live.connection import Noting, turn


@pytest.fixture
def watch() -> Watch:
    return Watch()


@pytest.fixture
def person(transactional_db):
    return get_user_model().objects.create_user("somebody", password="one")


def login() -> str:
    session = SessionStore()
    session.create()
    return session.session_key


@pytest.fixture
async def connect() -> AsyncIterator[Callable[..., Noting]]:
    """Open connections until the test ends."""
    opened: list[Noting] = []

    def open_one(**values) -> Noting:
        connection = Noting(**values)
        connections.add(connection)
        opened.append(connection)
        return connection

    yield open_one
    for connection in opened:
        connections.discard(connection)


@pytest.fixture
def key(transactional_db) -> str:
    return login()


async def look(watch: Watch) -> None:
    await asyncio.to_thread(watch.look)
    await turn()


async def test_what_has_not_changed_is_left_in_peace(watch, connect, person, key):
    connection = connect(session_key=key, user_id=person.pk)
    await look(watch)
    connection.told.clear()

    await look(watch)

    assert connection.told == []


async def test_a_user_seen_for_the_first_time_is_judged_again(watch, connect, person, key):
    """The password may have changed between the handshake and this look."""
    connection = connect(session_key=key, user_id=person.pk)

    await look(watch)

    assert connection.told == ["doubt"]


@pytest.mark.parametrize("end", ["logout", "expiry"])
async def test_a_session_that_is_gone_is_noticed(watch, connect, key, end):
    connection, other = connect(session_key=key), connect(session_key=await asyncio.to_thread(login))
    if end == "logout":
        await asyncio.to_thread(SessionStore(key).flush)
    else:
        await Session.objects.filter(pk=key).aupdate(expire_date=timezone.now())

    await look(watch)

    assert (connection.told, other.told) == (["doubt"], [])


async def test_a_password_that_has_changed_is_noticed_once(watch, connect, person, key):
    connection = connect(session_key=key, user_id=person.pk)
    await look(watch)
    connection.told.clear()
    await get_user_model().objects.filter(pk=person.pk).aupdate(password="another")

    await look(watch)
    await look(watch)

    assert connection.told == ["doubt"]


@pytest.mark.parametrize("was_known", [True, False])
@pytest.mark.parametrize("end", ["deactivated", "deleted"])
async def test_a_user_that_may_not_go_on_is_noticed(watch, connect, person, key, end, was_known):
    """Also when that happened before anybody had looked at the user."""
    connection = connect(session_key=key, user_id=person.pk)
    if was_known:
        await look(watch)
        connection.told.clear()
    if end == "deactivated":
        await get_user_model().objects.filter(pk=person.pk).aupdate(is_active=False)
    else:
        await asyncio.to_thread(person.delete)

    await look(watch)

    assert connection.told == ["doubt"]


async def test_what_lives_by_a_token_is_left_in_peace(watch, connect, person, key):
    connect(session_key=key, user_id=person.pk)
    by_token = connect(user_id=person.pk)

    await look(watch)

    assert by_token.told == []


def test_without_sessions_nothing_is_asked(watch, transactional_db, django_assert_num_queries):
    with django_assert_num_queries(0):
        watch.look()


async def test_no_session_is_forgotten_among_many(watch, connect, key, monkeypatch):
    monkeypatch.setattr(module, "CHUNK", 2)
    gone = connect(session_key="goneandover")
    kept = [connect(session_key=await asyncio.to_thread(login)) for _ in range(5)]

    await look(watch)

    assert gone.told == ["doubt"]
    assert [connection.told for connection in kept] == [[]] * 5


async def test_sessions_in_a_cache_are_asked_for_too(watch, connect, settings, transactional_db):
    settings.SESSION_ENGINE = "django.contrib.sessions.backends.cache"
    from django.contrib.sessions.backends.cache import SessionStore as CacheStore

    session = CacheStore()
    await asyncio.to_thread(session.create)
    kept, gone = connect(session_key=session.session_key), connect(session_key="goneandover")

    await look(watch)

    assert (kept.told, gone.told) == ([], ["doubt"])


async def test_a_store_that_cannot_be_asked_for_too_long_lets_nobody_stay(watch, connect, monkeypatch):
    def fail(keys):
        raise ConnectionError

    monkeypatch.setattr(module, "live_sessions", fail)
    connection, by_token = connect(session_key="abcdefgh"), connect()
    with pytest.raises(ConnectionError):
        await asyncio.to_thread(watch.look)
    watch.suspect()
    await turn()
    assert connection.told == []

    monkeypatch.setattr(watch, "_looked_at", time.monotonic() - 11.5)
    watch.suspect()
    await turn()

    assert (connection.told, by_token.told) == (["doubt"], [])


async def test_a_long_poll_interval_is_no_reason_for_suspicion(watch, connect, settings, monkeypatch):
    settings.MCP_GUARD = settings.MCP_GUARD | {"POLL_INTERVAL": 30}
    connection = connect(session_key="abcdefgh")

    monkeypatch.setattr(watch, "_looked_at", time.monotonic() - 35)
    watch.suspect()
    await turn()

    assert connection.told == []


async def test_a_look_that_succeeds_ends_the_suspicion(watch, connect, key, monkeypatch):
    connection = connect(session_key=key)
    monkeypatch.setattr(watch, "_looked_at", time.monotonic() - 11.5)
    await look(watch)

    watch.suspect()
    await turn()

    assert connection.told == []
