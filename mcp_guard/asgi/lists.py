"""Tell what goes out of an inner application's answer: no list entry that the principal may not use."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from mcp_guard.asgi.exchange import Event, Send, events_of
from mcp_guard.mcp.event_stream import TooLongError
from mcp_guard.mcp.listing import Lists, Way, without_digests
from mcp_guard.policy.decision import Admitted
from mcp_guard.policy.lists import UnreadableListError

_WHOLE: Final = Way.WHOLE  # before Python 3.12, each look at a member of an enumeration is a call

FILE_EXTENSIONS: Final = frozenset({"http.response.pathsend", "http.response.zerocopysend"})
"""Extensions of ASGI by which a body goes out without passing here."""


class Restricted:
    """What goes out of an answer that may hold lists, event by event.

    ``admitted`` returns the decision as of now: a stream may outlive the grants it was opened with.
    """

    __slots__ = ("_admitted", "_lists", "_parts", "_size", "_start", "_way")

    def __init__(self, lists: Lists, admitted: Callable[[], Admitted]) -> None:
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

    def sender(self, send: Send) -> Send:
        """Return a ``send`` for the application, before the one of the server."""

        async def restricted(event: Event) -> None:
            for going_out in self.outgoing(event):
                await send(going_out)

        return restricted

    def outgoing(self, event: Event) -> Sequence[Event]:
        """Return what goes out now that the application sends an event; nothing while that cannot be told."""
        way = self._way
        match event["type"]:
            case "http.response.start":
                way = self._way = self._lists.way(event.get("headers", ()))
                if way is _WHOLE:
                    self._start = event
                    return ()
                return self._begun(event, way)
            case "http.response.body" if way is _WHOLE:
                return self._collected(event)
            case "http.response.body" if way is Way.EVENTS or way is Way.LONG:
                return self._passed(event)
            case _:
                return () if way is Way.WITHHELD else (event,)

    def _begun(self, event: Event, way: Way) -> Sequence[Event]:
        match way:
            case Way.EVENTS:
                return ({**event, "headers": without_digests(event.get("headers", ()), None)},)
            case Way.WITHHELD:
                return self._withheld()
            case _:
                return (event,)

    def _collected(self, event: Event) -> Sequence[Event]:
        """Keep a part of the answer; return what may be seen of it when it is complete."""
        part = event.get("body", b"")
        self._size += len(part)
        self._parts.append(part)
        if self._size > self._lists.limit:
            return self._lengthened(event)
        if event.get("more_body", False):
            return ()
        body = b"".join(self._parts)
        try:
            visible = self._lists.whole(body, self._admitted())
        except UnreadableListError:
            return self._withheld()
        self._way = Way.AS_IS
        if visible is not body:
            headers = without_digests(self._start.get("headers", ()), len(visible))
            self._start = {**self._start, "headers": headers}
        return self._start, {"type": "http.response.body", "body": visible}

    def _lengthened(self, event: Event) -> Sequence[Event]:
        """Return what was kept, which is too much to keep on; the rest is looked at as it passes."""
        kept, more = b"".join(self._parts), event.get("more_body", False)
        self._parts.clear()
        try:
            visible = self._lists.long(kept, self._admitted(), is_last=not more)
        except TooLongError:
            return self._withheld()
        self._way = Way.LONG
        headers = self._start.get("headers", ())
        if more:  # it may have to end before its end
            headers = without_digests(headers, None)
        body = {"type": "http.response.body", "body": visible, "more_body": more}
        return {**self._start, "headers": headers}, body

    def _passed(self, event: Event) -> Sequence[Event]:
        """Return what may be seen of a stream so far."""
        part, more = event.get("body", b""), event.get("more_body", False)
        look = self._lists.long if self._way is Way.LONG else self._lists.part
        try:
            visible = look(part, self._admitted(), is_last=not more)
        except TooLongError:
            self._way, visible, more = Way.WITHHELD, b"", False
        if visible or not more:
            return ({"type": "http.response.body", "body": visible, "more_body": more},)
        return ()

    def drop(self) -> None:
        """Hold nothing any more, as another answers; what the application goes on to send is dropped."""
        self._way = Way.WITHHELD
        self._parts.clear()

    def _withheld(self) -> Sequence[Event]:
        """Return the answer in place of the application's."""
        self.drop()
        return events_of(self._lists.refusal(self._admitted()))


def without_files(extensions: Any) -> dict[str, Any]:
    """Return the extensions that an application may use whose answer has to be read."""
    return {name: value for name, value in (extensions or {}).items() if name not in FILE_EXTENSIONS}
