"""What is written down of the processes of registered servers, and shown by screens and commands."""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta

import pytest
from asgiref.sync import sync_to_async
from django.utils import timezone

from mcp_guard.audit.events import recorder
from mcp_guard.models import ServerRun
from mcp_guard.servers import pools
from mcp_guard.servers.record import Record
from mcp_guard.servers.runs import recorded, running
from tests.servers.local import BOB, row, serving


@pytest.fixture
def places(monkeypatch):
    """Let the record see the places of a site."""
    found: list = []
    monkeypatch.setattr(pools, "slots", lambda: list(found))
    yield found
    recorder.forget()


async def written(record: Record) -> None:
    await sync_to_async(record.write_now)()


@pytest.mark.django_db(transaction=True)
async def test_state_and_last_words_are_written_and_tell_of_a_process_that_ended(places):
    record = Record()
    async with serving(row(shared=False)) as site:
        await site.call("noise", text="a \x1b[31mred\u202e line with mcpg_secret0123456789")
        await site.call("pid", BOB)
        places += site.pool.slots.values()
        await site.call("add", a=1, b=1)
        await written(record)
        [ann, bob] = await sync_to_async(recorded)("small")
        assert [(each.party, each.state, each.starts) for each in (ann, bob)] == [
            ("ann", "running", 1), ("bob", "running", 1),
        ]  # fmt: skip
        assert await sync_to_async(lambda: [each.pid for each in running()])() == [ann.pid, bob.pid]
        assert (ann.tail, bob.tail) == (r"a \x1b[31mred\u202e line with mcpg_[redacted]", "")
    await written(record)

    [ann, bob] = await sync_to_async(recorded)("small")
    assert {(each.state, each.end) for each in (ann, bob)} == {("ended", "shutdown")}


@pytest.mark.django_db(transaction=True)
async def test_a_place_that_is_forgotten_and_a_portal_that_is_gone_leave_no_row(places):
    old = {
        "process": uuid.uuid4(),
        "host": "x",
        "portal_pid": 1,
        "server": "old",
        "key": "old",
        "state": "running",
    }
    record = Record()
    await ServerRun.objects.acreate(**old, seen_at=timezone.now() - timedelta(hours=25))
    async with serving(row(shared=False)) as site:
        await site.call("pid")
        await site.call("pid", BOB)
        places += site.pool.slots.values()
        await written(record)
        places.pop()
        await written(record)

        assert [each.party for each in await sync_to_async(recorded)()] == ["ann"]


@pytest.mark.django_db
def test_a_portal_that_says_nothing_any_more_runs_nothing():
    said("small", timezone.now() - timedelta(minutes=5))

    assert running() == []


def said(server: str, at: datetime, **values) -> None:
    """Record a process as some process of the portal did at a time."""
    known = {"process": uuid.uuid4(), "host": "x", "portal_pid": 1, "key": server, "state": "running"}
    ServerRun.objects.create(**{**known, "server": server, "seen_at": at, **values})
