"""Send the answer of an inner application without what of its lists the principal may not use."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from mcp_guard.asgi.exchange import Event, Send, send_reply
from mcp_guard.mcp.event_stream import TooLongError
from mcp_guard.mcp.listing import Lists, Way, without_digests
from mcp_guard.policy.decision import Admitted
from mcp_guard.policy.lists import UnreadableListError

_WHOLE: Final = Way.WHOLE  # before Python 3.12, each look at a member of an enumeration is a call

FILE_EXTENSIONS: Final = frozenset({"http.response.pathsend", "http.response.zerocopysend"})
"""Extensions of ASGI by which a body goes out without passing here."""


class Restricted:
    """The ``send`` of an application whose answer may hold lists.

    ``admitted`` returns the decision as of now: a stream may outlive the grants it was opened with.
    """

    def __init__(self, send: Send, lists: Lists, admitted: Callable[[], Admitted]) -> None:
        self._send = send
        self._lists = lists
        self._admitted = admitted
        self._way = Way.AS_IS
        self._start: Event = {}
        self._parts: list[bytes] = []
        self._size = 0

    @property
    def is_holding(self) -> bool:
        """Whether an answer has begun of which nothing was sent."""
        return self._way is _WHOLE

    async def send(self, event: Event) -> None:
        """Pass an event on, at once or once it can be told what is in it."""
        way = self._way
        match event["type"]:
            case "http.response.start":
                way = self._way = self._lists.way(event.get("headers", ()))
                if way is _WHOLE:
                    self._start = event
                else:
                    await self._begin(event, way)
            case "http.response.body" if way is _WHOLE:
                await self._collect(event)
            case "http.response.body" if way is Way.EVENTS or way is Way.LONG:
                await self._pass(event)
            case _ if way is not Way.WITHHELD:
                await self._send(event)
            case _:
                pass

    async def _begin(self, event: Event, way: Way) -> None:
        match way:
            case Way.EVENTS:
                await self._send({**event, "headers": without_digests(event.get("headers", ()), None)})
            case Way.WITHHELD:
                await self._withhold()
            case _:
                await self._send(event)

    async def _collect(self, event: Event) -> None:
        """Keep a part of the answer; send what may be seen of it when it is complete."""
        part = event.get("body", b"")
        self._size += len(part)
        self._parts.append(part)
        if self._size > self._lists.limit:
            await self._lengthen(event)
            return
        if event.get("more_body", False):
            return
        body = b"".join(self._parts)
        try:
            visible = self._lists.whole(body, self._admitted())
        except UnreadableListError:
            await self._withhold()
            return
        self._way = Way.AS_IS
        if visible is not body:
            headers = without_digests(self._start.get("headers", ()), len(visible))
            self._start = {**self._start, "headers": headers}
        await self._send(self._start)
        await self._send({"type": "http.response.body", "body": visible})

    async def _lengthen(self, event: Event) -> None:
        """Send what was kept, which is too much to keep on, and look at the rest as it passes."""
        kept, more = b"".join(self._parts), event.get("more_body", False)
        self._parts.clear()
        try:
            visible = self._lists.long(kept, self._admitted(), is_last=not more)
        except TooLongError:
            await self._withhold()
            return
        self._way = Way.LONG
        headers = self._start.get("headers", ())
        if more:  # it may have to end before its end
            headers = without_digests(headers, None)
        await self._send({**self._start, "headers": headers})
        await self._send({"type": "http.response.body", "body": visible, "more_body": more})

    async def _pass(self, event: Event) -> None:
        """Send what may be seen of a stream so far."""
        part, more = event.get("body", b""), event.get("more_body", False)
        look = self._lists.long if self._way is Way.LONG else self._lists.part
        try:
            visible = look(part, self._admitted(), is_last=not more)
        except TooLongError:
            self._way, visible, more = Way.WITHHELD, b"", False
        if visible or not more:
            await self._send({"type": "http.response.body", "body": visible, "more_body": more})

    async def _withhold(self) -> None:
        """Answer in place of the application; what it goes on to send is dropped."""
        self._way = Way.WITHHELD
        self._parts.clear()
        await send_reply(self._send, self._lists.refusal(self._admitted()))


def without_files(extensions: Any) -> dict[str, Any]:
    """Return the extensions that an application may use whose answer has to be read."""
    return {name: value for name, value in (extensions or {}).items() if name not in FILE_EXTENSIONS}
