"""Take out of a Django response what of its lists the principal may not use."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, aclosing
from itertools import chain
from typing import Any, Protocol

from django.http import HttpResponse, HttpResponseBase, StreamingHttpResponse

from mcp_guard.http.response import of_reply
from mcp_guard.mcp.event_stream import TooLongError
from mcp_guard.mcp.listing import Lists, Way, without_digests
from mcp_guard.policy.decision import Admitted
from mcp_guard.policy.lists import UnreadableListError


class Look(Protocol):
    """``Lists.part`` or ``Lists.long``: returns what of a part may go out."""

    def __call__(self, part: bytes, admitted: Admitted, *, is_last: bool) -> bytes:
        """Return what goes out."""
        ...


def restrict(response: HttpResponseBase, lists: Lists, admitted: Admitted) -> HttpResponseBase:
    """Return the response as its principal may see it."""
    match lists.way(_pairs(response)):
        case Way.AS_IS:
            return response
        case Way.EVENTS:
            return _events(response, lists, admitted)
        case Way.WHOLE | Way.LONG:
            return _read(response, lists, admitted)
        case Way.WITHHELD:
            return _refused(response, lists, admitted)


async def arestrict(response: HttpResponseBase, lists: Lists, admitted: Admitted) -> HttpResponseBase:
    """Do as ``restrict`` for responses that stream asynchronously, too."""
    if not (isinstance(response, StreamingHttpResponse) and response.is_async):
        return restrict(response, lists, admitted)
    if lists.way(_pairs(response)) is not Way.WHOLE:
        return restrict(response, lists, admitted)
    return await _aread(response, lists, admitted)


def _pairs(response: HttpResponseBase) -> list[tuple[bytes, bytes]]:
    return [(name.encode("latin-1"), value.encode("latin-1")) for name, value in response.items()]


def _read(response: HttpResponseBase, lists: Lists, admitted: Admitted) -> HttpResponseBase:
    """Read a response to its end, or to where it is too long to be kept."""
    is_complete = isinstance(response, HttpResponse)
    parts = iter([response.content]) if isinstance(response, HttpResponse) else iter(_stream_of(response))
    body = bytearray()
    for part in parts:
        body += part
        if len(body) > lists.limit:
            begun = bytes(body)
            try:
                first = lists.long(begun, admitted, is_last=is_complete)
            except TooLongError:
                return _refused(response, lists, admitted)
            if not is_complete:
                _set_headers(response, None)
                _set_stream(response, chain([first], _visible(parts, lists.long, admitted)))
            return response
    return _whole(response, lists, admitted, bytes(body))


async def _aread(response: StreamingHttpResponse, lists: Lists, admitted: Admitted) -> HttpResponseBase:
    parts: Any = _stream_of(response)
    body = bytearray()
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(aclosing(parts))
        async for part in parts:
            body += part
            if len(body) > lists.limit:
                try:
                    first = lists.long(bytes(body), admitted, is_last=False)
                except TooLongError:
                    return _refused(response, lists, admitted)
                _set_headers(response, None)
                _set_stream(response, _after(first, _avisible(parts, lists.long, admitted)))
                stack.pop_all()
                return response
    return _whole(response, lists, admitted, bytes(body))


def _refused(response: HttpResponseBase, lists: Lists, admitted: Admitted) -> HttpResponse:
    """Return the refusal in place of a response, whose file or generator nobody else would close."""
    for close in response._resource_closers:  # type: ignore[attr-defined]  # noqa: SLF001 (close() would tell Django that the request is over)
        close()
    return of_reply(lists.refusal(admitted))


def _whole(response: HttpResponseBase, lists: Lists, admitted: Admitted, body: bytes) -> HttpResponseBase:
    """Return the response with what may be seen of its body."""
    try:
        visible = lists.whole(body, admitted)
    except UnreadableListError:
        return _refused(response, lists, admitted)
    if visible is not body:
        _set_headers(response, len(visible))
    if isinstance(response, HttpResponse):
        response.content = visible
    else:
        _set_stream(response, _once(visible) if _is_async(response) else iter([visible]))
    return response


def _events(response: HttpResponseBase, lists: Lists, admitted: Admitted) -> HttpResponseBase:
    _set_headers(response, None)
    if isinstance(response, HttpResponse):
        response.content = b"".join(_visible(iter([response.content]), lists.part, admitted))
    elif _is_async(response):
        _set_stream(response, _avisible(_stream_of(response), lists.part, admitted))
    else:
        _set_stream(response, _visible(iter(_stream_of(response)), lists.part, admitted))
    return response


def _visible(parts: Iterator[bytes], look: Look, admitted: Admitted) -> Iterator[bytes]:
    try:
        for part in parts:
            yield look(part, admitted, is_last=False)
        yield look(b"", admitted, is_last=True)
    except TooLongError:
        return


async def _avisible(parts: Any, look: Look, admitted: Admitted) -> AsyncIterator[bytes]:
    async with aclosing(parts):
        try:
            async for part in parts:
                visible = look(part, admitted, is_last=False)
                if visible:
                    yield visible
            yield look(b"", admitted, is_last=True)
        except TooLongError:
            return


async def _after(first: bytes, parts: Any) -> AsyncIterator[bytes]:
    async with aclosing(parts):
        yield first
        async for part in parts:
            yield part


async def _once(body: bytes) -> AsyncIterator[bytes]:
    yield body


def _is_async(response: Any) -> bool:
    return bool(response.is_async)


def _stream_of(response: Any) -> Any:
    return response.streaming_content


def _set_stream(response: Any, parts: Any) -> None:
    """Replace what a response streams, also where a server would send its file by itself."""
    response.streaming_content = parts
    if getattr(response, "file_to_stream", None) is not None:
        response.file_to_stream = None


def _set_headers(response: HttpResponseBase, length: int | None) -> None:
    """Drop what the headers of a response say of bytes that it has no more."""
    kept = {name.lower() for name, _ in without_digests(_pairs(response), None)}
    for name in [name for name in response.headers if name.lower().encode("latin-1") not in kept]:
        del response.headers[name]
    if length is not None:
        response.headers["Content-Length"] = str(length)
