"""A WebSocket behind the gate: handshake, every message and every push are judged.

Nothing that a client sent behind a close reaches the application, and nothing that the application sends
reaches a client that may not have it any more.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Final

from mcp_guard import gate
from mcp_guard.asgi.exchange import Event
from mcp_guard.asgi.open_socket import OpenSocket
from mcp_guard.audit import calls
from mcp_guard.audit.calls import SocketCalls
from mcp_guard.mcp import jsonrpc
from mcp_guard.mcp.answers import may_hold_list, request_id, restricted, unreadable
from mcp_guard.mcp.permit import Permits
from mcp_guard.policy import reply
from mcp_guard.policy.decision import Admitted, Reason, Refused
from mcp_guard.policy.endpoint import AuditCalls
from mcp_guard.policy.limits import weight
from mcp_guard.policy.lists import UnreadableListError

_OFF: Final = AuditCalls.OFF  # before Python 3.12, each look at a member of an enumeration is a call


class GuardedSocket(OpenSocket):
    """One WebSocket. Iterating yields the judged messages and ends when the socket is closed."""

    async def __aiter__(self) -> AsyncIterator[jsonrpc.Message]:
        """Yield the messages until the socket is closed."""
        while (message := await self.receive()) is not None:
            yield message

    async def receive(self) -> jsonrpc.Message | None:
        """Return the next message that may go to the application, None when the socket is closed.

        A request without the grant it needs is answered with a JSON-RPC error; the socket stays open.
        """
        while not self.is_closed:
            self._reader = asyncio.current_task()
            try:
                if self.pace.sending:
                    await self._until_read()
                event = await self._receive()
            except asyncio.CancelledError:
                if not self._is_interrupted():
                    raise
                return None
            finally:
                self._reader = None
            if event["type"] != "websocket.receive":
                self._leave(event.get("code"))
                return None
            now = self._now()
            taken = self._take(event, now)
            if isinstance(taken, jsonrpc.Message):
                admitted = self._admission.standing(taken.bearer, now) or await self._admit(taken.bearer)
                if isinstance(admitted, Admitted):
                    refused = self._begin(taken, admitted, now)
                    if refused is None:
                        return taken
                    await self._answer_unpermitted(taken, admitted, refused)
                    continue
                taken = admitted
            if taken is not None:
                await self.refuse(taken.reason)
        return None

    async def send_text(self, text: str, own: jsonrpc.RequestId | None = None) -> bool:
        """Push a text, and wait until the client has read most of what it was sent.

        Return False when the socket is closed, or is closed by judging this push.

        Of the lists in it only what the principal may use goes out. ``own`` is the id of the request that the
        text answers, where that is known to ask for no list.
        """
        if self.is_closed:
            return False
        if not self._admission.stands and not await self._stays():
            return False
        if self._calls is not None:
            self._calls.see(text)
        if own is None and may_hold_list(text):
            text = self._visible(text)
            if not text:
                return True
        pace = self.pace
        pace.begin_send(self._now())
        try:
            await self._send({"type": "websocket.send", "text": text})
            if self._transport.is_full:
                await self._transport.drain()
            self._sent += 1
        except OSError:  # ASGI: the connection is gone
            self._leave(None)
        finally:
            pace.end_send(self._now())
            if self._unread is not None:
                self._read_on()
        return not self._has_ended()

    async def _stays(self) -> bool:
        """Judge the socket again; return whether it stays open."""
        judged = await self._admission.judge_again()
        if isinstance(judged, Refused):
            await self.refuse(judged.reason)
        return not self._has_ended()

    async def answer_refused(self, refused: Refused) -> None:
        """Answer a request with the error that it is refused with, noting it; the socket stays open."""
        correlation_id = gate.note(self.endpoint, self._admission.later, refused.reason)
        await self.send_text(reply.error_text(refused, correlation_id))

    def _read_on(self) -> None:
        """Read the messages of a client that reads again."""
        waiting, self._unread = self._unread, None
        if waiting is not None and not waiting.done():
            waiting.set_result(None)

    async def _until_read(self) -> None:
        """Wait for a client that reads nothing; until it does, nothing is read of it."""
        while self.pace.sending:
            self._unread = asyncio.get_running_loop().create_future()
            await self._unread

    def _is_interrupted(self) -> bool:
        """Return whether it was the end of the socket that cancelled its reader, which then goes on."""
        task = asyncio.current_task()
        if not self.is_closed or task is None:
            return False
        task.uncancel()
        return True

    def _take(self, event: Event, now: float) -> jsonrpc.Message | Refused | None:
        """Return the message that came, the refusal of what is none, or None when the socket has ended."""
        transport = self._transport
        if transport.is_queue:
            transport.took()
        self._received += 1
        if self.is_closed:
            return None
        if not self.pace.take(now) or transport.is_flooded:
            return Refused(Reason.MESSAGES_TOO_FAST)
        text = event.get("text")
        if text is None:
            return Refused(Reason.MESSAGE_NOT_TEXT)
        limit = self.endpoint.limits.message_bytes
        length = len(text)
        if length * 4 > limit and (length > limit or len(text.encode("utf-8", "replace")) > limit):
            return Refused(Reason.MESSAGE_TOO_LARGE)
        self.weight = weight(text)
        message = jsonrpc.parse(text)
        return Refused(Reason.MESSAGE_MALFORMED) if isinstance(message, jsonrpc.Malformed) else message

    def _begin(self, message: jsonrpc.Message, admitted: Admitted, now: float) -> Refused | None:
        """Return why a message may not go to the application; note that it goes there where it may."""
        permits = self._permits
        if permits is None:
            permits = self._permits = Permits()
        permitted = permits.ask(admitted, message, self._registered, now)
        if isinstance(permitted, Refused):
            return permitted
        if self.endpoint.audit_calls is not _OFF:
            self._calls = self._calls or SocketCalls()
            self._calls.begin(calls.begin(self.endpoint, self._admission.head, admitted.principal, message))
        return None

    async def _admit(self, bearer: jsonrpc.Bearer) -> Admitted | Refused | None:
        """Return the decision that a message lives by, which it makes the one of the socket.

        None when the socket has ended meanwhile: it has given back what it held, and takes nothing more.
        """
        before = self.admitted
        admitted = await self._admission.judge_message(bearer)
        if self.is_closed:
            return None
        if isinstance(admitted, Refused):
            return admitted
        if before is None:
            reason = self._take_slot_of_principal()
            if reason is not None:
                return Refused(reason)
            self._open_record(admitted)
        if admitted is not before:
            self.recheck()
        return admitted

    async def _answer_unpermitted(
        self, message: jsonrpc.Message, admitted: Admitted, permitted: Refused
    ) -> None:
        """Note a message without the grant it needs, and answer it if it is a request."""
        calls.refused(self.endpoint, self._admission.head, admitted.principal, permitted)
        correlation_id = gate.note(self.endpoint, self._admission.later, permitted.reason)
        if message.kind is jsonrpc.Kind.REQUEST:
            await self.send_text(reply.error_text(permitted, correlation_id))

    def _visible(self, text: str) -> str:
        """Return what the principal may see of a list; empty for one that answers nobody knows what."""
        admitted = self.admitted
        if admitted is not None and admitted.delegated:
            return text
        try:
            return restricted(text, self.principal.grants)
        except UnreadableListError:
            return self._withheld(request_id(text))

    def _withheld(self, identifier: jsonrpc.RequestId | None) -> str:
        """Note that a list is withheld; return the error that says so to its request, if there is one."""
        refused = unreadable(None, identifier)
        correlation_id = gate.note(self.endpoint, self._admission.later, refused.reason)
        return "" if identifier is None else reply.error_text(refused, correlation_id)
