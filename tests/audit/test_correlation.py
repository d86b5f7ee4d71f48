"""Correlation ids: nobody gets one twice, whatever threads and processes ask."""

from __future__ import annotations

import os
import re
from concurrent.futures import ThreadPoolExecutor

from mcp_guard.audit.correlation import BLOCK, CorrelationIds, correlation_ids
from mcp_guard.policy.reply import ID_LENGTH


def test_an_id_is_as_long_as_answers_leave_room_for():
    assert re.fullmatch(f"[0-9a-f]{{{ID_LENGTH}}}", CorrelationIds().take())


def test_no_id_is_taken_twice():
    ids = CorrelationIds()
    with ThreadPoolExecutor(8) as pool:
        taken = [*pool.map(lambda _: ids.take(), range(50 * BLOCK))]

    assert len({*taken}) == 50 * BLOCK


def test_the_system_is_asked_once_for_a_block(monkeypatch):
    asked, urandom = [], os.urandom
    monkeypatch.setattr(os, "urandom", lambda size: asked.append(size) or urandom(size))
    ids = CorrelationIds()
    for _ in range(BLOCK + 1):
        ids.take()

    assert asked == [BLOCK * ID_LENGTH // 2] * 2


def test_a_fork_uses_none_of_its_parents():
    correlation_ids.take()
    left = {*correlation_ids._drawn}
    read, write = os.pipe()
    if os.fork() == 0:
        os.write(write, correlation_ids.take().encode())
        os._exit(0)
    os.close(write)
    with os.fdopen(read) as told:
        childs = told.read()

    assert len(childs) == ID_LENGTH
    assert childs not in left
    assert {*correlation_ids._drawn} == left
