"""What of one HTTP answer goes out: which way it has to take, and what is left of it then."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from enum import Enum
from typing import Final

from mcp_guard import gate
from mcp_guard.mcp import answers
from mcp_guard.mcp.event_stream import EventStream, TooLongError
from mcp_guard.mcp.jsonrpc import Message, RequestId
from mcp_guard.policy import reply
from mcp_guard.policy.decision import Admitted
from mcp_guard.policy.endpoint import Endpoint, Messages
from mcp_guard.policy.facts import RequestHead
from mcp_guard.policy.lists import LISTS, UnreadableListError
from mcp_guard.policy.reply import Header

_ABOUT_BODY: Final = frozenset(
    {
        b"content-length",
        b"etag",
        b"content-md5",
        b"digest",
        b"content-digest",
        b"repr-digest",
        b"accept-ranges",
    }
)
"""Headers that say something of the very bytes of a body."""


_SESSION: Final = b"mcp-session-id"

_KIND: Final = b"content-type"
_CODING: Final = b"content-encoding"
_KIND_LENGTH, _CODING_LENGTH = len(_KIND), len(_CODING)  # few headers have to be looked at beyond that

_OVERLAP: Final = 64
"""How many bytes of a long answer are held back, so that nothing to look for is cut in two."""


class Way(Enum):
    """How an answer goes out."""

    AS_IS = "as it is"
    WHOLE = "once it is complete, as it may be a list"
    EVENTS = "event by event"
    LONG = "as long as no list can be in it, since it is too long to be kept"
    WITHHELD = "not at all, as it may be a list that nobody can read here"


class Lists:
    """The lists in the answer to one exchange; ``message`` is what it asks, None where it has no body.

    In a session no id is believed: a client may use one twice at the same time, and a server that keeps one
    stream for an id then answers the one request where the other was asked. There every answer is looked at.
    """

    def __init__(self, endpoint: Endpoint, head: RequestHead, message: Message | None) -> None:
        self._endpoint = endpoint
        self._head = head
        in_session = _SESSION in head.headers
        self._id = None if message is None else message.id
        self._asks_for_list = message is not None and message.method in LISTS
        self._own = None if self._asks_for_list or in_session else self._id
        self._by_shape = self._asks_for_list or (message is not None and in_session)
        self._has_message = message is not None
        self._held_back: bytes | None = None
        self._stream: EventStream | None = None
        self.limit = endpoint.limits.list_bytes

    @property
    def wants_identity(self) -> bool:
        """Whether the application must not compress its answer, since lists in it have to be read."""
        return self._by_shape or not self._has_message

    def way(self, headers: Iterable[Header]) -> Way:
        """Return how the answer with these headers goes out."""
        kind, coding = b"", b"identity"
        for name, value in headers:
            if len(name) == _KIND_LENGTH and name.lower() == _KIND:
                kind = value.lower()
            elif len(name) == _CODING_LENGTH and name.lower() == _CODING:
                coding = value.lower().strip()
        is_stream = kind.startswith(b"text/event-stream")
        if not is_stream and not self._by_shape:
            return Way.AS_IS
        if coding not in (b"", b"identity"):
            return Way.WITHHELD if self.wants_identity else Way.AS_IS
        return Way.EVENTS if is_stream else Way.WHOLE

    def whole(self, body: bytes, admitted: Admitted) -> bytes:
        """Return the complete answer as it goes out; ``body`` itself where nothing is hidden.

        Raises:
            UnreadableListError: when there may be a list in it that cannot be read.
        """
        grants = admitted.principal.grants
        return (answers.restricted_list if self._asks_for_list else answers.restricted_body)(body, grants)

    def long(self, part: bytes, admitted: Admitted, *, is_last: bool) -> bytes:
        """Return what goes out now of an answer that is longer than the limit; first all that came so far.

        Raises:
            TooLongError: when there may be a list in it; of the first part nothing may go out then.
        """
        is_first, text = self._held_back is None, (self._held_back or b"") + part
        if self._asks_for_list or b"\0" in part or answers.may_hold_list(text):
            if not is_first:
                self._note(admitted, self._id)
            raise TooLongError
        end = len(text) if is_last else max(0, len(text) - _OVERLAP)
        self._held_back = text[end:]
        return text[:end]

    def part(self, part: bytes, admitted: Admitted, *, is_last: bool) -> bytes:
        """Return what of an event stream goes out now.

        Raises:
            TooLongError: when the stream has to end here.
        """
        rewrite = self._rewrite(admitted)
        stream = self._stream = self._stream or EventStream(self.limit)
        try:
            out = stream.feed(part, rewrite)
        except TooLongError:
            self._note(admitted, None)
            raise
        return out + stream.end(rewrite) if is_last else out

    def refusal(self, admitted: Admitted) -> reply.Reply:
        """Return what is answered in place of a list that cannot be read."""
        return gate.answer(self._endpoint, self._head, answers.unreadable(admitted.cors, self._id))

    def _rewrite(self, admitted: Admitted) -> Callable[[str], str]:
        def rewrite(text: str) -> str:
            try:
                return answers.restricted(text, admitted.principal.grants, self._own)
            except UnreadableListError:
                return self._note(admitted, answers.request_id(text))

        return rewrite

    def _note(self, admitted: Admitted, identifier: RequestId | None) -> str:
        """Note that a list is withheld; return the error that says so to its request."""
        refused = answers.unreadable(admitted.cors, identifier)
        return reply.error_text(refused, gate.note(self._endpoint, self._head, refused.reason))


def lists_of(
    endpoint: Endpoint, head: RequestHead, admitted: Admitted, message: Message | None
) -> Lists | None:
    """Return the lists that an answer may hold, None where nothing of it is looked at.

    An application that authenticates by itself also decides by itself what it lists.
    """
    if endpoint.messages is not Messages.MCP or admitted.delegated:
        return None
    return Lists(endpoint, head, message)


def without_digests(headers: Iterable[Header], length: int | None) -> list[Header]:
    """Return headers without what they say of a body that was replaced, with the length of the new one."""
    kept = [(name, value) for name, value in headers if name.lower() not in _ABOUT_BODY]
    return kept if length is None else [*kept, (b"content-length", str(length).encode())]
