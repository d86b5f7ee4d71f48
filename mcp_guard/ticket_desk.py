"""Answer a POST for a ticket that the gate has let in: the same answer at every door.

A page cannot put a token into the handshake of a WebSocket, so it fetches a ticket first, with its token or
its session, and puts that into the URL. The ticket is bound to what it was asked for with, to the page's
origin and to the endpoint. It opens one socket within seconds, which is judged as its token or session from
then on.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import Final

from mcp_guard import gate
from mcp_guard.live import tickets
from mcp_guard.live.tickets import Wanted
from mcp_guard.policy import reply
from mcp_guard.policy.content import has_body
from mcp_guard.policy.credential import LiveNonce, PresentedToken, UnreadSession
from mcp_guard.policy.decision import Admitted, Principal, Reason, Refused
from mcp_guard.policy.endpoint import Endpoint
from mcp_guard.policy.facts import RequestHead
from mcp_guard.presented import present
from mcp_guard.tickets import SECONDS, TicketText

log = logging.getLogger("mcp_guard.gate")

SUFFIX: Final = "/ticket"
"""What follows the path of a mount where tickets are issued."""

BODY_BYTES: Final = 1024
"""Largest body of a request for a ticket, in bytes: nothing in it counts."""


def serves(path: str, endpoint: Endpoint) -> bool:
    """Return whether tickets of an endpoint are issued at a path below its mount."""
    return path.endswith(SUFFIX) and endpoint.issues_tickets


def hand_out(endpoint: Endpoint, head: RequestHead, admitted: Admitted, body: bytes) -> reply.Reply:
    """Return the answer to a request for a ticket that was let in."""
    wanted = _wanted(endpoint, head, admitted, body)
    if isinstance(wanted, Refused):
        return refuse(endpoint, head, wanted)
    try:
        text = tickets.issue(wanted)
    except Exception as error:  # noqa: BLE001 (a store that fails in any way issues nothing)
        return _unreadable(endpoint, head, admitted, error)
    return _answer(endpoint, head, admitted, text)


async def ahand_out(endpoint: Endpoint, head: RequestHead, admitted: Admitted, body: bytes) -> reply.Reply:
    """Do as ``hand_out`` without blocking the event loop."""
    wanted = _wanted(endpoint, head, admitted, body)
    if isinstance(wanted, Refused):
        return refuse(endpoint, head, wanted)
    try:
        text = await tickets.aissue(wanted)
    except Exception as error:  # noqa: BLE001 (a store that fails in any way issues nothing)
        return _unreadable(endpoint, head, admitted, error)
    return _answer(endpoint, head, admitted, text)


def refuse(endpoint: Endpoint, head: RequestHead, refused: Refused) -> reply.Reply:
    """Return the answer to a request for a ticket that is refused; POST is all that is answered here."""
    return gate.answer(replace(endpoint, methods=("POST",)), head, refused)


def _wanted(endpoint: Endpoint, head: RequestHead, admitted: Admitted, body: bytes) -> Wanted | Refused:
    """Return the ticket to be issued; none to whom presented nothing that a socket could live by."""
    if not has_body(head):
        return Refused(Reason.METHOD_NOT_ALLOWED, admitted.cors)
    if body.strip(b" \t\r\n") not in (b"", b"{}"):
        return Refused(Reason.MESSAGE_MALFORMED, admitted.cors)
    held, principal = present(head, endpoint), admitted.principal
    if not principal.client or not isinstance(held, PresentedToken | UnreadSession | LiveNonce):
        return Refused(Reason.CREDENTIAL_MISSING, admitted.cors)
    origin = head.headers.get(b"origin", b"")
    return Wanted(endpoint.name, origin, _holder(principal), held, endpoint.limits.tickets)


def _holder(principal: Principal) -> str:
    if principal.token_id is not None:
        return f"token {principal.token_id}"
    return "nonce" if principal.client_id is None else f"user {principal.user_id}"


def _answer(
    endpoint: Endpoint, head: RequestHead, admitted: Admitted, text: TicketText | None
) -> reply.Reply:
    if text is None:
        return refuse(endpoint, head, Refused(Reason.TICKETS_EXHAUSTED, admitted.cors))
    return reply.ticket(text, SECONDS, admitted.cors)


def _unreadable(endpoint: Endpoint, head: RequestHead, admitted: Admitted, error: Exception) -> reply.Reply:
    log.warning("a ticket could not be issued: %s", type(error).__name__)
    return refuse(endpoint, head, Refused(Reason.STORE_UNREADABLE, admitted.cors))
