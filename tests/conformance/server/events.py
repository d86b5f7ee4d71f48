"""The events of streams, kept so that a client that comes back can be sent what it missed."""

from __future__ import annotations

from mcp.server.streamable_http import EventCallback, EventMessage, EventStore
from mcp.types import JSONRPCMessage


class KeptEvents(EventStore):
    """All events of all streams in memory; an event's id is its place in the list."""

    def __init__(self) -> None:
        self._events: list[tuple[str, JSONRPCMessage | None]] = []

    async def store_event(self, stream_id: str, message: JSONRPCMessage | None) -> str:
        """Keep an event and return its id."""
        self._events.append((stream_id, message))
        return str(len(self._events))

    async def replay_events_after(self, last_event_id: str, send_callback: EventCallback) -> str | None:
        """Send what the stream of an event had after it; return that stream, None for an unknown event."""
        last = int(last_event_id) if last_event_id.isascii() and last_event_id.isdigit() else 0
        if not 1 <= last <= len(self._events):
            return None
        stream = self._events[last - 1][0]
        for place, (other, message) in enumerate(self._events[last:], start=last + 1):
            if other == stream and message is not None:
                await send_callback(EventMessage(message, str(place)))
        return stream
