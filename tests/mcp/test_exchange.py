"""One exchange with an ASGI application inside of another request."""

from __future__ import annotations

import asyncio
import threading

import pytest

from mcp_guard.mcp import exchange as exchange_module
from mcp_guard.mcp.exchange import Exchange
from tests.mcp.recorder import http_scope

SCOPE = http_scope("POST", {})


def answering(*parts: bytes, headers=(), status=200):
    async def app(scope, receive, send):
        await send({"type": "http.response.start", "status": status, "headers": headers})
        for part in parts:
            await send({"type": "http.response.body", "body": part, "more_body": True})
        await send({"type": "http.response.body"})

    return app


async def whole(exchange: Exchange) -> bytes:
    return b"".join([part async for part in exchange])


async def test_status_headers_and_body_come_through():
    exchange = Exchange(answering(b"a", b"b", headers=[(b"X-A", b"1")], status=202), SCOPE, b"")
    start = await exchange.start()
    assert (start.status, start.headers, start.is_stream) == (202, {"x-a": "1"}, True)
    assert await whole(exchange) == b"ab"


async def test_headers_about_the_connection_stay_behind():
    headers = [
        (b"connection", b"keep-alive, X-Hop"), (b"keep-alive", b"5"), (b"transfer-encoding", b"chunked"),
        (b"x-hop", b"1"), (b"content-type", b"text/event-stream"), (b"vary", b"A"), (b"vary", b"B"),
    ]  # fmt: skip
    start = await Exchange(answering(headers=headers), SCOPE, b"").start()
    assert start.headers == {"content-type": "text/event-stream", "vary": "A, B"}


@pytest.mark.parametrize(
    ("headers", "status", "is_stream"),
    [([(b"content-length", b"2")], 200, False), ([], 204, False), ([], 304, False), ([], 200, True)],
)
async def test_what_counts_as_a_stream(headers, status, is_stream):
    start = await Exchange(answering(headers=headers, status=status), SCOPE, b"").start()
    assert start.is_stream is is_stream


async def test_the_application_gets_the_body_once_and_then_waits():
    received = []

    async def app(scope, receive, send):
        received.append(await receive())
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(receive(), 0.01)
        await answering(b"ok")(scope, receive, send)

    exchange = Exchange(app, SCOPE, b"body")
    await exchange.start()
    assert await whole(exchange) == b"ok"
    assert received == [{"type": "http.request", "body": b"body", "more_body": False}]


async def test_a_part_arrives_before_the_application_goes_on():
    go_on = asyncio.Event()

    async def app(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"first", "more_body": True})
        await go_on.wait()
        await send({"type": "http.response.body", "body": b"second"})

    exchange = Exchange(app, SCOPE, b"")
    await exchange.start()
    parts = aiter(exchange)
    assert await asyncio.wait_for(anext(parts), 1) == b"first"
    go_on.set()
    assert [part async for part in parts] == [b"second"]


async def test_an_error_before_the_answer_is_the_caller_s():
    async def app(scope, receive, send):
        raise LookupError("broken")

    with pytest.raises(LookupError, match="broken"):
        await Exchange(app, SCOPE, b"").start()


async def test_an_error_within_the_answer_breaks_it_off():
    async def app(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"half", "more_body": True})
        raise LookupError("broken")

    exchange = Exchange(app, SCOPE, b"")
    await exchange.start()
    with pytest.raises(LookupError, match="broken"):
        await whole(exchange)


async def test_no_answer_at_all_is_an_error():
    async def app(scope, receive, send):
        return

    with pytest.raises(RuntimeError, match="no answer"):
        await Exchange(app, SCOPE, b"").start()


class Endless:
    """An application that answers for ever and notes its end."""

    def __init__(self, *, silent: bool = False) -> None:
        self.silent = silent
        self.ended = asyncio.Event()

    async def __call__(self, scope, receive, send):
        try:
            if not self.silent:
                await send({"type": "http.response.start", "status": 200, "headers": []})
            while True:
                await asyncio.sleep(0.001)
                if not self.silent:
                    await send({"type": "http.response.body", "body": b".", "more_body": True})
        finally:
            self.ended.set()


@pytest.fixture
def impatient(monkeypatch):
    monkeypatch.setattr(exchange_module, "LEAVE_SECONDS", 0.01)


@pytest.mark.usefixtures("impatient")
async def test_a_reader_that_stops_ends_the_application():
    app = Endless()
    exchange = Exchange(app, SCOPE, b"")
    await exchange.start()
    parts = aiter(exchange)
    await anext(parts)
    await parts.aclose()
    await asyncio.wait_for(app.ended.wait(), 1)


@pytest.mark.usefixtures("impatient")
async def test_a_caller_that_is_cancelled_before_the_answer_ends_the_application():
    app = Endless(silent=True)
    exchange = Exchange(app, SCOPE, b"")
    waiting = asyncio.create_task(exchange.start())
    await asyncio.sleep(0.01)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    await asyncio.wait_for(app.ended.wait(), 1)


@pytest.mark.usefixtures("impatient")
async def test_an_answer_that_nobody_reads_is_closed_from_another_thread():
    app = Endless()
    exchange = Exchange(app, SCOPE, b"")
    await exchange.start()
    closing = threading.Thread(target=exchange.close)
    closing.start()
    await asyncio.wait_for(app.ended.wait(), 1)
    closing.join()


async def test_an_application_hears_that_its_client_left_and_ends_by_itself():
    ended = asyncio.Event()

    async def app(scope, receive, send):
        await receive()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for _ in range(3):
            await send({"type": "http.response.body", "body": b"x", "more_body": True})
        assert await receive() == {"type": "http.disconnect"}
        await asyncio.sleep(0.01)
        ended.set()

    exchange = Exchange(app, SCOPE, b"")
    await exchange.start()
    parts = aiter(exchange)
    await anext(parts)
    await parts.aclose()
    await asyncio.wait_for(ended.wait(), 1)


async def test_a_failure_after_the_client_left_is_logged(caplog):
    async def app(scope, receive, send):
        await receive()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await receive()
        raise LookupError("too late")

    caplog.set_level("INFO")
    exchange = Exchange(app, SCOPE, b"")
    await exchange.start()
    exchange.close()
    while "too late" not in caplog.text:  # noqa: ASYNC110 (the log tells)
        await asyncio.sleep(0.01)


async def test_a_slow_reader_slows_the_application_down():
    sent = 0

    async def app(scope, receive, send):
        nonlocal sent
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for _ in range(100):
            await send({"type": "http.response.body", "body": b"x", "more_body": True})
            sent += 1

    exchange = Exchange(app, SCOPE, b"")
    await exchange.start()
    await asyncio.sleep(0.02)
    assert sent <= 2
    assert len(await whole(exchange)) == 100
