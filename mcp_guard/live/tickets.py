"""Issue and redeem tickets: rows of a table that all processes share, so that each is redeemed once.

The row is deleted by whoever redeems it, and only one deletion finds it. What has expired is deleted by the
next issue and, once nothing is issued any more, by an errand of the process that issued last.
"""

from __future__ import annotations

import json
import os
import time
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple

from channels.db import database_sync_to_async
from django.db import router

from mcp_guard import nonce, tickets
from mcp_guard.live.holder import holder
from mcp_guard.live.readers import Readers
from mcp_guard.models import Revision
from mcp_guard.models import Ticket as Row
from mcp_guard.policy.credential import (
    LIVE_NONCE,
    UNUSABLE_TICKET,
    LiveNonce,
    Presented,
    PresentedToken,
    UnreadSession,
)
from mcp_guard.policy.ticket import Ticket

WAIT_SECONDS: Final = 2.0
"""How long a request waits for a ticket to be issued or redeemed, at most."""

MOST: Final = 10_000
"""How many tickets there may be at a time, all endpoints and holders together."""


class Wanted(NamedTuple):
    """The ticket that a page asks for; ``most`` is how many of them ``holder`` may have at a time."""

    endpoint: str
    origin: bytes
    holder: str
    held: Presented
    most: int


class Desk:
    """The tickets of one process: when it has to look again for those that have expired."""

    def __init__(self) -> None:
        self._reset()

    def _reset(self) -> None:
        self._sweep_at = 0.0

    def issue(self, wanted: Wanted) -> tickets.TicketText | None:
        """Return a new ticket, None when there are as many as may be.

        Raises:
            django.db.Error: when the database cannot be written.
        """
        now = datetime.fromtimestamp(holder.now(), UTC)
        rows = _rows()
        rows.filter(expires_at__lte=now).delete()
        if rows.filter(holder=wanted.holder).count() >= wanted.most or rows.count() >= MOST:
            return None
        text = tickets.mint()
        raw = text.encode()
        rows.create(
            digest=tickets.digest(raw).hex(),
            endpoint=wanted.endpoint,
            origin=wanted.origin.decode("latin-1"),
            holder=wanted.holder,
            sealed=tickets.seal(tickets.key(raw), _as_bytes(wanted.held)).hex(),
            expires_at=now + timedelta(seconds=tickets.SECONDS),
        )
        self._sweep_at = time.monotonic() + tickets.SECONDS + 1
        return text

    def redeem(self, digest: bytes, key: bytes) -> Ticket | None:
        """Return a ticket and delete it; None when no row knows it or another redeems it at this moment.

        Raises:
            django.db.Error: when the database cannot be read or written.
        """
        row = _rows().filter(digest=digest.hex()).first()
        if row is None or not _rows().filter(pk=row.pk).delete()[0]:
            return None
        held = _opened(row.sealed, key)
        return Ticket(row.endpoint, row.origin.encode("latin-1"), row.expires_at.timestamp(), held)

    def sweep(self) -> None:
        """Delete what has expired, if this process issued tickets and the last of them has."""
        if self._sweep_at and time.monotonic() >= self._sweep_at:
            self._sweep_at = 0.0
            _rows().filter(expires_at__lte=datetime.fromtimestamp(holder.now(), UTC)).delete()


desk: Final = Desk()
"""The tickets of this process."""

issuers: Final[Readers[tickets.TicketText | None]] = Readers("mcp_guard ticket issue", WAIT_SECONDS)
"""The threads that issue tickets."""

redeemers: Final[Readers[Ticket | None]] = Readers("mcp_guard ticket", WAIT_SECONDS)
"""The threads that redeem them; whoever asks for tickets in plenty keeps nobody from redeeming one."""


def issue(wanted: Wanted) -> tickets.TicketText | None:
    """Return a new ticket, None when there are as many as may be.

    Raises:
        TimeoutError: when the database does not answer within WAIT_SECONDS.
        TooManyReads: when too many requests wait for it already.
        Exception: whatever the database raises when it cannot be written.
    """
    return desk.issue(wanted) if holder.inline else issuers.read(lambda: desk.issue(wanted))


async def aissue(wanted: Wanted) -> tickets.TicketText | None:
    """Do as ``issue`` without blocking the event loop."""
    if holder.inline:
        return await database_sync_to_async(desk.issue)(wanted)
    return await issuers.aread(lambda: desk.issue(wanted))


async def aredeem(digest: bytes, key: bytes) -> Ticket | None:
    """Return a ticket that nobody can redeem any more, None when it could not be redeemed.

    Raises:
        TimeoutError: when the database does not answer within WAIT_SECONDS; it may be redeemed all the same.
        TooManyReads: when too many requests wait for it already.
        Exception: whatever the database raises when it cannot be read.
    """
    if holder.inline:
        return await database_sync_to_async(desk.redeem)(digest, key)
    return await redeemers.aread(lambda: desk.redeem(digest, key))


def _rows() -> Any:
    return Row.objects.using(router.db_for_write(Revision))


def _as_bytes(held: Presented) -> bytes:
    match held:
        case PresentedToken(digest):
            return json.dumps({"token": digest.hex()}).encode()
        case UnreadSession(key):
            return json.dumps({"session": key}).encode()
        case LiveNonce() if (current := nonce.digest()) is not None:
            return json.dumps({"nonce": current.hex()}).encode()
        case other:
            raise TypeError(f"no ticket is issued for {type(other).__name__}")


def _opened(sealed: str, key: bytes) -> Presented:
    """Return what a ticket was issued for; whoever changed its row gets nothing for it."""
    try:
        match json.loads(tickets.seal(key, bytes.fromhex(sealed))):
            case {"token": str(digest)}:
                return PresentedToken(bytes.fromhex(digest), well_formed=True)
            case {"session": str(session)}:
                return UnreadSession(session)
            case {"nonce": str(digest)} if bytes.fromhex(digest) == nonce.digest():
                return LIVE_NONCE
            case _:
                return UNUSABLE_TICKET
    except ValueError:
        return UNUSABLE_TICKET


def _start_anew() -> None:
    desk._reset()  # noqa: SLF001 (what was issued stays with the parent)
    issuers.reset()
    redeemers.reset()


os.register_at_fork(after_in_child=_start_anew)
