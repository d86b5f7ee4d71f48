"""The gate: gather what a head presents, decide, note the refusal. The only caller of ``decide``.

``judge`` never waits and never asks the database. When it returns ``AwaitsPolicy`` or ``AwaitsSession``
the adapter settles that in its own colour, ``settle`` or ``asettle``, and gets the final decision.
"""

from __future__ import annotations

import logging
import secrets
from typing import NamedTuple

from mcp_guard.audit import refusals
from mcp_guard.live import sessions
from mcp_guard.live.holder import holder
from mcp_guard.policy import decide as rules
from mcp_guard.policy import reply
from mcp_guard.policy.credential import (
    AMBIGUOUS_CREDENTIAL,
    MALFORMED_CREDENTIAL,
    MISTYPED_TOKEN,
    NO_CREDENTIAL,
    QUERY_CREDENTIAL,
    UNKNOWN_TOKEN,
    Credential,
    IssuedToken,
    Presented,
    PresentedToken,
    UnreadSession,
    bearer_text,
    query_has_token,
    session_key,
    token68,
)
from mcp_guard.policy.decision import (
    Admitted,
    AwaitsMessage,
    AwaitsSession,
    Decision,
    PreflightGranted,
    Reason,
    Refused,
)
from mcp_guard.policy.endpoint import Endpoint
from mcp_guard.policy.facts import RequestFacts, RequestHead
from mcp_guard.policy.scopes import Operation
from mcp_guard.policy.snapshot import Snapshot
from mcp_guard.tokens import digest, is_well_formed

log = logging.getLogger("mcp_guard.gate")


class AwaitsPolicy(NamedTuple):
    """The snapshot has to be refreshed before anything can be said."""


Settled = Admitted | PreflightGranted | Refused | AwaitsMessage
"""A decision that is final for its exchange."""

Judged = Decision | AwaitsPolicy

_AWAITS_POLICY = AwaitsPolicy()


def judge(endpoint: Endpoint, head: RequestHead, presented: Presented | None = None) -> Judged:
    """Return the decision about an exchange on an endpoint.

    ``presented`` is the credential when it comes from elsewhere than the head: a message, a session that
    was read, or what an open socket was admitted with.
    """
    if holder.is_behind:
        return _AWAITS_POLICY
    return _judge(endpoint, head, presented)


def settle(
    endpoint: Endpoint, head: RequestHead, judged: Judged, presented: Presented | None = None
) -> Settled:
    """Return the final decision, reading what it waits for; each wait is bounded."""
    if isinstance(judged, AwaitsPolicy):
        holder.refresh()
        judged = _judge(endpoint, head, presented)
    if isinstance(judged, AwaitsSession):
        try:
            session = sessions.read(judged.key)
        except Exception as error:  # noqa: BLE001 (a store that fails in any way lets nobody in)
            return _unreadable(error)
        judged = _judge(endpoint, head, session)
    return _final(judged)


async def asettle(
    endpoint: Endpoint, head: RequestHead, judged: Judged, presented: Presented | None = None
) -> Settled:
    """Do as ``settle`` without blocking the event loop."""
    if isinstance(judged, AwaitsPolicy):
        await holder.arefresh()
        judged = _judge(endpoint, head, presented)
    if isinstance(judged, AwaitsSession):
        try:
            session = await sessions.aread(judged.key)
        except Exception as error:  # noqa: BLE001 (a store that fails in any way lets nobody in)
            return _unreadable(error)
        judged = _judge(endpoint, head, session)
    return _final(judged)


def permit(admitted: Admitted, operation: Operation) -> Admitted | Refused:
    """Return the decision as it is if the principal may do the operation, else a refusal."""
    return rules.permit(admitted, operation)


def explain(endpoint: Endpoint, head: RequestHead, snapshot: Snapshot, now: float) -> Decision:
    """Return what the gate would decide under a given snapshot at a given time, noting nothing."""
    credential = _look_up(present(head, endpoint), snapshot)
    return rules.decide(RequestFacts(endpoint.name, head, credential, now, 0.0), snapshot)


def answer(
    endpoint: Endpoint, head: RequestHead, settled: PreflightGranted | Refused | AwaitsMessage
) -> reply.Reply:
    """Return the HTTP answer to everything that is not let in; a refusal is noted under a fresh id."""
    match settled:
        case PreflightGranted():
            return reply.preflight(settled)
        case AwaitsMessage():  # a request has no first message to wait for
            settled = Refused(Reason.CREDENTIAL_MISSING)
        case Refused():
            pass
    return reply.refusal(settled, endpoint, note(endpoint, head, settled.reason))


def note(endpoint: Endpoint, head: RequestHead, reason: Reason) -> str:
    """Note a refusal and return the correlation id under which an administrator finds it."""
    correlation_id = secrets.token_hex(8)
    refusals.note(endpoint, head, reason, correlation_id)
    return correlation_id


def present(head: RequestHead, endpoint: Endpoint) -> Presented:
    """Return what the head of a request presents.

    An explicit carrier decides alone: with one, the cookie is not even looked at. Two are refused.
    """
    if endpoint.ignores_credentials:
        return QUERY_CREDENTIAL if query_has_token(head.query) else NO_CREDENTIAL
    headers = head.headers
    authorization = headers.get(b"authorization")
    second = headers.get(endpoint.token_header) if endpoint.token_header is not None else None
    in_query = bool(head.query) and query_has_token(head.query)
    if (authorization is not None) + (second is not None) + in_query > 1:
        return AMBIGUOUS_CREDENTIAL
    if authorization is not None:
        return present_text(bearer_text(authorization))
    if second is not None:
        return present_text(bearer_text(second) or token68(second))
    if in_query:
        return QUERY_CREDENTIAL
    if endpoint.profile.reads_cookies and b"cookie" in headers:
        key = session_key(headers[b"cookie"], endpoint.session_cookie)
        return NO_CREDENTIAL if key is None else UnreadSession(key)
    return NO_CREDENTIAL


def present_text(text: str | None) -> Presented:
    """Return the credential that a token text is; None stands for something that is no token."""
    if text is None:
        return MALFORMED_CREDENTIAL
    return PresentedToken(digest(text), is_well_formed(text))


def _judge(endpoint: Endpoint, head: RequestHead, presented: Presented | None) -> Decision:
    snapshot, age = holder.snapshot, holder.age
    credential = _look_up(present(head, endpoint) if presented is None else presented, snapshot)
    return rules.decide(RequestFacts(endpoint.name, head, credential, holder.now(), age), snapshot)


def _look_up(presented: Presented, snapshot: Snapshot) -> Credential:
    if not isinstance(presented, PresentedToken):
        return presented
    record = snapshot.tokens.get(presented.digest)
    if record is not None:
        return IssuedToken(record)
    return UNKNOWN_TOKEN if presented.well_formed else MISTYPED_TOKEN


def _unreadable(error: Exception) -> Refused:
    log.warning("a session could not be read: %s", type(error).__name__)
    return Refused(Reason.SESSION_UNREADABLE)


def _final(judged: Judged) -> Settled:
    """A session that awaits another session cannot be: what is still open is refused."""
    if isinstance(judged, AwaitsSession | AwaitsPolicy):
        return Refused(Reason.SESSION_UNREADABLE)
    return judged
