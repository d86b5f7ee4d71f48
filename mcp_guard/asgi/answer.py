"""Answer an admitted request with the inner application: stamped, and ended when it is not admitted any more.

An event stream can stay open for hours. It is judged again after every change of policy, when what it was
admitted by expires, and before an event goes out that no judgement covers any more. Refused, its
application is told that the client has gone, which MCP takes as cancelling the call, and the client sees
the end of the stream.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, Final

from mcp_guard import gate
from mcp_guard.asgi.admission import Admission
from mcp_guard.asgi.exchange import Event, Receive, Send
from mcp_guard.live.connections import connections
from mcp_guard.passage import Passage
from mcp_guard.policy.decision import Admitted, Refused
from mcp_guard.policy.endpoint import Endpoint
from mcp_guard.policy.reply import Header
from mcp_guard.policy.stamp import stamped_headers

GRACE_SECONDS: Final = 2.0
"""How long an application may take to end after its stream was ended, before it is cancelled."""

_FAILED: Final = b'{"jsonrpc": "2.0", "id": null, "error": {"code": -32603, "message": "Internal error"}}'
_DISCONNECT: Final = {"type": "http.disconnect"}


class Answer:
    """One answer of the inner application. ``client`` is whose stream it is, for those who count them."""

    def __init__(self, endpoint: Endpoint, passage: Passage, receive: Receive, send: Send) -> None:
        self._endpoint = endpoint
        self._passage = passage
        self._receive = receive
        self._send = send
        self._admission: Admission | None = None
        self._has_started = False
        self._is_ended = False
        self._server: asyncio.Task[Any] | None = None
        self._reader: asyncio.Task[Any] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._grace: asyncio.TimerHandle | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def client(self) -> str:
        """The client whose stream it is."""
        return self._passage.principal.client

    @property
    def session_key(self) -> str:
        """The session it was admitted by; empty when it was none."""
        return "" if self._admission is None else self._admission.session_key

    @property
    def user_id(self) -> int | None:
        """The user it acts for."""
        return self._passage.principal.user_id

    async def serve(self, app: Any, scope: Mapping[str, Any]) -> None:
        """Run the application; one that fails before it answers becomes a 500 with the same headers."""
        self._server = asyncio.current_task()
        try:
            await app(scope, self._receive_event, self._send_event)
        except asyncio.CancelledError:
            if not self._is_ended or self._server is None:
                raise
            self._server.uncancel()
        except Exception:
            await self._fail()
            raise
        finally:
            self._forget()

    def recheck(self) -> None:
        """Judge the stream again and end it if it is refused."""
        if self._is_ended or self._admission is None or self._admission.stands:
            return
        self._keep(self._judge_open())

    def doubt(self) -> None:
        """Judge the stream again, whatever the policy says."""
        if self._admission is not None:
            self._admission.doubt()
            self.recheck()

    async def _judge_open(self) -> None:
        if self._admission is not None:
            await self._go_on_by(await self._admission.judge_open())

    async def _judge_again(self) -> None:
        if self._admission is not None:
            await self._go_on_by(await self._admission.judge_again())

    async def _go_on_by(self, judged: Admitted | Refused | None) -> None:
        if self._has_ended():
            return
        if isinstance(judged, Refused):
            await self._end(judged)
        else:
            self._watch_deadline()

    async def _end(self, refused: Refused) -> None:
        """End the stream for both sides, noting why."""
        if self._is_ended:
            return
        self._is_ended = True
        gate.note(self._endpoint, self._passage.head, refused.reason)
        if self._reader is not None:
            self._reader.cancel()
        if self._server is not None:
            loop = asyncio.get_running_loop()
            self._grace = loop.call_later(GRACE_SECONDS, self._server.cancel)
        await self._send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _receive_event(self) -> Event:
        if self._has_ended():
            return dict(_DISCONNECT)
        reader = self._reader = asyncio.current_task()
        try:
            return await self._receive()
        except asyncio.CancelledError:
            if not self._has_ended() or reader is None:
                raise
            reader.uncancel()
            return dict(_DISCONNECT)
        finally:
            self._reader = None

    def _has_ended(self) -> bool:
        """Whether the stream was ended meanwhile, by another task."""
        return self._is_ended

    async def _send_event(self, event: Event) -> None:
        if self._is_ended:
            return
        if event["type"] == "http.response.start":
            await self._start(event)
            return
        if self._admission is not None and not self._admission.stands:
            await self._judge_again()
            if self._has_ended():
                return
        await self._send(event)

    async def _start(self, event: Event) -> None:
        self._has_started = True
        headers = stamped_headers(event.get("headers", ()), self._passage.admitted)
        await self._send({**event, "headers": headers})
        if _is_event_stream(headers):
            self._open_stream()

    def _open_stream(self) -> None:
        """Watch the stream; only now, as nothing may end it before its head is sent."""
        admitted, head = self._passage.admitted, self._passage.head
        self._admission = Admission(self._endpoint, head, admitted)
        connections.add(self)
        self._watch_deadline()
        self.recheck()

    def _watch_deadline(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        seconds = None if self._admission is None else self._admission.seconds_left
        if seconds is not None and not self._is_ended:
            self._timer = asyncio.get_running_loop().call_later(seconds, self._deadline)

    def _deadline(self) -> None:
        if self._admission is not None and self._admission.stands:
            self._watch_deadline()
        else:
            self.recheck()

    async def _fail(self) -> None:
        if self._has_started or self._is_ended:
            return
        length = (b"content-length", str(len(_FAILED)).encode())
        headers = [(b"content-type", b"application/json"), (b"cache-control", b"no-store"), length]
        await self._send_event({"type": "http.response.start", "status": 500, "headers": headers})
        await self._send({"type": "http.response.body", "body": _FAILED})

    def _keep(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _forget(self) -> None:
        if self._admission is not None:
            connections.discard(self)
        for timer in (self._timer, self._grace):
            if timer is not None:
                timer.cancel()


def _is_event_stream(headers: list[Header]) -> bool:
    """Whether an answer goes on for as long as it likes; Django does not write names in lower case."""
    return any(
        name.lower() == b"content-type" and value.lower().startswith(b"text/event-stream")
        for name, value in headers
    )
