"""The messages of a conversation, whole ones and the ones no proper client would send."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Final

from tests.corpus.websocket import BINARY, PING, Conversation, fragments, frame
from tests.corpus.wire import Wire

Encode = Callable[[Any], bytes]
"""Resolves a text of the case file into the bytes of a message."""

_FLOOD_BATCHES: Final = 20
_LAST: Final = b"last"


def play_message(step: Any, wire: Wire, talk: Conversation, encode: Encode) -> list[str]:
    """Send one message of a case; return what went wrong while doing so.

    Raises:
        ValueError: for a descriptor that nobody knows.
    """
    match step:
        case str() | {"text": _} | {"repeat": _}:
            wire.pump(frame(encode(step)))
        case {"binary_hex": digits}:
            wire.pump(frame(bytes.fromhex(digits), BINARY))
        case {"binary_utf8": text}:
            wire.pump(frame(encode(text), BINARY))
        case {"raw_frame_hex": digits} | {"close_frame_hex": digits}:
            wire.pump(bytes.fromhex(digits))
        case {"fragments": pieces}:
            wire.pump(fragments([encode(piece) for piece in pieces]))
        case {"fragments_repeat": piece, "count": count}:
            wire.pump(fragments([encode(piece)] * count), talk.closed, seconds=6)
        case {"flood": text, "count": count, "seconds": seconds}:
            _flood(wire, talk, frame(encode(text)) * (count // _FLOOD_BATCHES), seconds)
        case {"ping_flood": count}:
            return _ping_flood(wire, talk, count)
        case {"stall_read": _, "provoke_replies": count}:
            _stall(wire, frame(encode({"text": "auth"})) * count)
        case _:
            raise ValueError(f"unknown message descriptor {sorted(step)}")
    return []


def _flood(wire: Wire, talk: Conversation, batch: bytes, seconds: float) -> None:
    for _ in range(_FLOOD_BATCHES):
        wire.pump(batch)
        wire.pump(until=talk.closed, seconds=seconds / _FLOOD_BATCHES)


def _ping_flood(wire: Wire, talk: Conversation, count: int) -> list[str]:
    def settled() -> bool:
        return talk.closed() or _LAST in talk.pongs

    wire.pump(frame(b"", PING) * count, seconds=6)
    wire.pump(frame(_LAST, PING), settled)
    return [] if settled() else ["the ping after the flood was not answered"]


def _stall(wire: Wire, requests: bytes) -> None:
    """Ask for replies and read none of them for a while."""
    wire.pump(requests, seconds=3, read=False)
    time.sleep(max(0.0, min(2.0, wire.deadline - time.monotonic() - 2)))
