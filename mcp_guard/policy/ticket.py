"""What a ticket is good for: one WebSocket, of the page and on the endpoint it was issued for."""

from __future__ import annotations

from typing import NamedTuple, TypeVar

from mcp_guard.policy.credential import UNUSABLE_TICKET, Presented
from mcp_guard.policy.decision import Admitted, AwaitsMessage, Reason, Refused
from mcp_guard.policy.facts import RequestHead

D = TypeVar("D")


class Ticket(NamedTuple):
    """A ticket that was just redeemed, so that nobody can redeem it again.

    ``origin`` is that of the page it was issued to, empty where none was sent. ``expires_at`` is in seconds
    since the epoch. ``held`` is the credential that it was issued for.
    """

    endpoint: str
    origin: bytes
    expires_at: float
    held: Presented


def credential_of(ticket: Ticket | None, endpoint: str, head: RequestHead, now: float) -> Presented:
    """Return the credential that a handshake has by its ticket; ``None`` is one that no row knows.

    All that is wrong with a ticket comes to the same.
    """
    if ticket is None or now >= ticket.expires_at or ticket.endpoint != endpoint:
        return UNUSABLE_TICKET
    return ticket.held if head.headers.get(b"origin", b"") == ticket.origin else UNUSABLE_TICKET


def by_ticket(decision: D) -> D | Refused:
    """Return the decision about what a ticket holds, or a refusal of what would be let in without it.

    A ticket decides alone: one of a session that has ended since opens nothing to guests either.
    """
    if isinstance(decision, AwaitsMessage):
        return Refused(Reason.TICKET_UNUSABLE)
    if isinstance(decision, Admitted) and not decision.principal.client:
        return Refused(Reason.TICKET_UNUSABLE)
    return decision
