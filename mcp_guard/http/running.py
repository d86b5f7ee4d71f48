"""Leave a call when Django has answered it, or cannot: at once, or when a stream is closed."""

from __future__ import annotations

from collections.abc import Callable

from django.http import HttpResponseBase

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

        One that streams runs until it is closed, which servers do in any case.
        """
        if self.audited is not None:
            self.audited.watch(response)
        if passage is not None:
            stamp(response, passage)
        self._is_answered = True
        if self._call is not None and response.streaming:
            self._is_open = True
            closers: list[Callable[[], None]] = response._resource_closers  # type: ignore[attr-defined]  # noqa: SLF001 (Django has no public way)
            closers.append(self._call.leave)
        return response

    def end(self) -> None:
        """Leave the call unless its response goes on; record one that has none, as its client has left."""
        if self.audited is not None and not self._is_answered:
            self.audited.abandon()
        if self._call is not None and not self._is_open:
            self._call.leave()
