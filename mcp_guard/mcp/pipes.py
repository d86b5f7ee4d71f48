"""JSON-RPC messages over the pipes of a process: one a line, every line bounded, nothing waited for for ever.

https://modelcontextprotocol.io/specification/2025-11-25/basic/transports#stdio
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from typing import Final

import anyio
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
from mcp.shared.message import SessionMessage
from mcp.types import (
    INTERNAL_ERROR,
    ErrorData,
    JSONRPCError,
    JSONRPCMessage,
    JSONRPCNotification,
    JSONRPCRequest,
    jsonrpc_message_adapter,
)

from mcp_guard.mcp.answers import request_id
from mcp_guard.servers.ends import End, Ending

MAX_LINE: Final = 1024 * 1024
"""Longest line of a process, in bytes, without its end."""

MOST_ODD: Final = 100
"""How many lines in a row may be no messages; some programs print what they should log."""

PER_SECOND: Final = 2000.0
"""How many messages of a process are taken in a second; it waits with more.

What nobody asked for counts as ten, and 8 KiB of a message as one more.
"""

BURST: Final = 4000.0
"""How many of them at once."""

WRITE_SECONDS: Final = 10.0
"""How long a process may leave unread what it is sent."""

MALFORMED: Final = "The server's answer is malformed"

_CHUNK: Final = 64 * 1024
_SHOWN: Final = 200


class Pace:
    """How fast somebody may go. Times are monotonic seconds."""

    def __init__(self, now: float) -> None:
        self._left = BURST
        self._at = now

    def owed(self, cost: float, now: float) -> float:
        """Take notice of something and return for how many seconds to wait because of it."""
        self._left = min(BURST, self._left + (now - self._at) * PER_SECOND) - cost
        self._at = now
        return max(0.0, -self._left / PER_SECOND)


class LineTooLongError(Exception):
    """A process writes a line that is longer than ``MAX_LINE``."""


async def lines(stream: asyncio.StreamReader) -> AsyncIterator[bytes]:
    """Yield the lines of a stream without their ends; what follows the last end is not a line.

    Raises:
        LineTooLongError: when one goes on and on; nothing of it is kept.
    """
    rest = b""
    while chunk := await stream.read(_CHUNK):
        if b"\n" not in chunk:
            rest += chunk
        else:
            first, *ended, last = chunk.split(b"\n")
            for line in (rest + first, *ended):
                if len(line) > MAX_LINE:
                    raise LineTooLongError
                yield line
            rest = last
        if len(rest) > MAX_LINE:
            raise LineTooLongError


async def read_messages(
    stream: asyncio.StreamReader,
    into: MemoryObjectSendStream[SessionMessage | Exception],
    heard: Callable[[], None],
    note: Callable[[str], None],
) -> Ending:
    """Hand on what a process writes until it ends or may not go on; return why.

    ``heard`` is called for each message, ``note`` with each line that is none.
    """
    odd, pace = 0, Pace(time.monotonic())
    try:
        async for line in lines(stream):
            if not line.strip():
                continue
            message = _parsed(line)
            is_unasked = isinstance(message, JSONRPCRequest | JSONRPCNotification)
            cost = (10 if is_unasked else 1) + len(line) / 8192
            await asyncio.sleep(pace.owed(cost, time.monotonic()))
            if message is None:
                odd += 1
                await _fail_what_it_answers(line, into)
                note(f"-- not a message: {line[:_SHOWN].decode('utf-8', 'replace')}")
                if odd >= MOST_ODD:
                    return Ending(End.NOT_MESSAGES, f"{odd} lines in a row that are no messages")
                continue
            odd = 0
            heard()
            await into.send(SessionMessage(message))
    except LineTooLongError:
        return Ending(End.LINE_TOO_LONG, f"a line of more than {MAX_LINE} bytes")
    except (anyio.BrokenResourceError, anyio.ClosedResourceError):
        pass
    return Ending(End.EXITED)


async def write_messages(
    stream: asyncio.StreamWriter, messages: MemoryObjectReceiveStream[SessionMessage]
) -> Ending:
    """Write what is to be said to a process until there is no more, or it does not read; return why."""
    try:
        async for outgoing in messages:
            text = outgoing.message.model_dump_json(by_alias=True, exclude_unset=True)
            stream.write(text.encode() + b"\n")
            async with asyncio.timeout(WRITE_SECONDS):
                await stream.drain()
    except TimeoutError:
        return Ending(End.NOT_READING, f"did not read its standard input for {WRITE_SECONDS:g} s")
    except OSError:
        pass
    return Ending(End.EXITED)


async def _fail_what_it_answers(
    line: bytes, into: MemoryObjectSendStream[SessionMessage | Exception]
) -> None:
    """Answer the request whose answer cannot be read, so that nobody waits for another."""
    identifier = request_id(line.decode("utf-8", "replace"))
    if identifier is not None:
        error = ErrorData(code=INTERNAL_ERROR, message=MALFORMED)
        await into.send(SessionMessage(JSONRPCError(jsonrpc="2.0", id=identifier, error=error)))


def _parsed(line: bytes) -> JSONRPCMessage | None:
    try:
        return jsonrpc_message_adapter.validate_json(line, by_name=False)
    except ValueError:
        return None
