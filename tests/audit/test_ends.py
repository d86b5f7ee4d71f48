"""The end of a process: what it has seen and not written yet is written then."""

from __future__ import annotations

import asyncio

import pytest

from mcp_guard.asgi.front_door import front_door
from mcp_guard.audit.events import Category, Event, recorder
from mcp_guard.live.errands import Errands, recording
from mcp_guard.models import AuditEvent


@pytest.fixture
def waiting(transactional_db):
    recorder.forget()
    recorder.put(Event(Category.SOCKET, "socket:close"))
    yield
    recording.stop()
    recorder.forget()


@pytest.fixture
def hears():
    """Run the lifespan of an application and return what it answered."""

    def run(app):
        sent = []
        heard = iter(["lifespan.startup", "lifespan.shutdown"])

        async def receive():
            return {"type": next(heard)}

        async def send(event):
            sent.append((event["type"], len(recorder)))

        asyncio.run(front_door(app)({"type": "lifespan"}, receive, send))
        return sent

    return run


async def without_lifespan(scope, receive, send):
    raise ValueError(scope["type"])


async def silent(scope, receive, send):
    return


async def with_lifespan(scope, receive, send):
    await receive()
    await send({"type": "lifespan.startup.complete"})
    await receive()
    await send({"type": "lifespan.shutdown.complete"})


@pytest.mark.parametrize("app", [without_lifespan, silent, with_lifespan])
def test_events_are_written_before_the_end_of_the_lifespan(waiting, hears, app):
    recording.start()

    sent = hears(app)

    assert [kind for kind, _left in sent] == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
    assert sent[-1][1] == 0
    assert AuditEvent.objects.filter(tag="socket:close").count() == 1


def test_an_application_that_fails_in_its_own_lifespan_is_not_covered_up(hears):
    async def fails(scope, receive, send):
        await receive()
        raise ValueError("no disk")

    with pytest.raises(ValueError, match="no disk"):
        hears(fails)


def test_the_thread_writes_once_more_when_it_ends(db):
    ran = []
    errands = Errands("test")
    errands.add_last(lambda: ran.append("last"))
    errands.start()
    assert ran == []

    errands.stop()

    assert ran == ["last"]
