"""Record the calls of tools, on the endpoints whose settings say so: who, which tool, how it ended, how long.

Nothing of this runs where it is switched off, except one comparison.
"""

from __future__ import annotations

import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, MutableMapping
from datetime import datetime
from typing import Any, Final, NamedTuple

from django.http import HttpResponseBase, StreamingHttpResponse
from django.utils import timezone

from mcp_guard.audit import events, outcomes
from mcp_guard.audit.bounded import bounded
from mcp_guard.audit.events import Category, Event
from mcp_guard.audit.outcomes import Answer, Outcome, answered
from mcp_guard.mcp.jsonrpc import Kind, Message, RequestId
from mcp_guard.policy.decision import Principal, Refused
from mcp_guard.policy.endpoint import AuditCalls, Endpoint
from mcp_guard.policy.facts import RequestHead
from mcp_guard.policy.proxies import client_address

TAG: Final = "tool:call"
METHOD: Final = "tools/call"

MAX_OPEN: Final = 64
"""How many calls of one socket are followed to their end; more are recorded at their beginning."""

Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

_SECRET: Final = re.compile(
    r"pass(?:word|wd|phrase|code)|secret|token|api[-_]?key|private[-_]?key|credential|authorization|cookie"
    r"|pwd|jwt|bearer|(?<![a-z])otp(?![a-z])",
    re.IGNORECASE,
)
"""Names of arguments whose values are never recorded."""


class _Watching:
    """A ``send`` that shows what it sends; who asks for the connection behind it finds ``server_send``."""

    def __init__(self, see: Callable[[MutableMapping[str, Any]], None], send: Send) -> None:
        self._see = see
        self.server_send = send

    async def __call__(self, event: MutableMapping[str, Any]) -> None:
        self._see(event)
        await self.server_send(event)


class Call:
    """One call, from when it was let in to its end, which is recorded once."""

    def __init__(self, endpoint: Endpoint, head: RequestHead, principal: Principal, message: Message) -> None:
        self.id = message.id
        self._caller = _Caller(endpoint, head, principal)
        self._tool = _name(message)
        self._details = _arguments(endpoint, message)
        self._at = timezone.now()
        self._since = time.monotonic()
        self._is_open = True
        self._answer = Answer(message.id)

    def end(self, outcome: Outcome) -> None:
        """Record how it ended; the first word counts."""
        if self._is_open:
            self._is_open = False
            milliseconds = round((time.monotonic() - self._since) * 1000, 1)
            code = {"code": outcome.code} if outcome.code else {}
            details = self._details | code | {"ms": milliseconds}
            self._caller.put(self._tool, outcome.name, details, self._at)

    def abandon(self) -> None:
        """Record that it was not answered, if nothing else was recorded."""
        self.end(outcomes.UNANSWERED)

    def watched(self, send: Send) -> Send:
        """Return a ``send`` of ASGI that learns from the answer how the call ended."""
        return _Watching(self.see, send)

    def watch(self, response: HttpResponseBase) -> None:
        """Learn from a response of Django how the call ended, while it is read."""
        headers = [(name.encode(), value.encode("latin-1", "replace")) for name, value in response.items()]
        self._answer.begin(response.status_code, headers)
        if not isinstance(response, StreamingHttpResponse):
            self._feed(getattr(response, "content", b""))
            self.end(self._answer.end())
            return
        response._resource_closers.append(self.abandon)  # type: ignore[attr-defined] # noqa: SLF001 (one that is never read is closed)
        parts: Any = response.streaming_content
        response.streaming_content = self._aread(parts) if response.is_async else self._read(parts)

    def see(self, event: MutableMapping[str, Any]) -> None:
        """Learn from an event of the answer how the call ended."""
        if event["type"] == "http.response.start":
            self._answer.begin(event["status"], event.get("headers", ()))
        elif event["type"] == "http.response.body":
            self._feed(event.get("body", b""))
            if not event.get("more_body", False):
                self.end(self._answer.end())

    def _feed(self, part: bytes) -> None:
        found = self._answer.feed(part) if self._is_open else None
        if found is not None:
            self.end(found)

    def _read(self, parts: Iterator[bytes]) -> Iterator[bytes]:
        for part in parts:
            self._feed(part)
            yield part
        self.end(self._answer.end())

    async def _aread(self, parts: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        async for part in parts:
            self._feed(part)
            yield part
        self.end(self._answer.end())


def begin(
    endpoint: Endpoint, head: RequestHead, principal: Principal, message: Message | None
) -> Call | None:
    """Return the call that a message is; None for another message, and where calls are not recorded."""
    if endpoint.audit_calls is AuditCalls.OFF or message is None:
        return None
    if message.kind is not Kind.REQUEST or message.method != METHOD:
        return None
    return Call(endpoint, head, principal, message)


def refused(endpoint: Endpoint, head: RequestHead, principal: Principal, refusal: Refused) -> None:
    """Record a call that lacked a grant."""
    operation = refusal.operation
    if endpoint.audit_calls is AuditCalls.OFF or operation is None or operation.method != METHOD:
        return
    details = {"reason": refusal.reason.value}
    caller = _Caller(endpoint, head, principal)
    caller.put(operation.name or "", "refused", details, timezone.now())


class SocketCalls:
    """The open calls of one socket."""

    def __init__(self) -> None:
        self._open: dict[RequestId, Call] = {}

    def begin(self, call: Call | None) -> None:
        """Follow a call; one that is too many, or has the id of another one, is recorded at once."""
        if call is None or call.id is None:
            return
        if len(self._open) >= MAX_OPEN or call.id in self._open:
            call.abandon()
        else:
            self._open[call.id] = call

    def see(self, text: str) -> None:
        """Learn from a text that goes out which call ended how."""
        if not self._open:
            return
        found = answered(text)
        call = None if found is None else self._open.pop(found.id, None)
        if found is not None and call is not None:
            call.end(found.outcome)

    def abandon(self) -> None:
        """Record the calls that are open when the socket ends."""
        while self._open:
            self._open.popitem()[1].abandon()


class _Caller(NamedTuple):
    """Who calls, and where."""

    endpoint: Endpoint
    head: RequestHead
    principal: Principal

    def put(self, tool: str, outcome: str, details: dict[str, Any], at: datetime) -> None:
        """Put the event of a call."""
        endpoint, head, principal = self
        events.put(
            Event(
                Category.CALL,
                TAG,
                subject=tool,
                outcome=outcome,
                endpoint=endpoint.name,
                exchange=head.exchange.value,
                client=principal.client,
                user_id=principal.user_id,
                token_id=principal.token_id,
                address=client_address(head, endpoint),
                details=details,
                at=at,
            )
        )


def _name(message: Message) -> str:
    return (message.operation.name if message.operation else None) or ""


def _arguments(endpoint: Endpoint, message: Message) -> dict[str, Any]:
    """Return the arguments as they may be recorded: bounded here, so that few of them fill no memory."""
    if endpoint.audit_calls is not AuditCalls.ARGUMENTS:
        return {}
    arguments = message.payload.get("params", {}).get("arguments")
    return {"arguments": bounded(arguments, hidden=_SECRET)} if type(arguments) is dict else {}
