"""One that cannot be looked at, or judged again, is logged; the others get their turn."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest

from mcp_guard.asgi import sweep as sweeps
from mcp_guard.asgi.sweep import Sweep
from mcp_guard.live.connections import Connections

COUNT = 3


class Failing:
    """Something open for which everything fails, once it has been noted."""

    client, session_key, user_id = "acme", "key", 7

    def __init__(self, seen: list[Failing]) -> None:
        self._seen = seen

    def look(self, now: float) -> None:
        self._fail()

    def recheck(self) -> None:
        self._fail()

    def doubt(self) -> None:
        self._fail()

    def _fail(self) -> None:
        self._seen.append(self)
        raise LookupError


async def test_a_sweep_goes_on_behind_one_that_fails(monkeypatch: Any, caplog: pytest.LogCaptureFixture):
    monkeypatch.setattr(sweeps, "INTERVAL_SECONDS", 0.0)
    seen: list[Failing] = []
    sweep = Sweep()
    added = [Failing(seen) for _ in range(COUNT)]
    for one in added:
        sweep.add(one)

    async with asyncio.timeout(5):
        while len(seen) < 2 * COUNT:  # noqa: ASYNC110 (it counts what timers do)
            await asyncio.sleep(0)
    for one in added:
        sweep.discard(one)

    assert set(seen[:COUNT]) == set(seen[COUNT : 2 * COUNT]) == set(added)
    assert {(record.name, record.levelno) for record in caplog.records} == {("mcp_guard.gate", logging.ERROR)}


@pytest.mark.parametrize("what", ["recheck", "doubt"])
async def test_all_are_judged_again_though_one_fails(what: str, caplog: pytest.LogCaptureFixture):
    seen: list[Failing] = []
    connections = Connections()
    added = [Failing(seen) for _ in range(COUNT)]
    for one in added:
        connections.add(one)

    if what == "recheck":
        connections.recheck_all()
    else:
        connections.doubt({"key"}, set())
    async with asyncio.timeout(5):
        while len(seen) < COUNT:  # noqa: ASYNC110 (it counts what the loop does)
            await asyncio.sleep(0)

    assert set(seen) == set(added)
    assert [record.name for record in caplog.records] == ["mcp_guard.gate"] * COUNT
