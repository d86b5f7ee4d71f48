"""Leave a call when Django has answered it, or cannot: at once, or when a stream has ended."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from django.http import HttpResponseBase, StreamingHttpResponse

from mcp_guard.audit import calls
from mcp_guard.http.response import stamp
from mcp_guard.live.calls import Call
from mcp_guard.mcp.listing import Lists
from mcp_guard.passage import Passage


class Run:
    """A request that was let in, while a view answers it.

    ``call`` is None where an outer door leaves it; ``lists``, which may be in the answer, where nobody looks
    for them, and ``audited`` where the call is not recorded.
    """

    lists: Lists | None = None
    audited: calls.Call | None = None
    _is_answered = False
    _is_open = False

    def __init__(self, call: Call | None) -> None:
        self._call = call

    def until_closed(self, response: HttpResponseBase, passage: Passage | None) -> HttpResponseBase:
        """Return the response, stamped unless an outer door does that, which has the passage otherwise.

        One that streams runs until it has ended or is closed.
        """
        if self.audited is not None:
            self.audited.watch(response)
        if passage is not None:
            stamp(response, passage)
        self._is_answered = True
        if self._call is not None and isinstance(response, StreamingHttpResponse):
            self._is_open = True
            _leave_after(response, self._call)
        return response

    def end(self) -> None:
        """Leave the call unless its response goes on; record one that has none, as its client has left."""
        if self.audited is not None and not self._is_answered:
            self.audited.abandon()
        if self._call is not None and not self._is_open:
            self._call.leave()


def _leave_after(response: StreamingHttpResponse, call: Call) -> None:
    """Leave a call once a stream has ended or is closed; under ASGI Django closes none that fails."""
    leaving = [call.leave]

    def leave() -> None:
        with suppress(IndexError):  # it was left; a list says so to two threads alike
            leaving.pop()()

    closers: list[Callable[[], None]] = response._resource_closers  # type: ignore[attr-defined]  # noqa: SLF001 (Django has no public way)
    closers.append(leave)
    if getattr(response, "file_to_stream", None) is None:  # a server may send that one by itself
        parts: Any = response.streaming_content
        response.streaming_content = _aread(parts, leave) if response.is_async else _read(parts, leave)


def _read(parts: Iterator[bytes], leave: Callable[[], None]) -> Iterator[bytes]:
    with _leaving(leave):
        yield from parts


async def _aread(parts: AsyncIterator[bytes], leave: Callable[[], None]) -> AsyncIterator[bytes]:
    with _leaving(leave):
        async for part in parts:
            yield part


@contextmanager
def _leaving(leave: Callable[[], None]) -> Iterator[None]:
    """Leave when it ends or fails. One that is closed or forgotten may be so in the midst of anything."""
    try:
        yield
    except GeneratorExit:
        raise
    except BaseException:
        leave()
        raise
    leave()
