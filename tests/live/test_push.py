"""A push is on its way before the process that asked for it ends."""

from __future__ import annotations

import asyncio
import threading

from mcp_guard.live import listen


def test_ending_waits_for_a_push_that_is_under_way(monkeypatch):
    may_send, sent = threading.Event(), []

    async def send(self):
        await asyncio.to_thread(may_send.wait, 5)
        sent.append("pushed")

    monkeypatch.setattr(listen, "has_shared_layer", lambda: True)
    monkeypatch.setattr(listen.Push, "_send", send)
    push = listen.Push()
    push()
    ending = threading.Thread(target=push.finish)
    ending.start()
    may_send.set()
    ending.join(5)

    assert sent == ["pushed"]


def test_ending_waits_no_longer_than_a_push_may_take(monkeypatch):
    async def hangs(self):
        await asyncio.sleep(60)

    monkeypatch.setattr(listen, "has_shared_layer", lambda: True)
    monkeypatch.setattr(listen, "SEND_SECONDS", 0.05)
    monkeypatch.setattr(listen.Push, "_send", hangs)
    push = listen.Push()
    push()
    push.finish()

    assert not push._done.is_set()
