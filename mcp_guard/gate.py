"""The gate: gather what a head presents, decide, note the refusal. The only caller of ``decide``.

``judge`` never waits and never asks the database. What it cannot say from memory it returns as something
it awaits; the adapter settles that in its own colour, ``settle`` or ``asettle``, and gets the final
decision. Every wait is bounded, and what cannot be read lets nobody in.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from math import isinf
from typing import Final, NamedTuple

from django.http import HttpRequest

from mcp_guard import blanks, wire
from mcp_guard.audit import refusals
from mcp_guard.audit.correlation import correlation_ids
from mcp_guard.audit.counts import ADMITTED, PREFLIGHT, decisions
from mcp_guard.audit.uses import uses
from mcp_guard.known_answers import (
    KnownClose,
    KnownPreflight,
    KnownRefusal,
    known_refusals,
)
from mcp_guard.live import lookup, sessions, tickets
from mcp_guard.live.failures import FAILURES, failures
from mcp_guard.live.holder import STALE_SECONDS, holder
from mcp_guard.passage import Passage
from mcp_guard.policy import decide as rules
from mcp_guard.policy import reply
from mcp_guard.policy.credential import (
    MISTYPED_TOKEN,
    UNKNOWN_TOKEN,
    Credential,
    IssuedToken,
    Presented,
    PresentedToken,
    UnreadToken,
)
from mcp_guard.policy.decision import (
    EACH_TIME,
    Admitted,
    AwaitsMessage,
    AwaitsSession,
    AwaitsTicket,
    AwaitsToken,
    Decision,
    PreflightGranted,
    Reason,
    Refused,
)
from mcp_guard.policy.endpoint import Endpoint
from mcp_guard.policy.facts import Exchange, RequestFacts, RequestHead
from mcp_guard.policy.scopes import Operation
from mcp_guard.policy.snapshot import Snapshot
from mcp_guard.policy.ticket import credential_of
from mcp_guard.presented import present
from mcp_guard.recall import NOTED_SECONDS, Known, recall
from mcp_guard.sighting import Sighting, is_faithful, sight, sight_request

log = logging.getLogger("mcp_guard.gate")

ROUNDS: Final = 6
"""How many things one decision may wait for: policy, a token, a session, and again what moved meanwhile."""


_WITH_KNOWN_TOKEN: Final = frozenset(
    {
        Reason.TOKEN_REVOKED,
        Reason.TOKEN_NOT_YET_VALID,
        Reason.TOKEN_EXPIRED,
        Reason.TOKEN_USER_INACTIVE,
        Reason.TOKEN_CLIENT_DISABLED,
        Reason.TOKEN_WRONG_ENDPOINT,
        Reason.TOKEN_WRONG_KIND,
        Reason.SCOPE_INSUFFICIENT,
    }
)
"""Why a request may be refused whose token is one of a client's."""


@dataclass(frozen=True, slots=True)
class AwaitsPolicy:
    """The snapshot has to be refreshed before anything can be said."""


Settled = Admitted | PreflightGranted | Refused | AwaitsMessage | AwaitsTicket
"""A decision that is final for its exchange, or for what it presents: a ticket is redeemed for another."""

Judged = Decision | AwaitsPolicy

_AWAITS_POLICY = AwaitsPolicy()


class Pending(NamedTuple):
    """A head that was not let in, or not yet, and what was decided about it."""

    head: RequestHead
    judged: Judged


def judge(
    endpoint: Endpoint, head: RequestHead, presented: Presented | None = None, *, again: bool = False
) -> Judged:
    """Return the decision about an exchange on an endpoint.

    ``presented`` is the credential when it comes from elsewhere than the head: a message, a session that
    was read, or what an open socket was admitted with. ``again`` is for an event stream that is open: it was
    counted when it was let in.
    """
    age = holder.age  # read once: a change between two looks would make it infinite, which refuses
    if age > STALE_SECONDS:
        return _AWAITS_POLICY
    return _judge(endpoint, head, presented, age, again=again)


def judge_scope(endpoint: Endpoint, scope: wire.Scope) -> Passage | reply.Reply | Pending:
    """Return the passage of an ASGI request, its answer where one is known, or its head with the decision.

    The status of what answers a handshake is the close code.
    """
    sighting = sight(scope, endpoint)
    return _recall(endpoint, sighting) or _judge_sighted(endpoint, wire.from_scope(scope, endpoint), sighting)


def judge_request(endpoint: Endpoint, request: HttpRequest) -> Passage | reply.Reply | Pending:
    """Do as ``judge_scope`` with a Django request."""
    sighting = sight_request(request, endpoint)
    return _recall(endpoint, sighting) or _judge_sighted(
        endpoint, wire.from_request(request, endpoint), sighting
    )


def _recall(endpoint: Endpoint, sighting: Sighting | None) -> Passage | reply.Reply | None:
    """Return what is known of heads like this one, None when there is nothing."""
    if sighting is None:
        return None
    signature = sighting[0]
    try:
        known = recall.young.get(signature) or recall.get(signature) or known_refusals.get(signature)
    except TypeError:  # lines that are lists have no hash
        return None
    if known is None or known.endpoint is not endpoint:
        return None
    now = holder.fresh_now(known.snapshot)
    if now is None or now >= known.until:
        return None
    if not isinstance(known, Known):
        return known.answer(sighting)
    known.count()
    passage = known.passage(sighting)
    if now >= known.noted_until:
        known.noted_until = now + NOTED_SECONDS
        uses.note(endpoint, passage.head, passage.principal, now)
    return passage


def _judge_sighted(endpoint: Endpoint, head: RequestHead, sighting: Sighting | None) -> Passage | Pending:
    """Judge a head, and keep what may be recalled of it under the snapshot that was there before."""
    snapshot = holder.snapshot
    judged = judge(endpoint, head)
    if sighting is not None and _lasts(judged) and is_faithful(sighting, head):
        _keep(endpoint, snapshot, sighting, head, judged)
    if isinstance(judged, Admitted):
        return Passage(endpoint.name, head, judged)
    return Pending(head, judged)


def _lasts(judged: Judged) -> bool:
    """Return whether a decision holds for more than one exchange."""
    match judged:
        case Admitted():
            return judged.would_refuse is None  # what is only reported is reported each time
        case PreflightGranted():
            return True
        case Refused():
            return judged.until != EACH_TIME and judged.reason not in FAILURES
        case _:
            return False


def _keep(
    endpoint: Endpoint, snapshot: Snapshot, sighting: Sighting, head: RequestHead, judged: Judged
) -> None:
    """Keep a decision that others may be spared."""
    match judged:
        case Admitted():
            recall.put(sighting[0], Known(endpoint, snapshot, sighting, head, judged))
        case PreflightGranted():
            recall.put(sighting[0], KnownPreflight(endpoint, snapshot, head, judged))
        case Refused(reason):
            likeness = refusals.likeness(endpoint, head, reason, _client_of(endpoint, head, reason))
            if likeness is not None:
                known = KnownClose if head.exchange is Exchange.HANDSHAKE else KnownRefusal
                known_refusals.put(sighting[0], known(endpoint, snapshot, judged, likeness))
        case _:
            pass


def settle(
    endpoint: Endpoint, head: RequestHead, judged: Judged, presented: Presented | None = None
) -> Settled:
    """Return the final decision, reading what it waits for."""
    for _ in range(ROUNDS):
        try:
            match judged:
                case AwaitsPolicy():
                    asked = time.monotonic()
                    holder.refresh()
                    judged = _judge(endpoint, head, presented, holder.age_since(asked))
                case AwaitsSession(key):
                    presented = sessions.read(key)
                    judged = judge(endpoint, head, presented)
                case AwaitsToken(digest):
                    judged = _judge_found(endpoint, head, lookup.find(digest))
                case _:
                    return judged
        except Exception as error:  # noqa: BLE001 (a store that fails in any way lets nobody in)
            return _unreadable(judged, error)
    return _in_the_end(judged)


async def asettle(
    endpoint: Endpoint,
    head: RequestHead,
    judged: Judged,
    presented: Presented | None = None,
    *,
    again: bool = False,
) -> Settled:
    """Do as ``settle`` without blocking the event loop."""
    for _ in range(ROUNDS):
        try:
            match judged:
                case AwaitsPolicy():
                    asked = time.monotonic()
                    await holder.arefresh()
                    judged = _judge(endpoint, head, presented, holder.age_since(asked), again=again)
                case AwaitsSession(key):
                    presented = await sessions.aread(key)
                    judged = judge(endpoint, head, presented, again=again)
                case AwaitsToken(digest):
                    judged = _judge_found(endpoint, head, await lookup.afind(digest), again=again)
                case _:
                    return judged
        except Exception as error:  # noqa: BLE001 (a store that fails in any way lets nobody in)
            return _unreadable(judged, error)
    return _in_the_end(judged)


async def aredeem(endpoint: Endpoint, head: RequestHead, awaits: AwaitsTicket) -> Presented | Refused:
    """Return the credential that the ticket of a handshake was issued for; nobody can redeem it again."""
    try:
        ticket = await tickets.aredeem(awaits.digest, awaits.key)
    except Exception as error:  # noqa: BLE001 (a store that fails in any way lets nobody in)
        return _unreadable(awaits, error)
    return credential_of(ticket, endpoint.name, head, holder.now())


def permit(admitted: Admitted, operation: Operation) -> Admitted | Refused:
    """Return the decision as it is if the principal may do the operation, else a refusal.

    The grant that opens it is noted as used: this is for what is about to be done, not for a mere question.
    """
    decision = rules.permit(admitted, operation)
    if isinstance(decision, Admitted):
        uses.note_grant(decision.principal, operation, holder.now())
    return decision


def explain(
    endpoint: Endpoint,
    head: RequestHead,
    snapshot: Snapshot,
    now: float,
    presented: Presented | None = None,
) -> Decision:
    """Return what the gate would decide under a given snapshot at a given time, noting nothing."""
    credential = _look_up(present(head, endpoint) if presented is None else presented, snapshot)
    return rules.decide(RequestFacts(endpoint.name, head, credential, now, 0.0), snapshot)


def explain_grant(decision: Decision, operation: Operation | None) -> Decision:
    """Return what the gate would decide about an operation besides, noting nothing; None asks for none."""
    if operation is None or not isinstance(decision, Admitted):
        return decision
    return rules.permit(decision, operation)


def answer(
    endpoint: Endpoint, head: RequestHead, settled: PreflightGranted | Refused | AwaitsMessage | AwaitsTicket
) -> reply.Reply:
    """Return the HTTP answer to everything that is not let in; a refusal is noted under a fresh id."""
    match settled:
        case PreflightGranted():
            return reply.preflight(settled)
        case AwaitsMessage() | AwaitsTicket():  # a request has no first message to wait for, nor a ticket
            settled = Refused(Reason.CREDENTIAL_MISSING)
        case Refused():
            settled = failures.limit(settled, endpoint, head)
    return blanks.refusal(settled, endpoint, note(endpoint, head, settled.reason))


def note(endpoint: Endpoint, head: RequestHead, reason: Reason) -> str:
    """Note a refusal and return the correlation id under which an administrator finds it."""
    correlation_id = correlation_ids.take()
    refusals.note(endpoint, head, reason, correlation_id, _client_of(endpoint, head, reason))
    return correlation_id


def _client_of(endpoint: Endpoint, head: RequestHead, reason: Reason) -> str:
    """Return whose request is refused: the owner of its origin or of its token; empty when none is known."""
    snapshot = holder.snapshot
    policy, origin = snapshot.endpoints.get(endpoint.name), head.headers.get(b"origin")
    listing = policy.allowlist.get(origin) if policy is not None and origin is not None else None
    if listing is not None:
        return listing.client
    if reason in _WITH_KNOWN_TOKEN:
        presented = present(head, endpoint)
        record = snapshot.tokens.get(presented.digest) if isinstance(presented, PresentedToken) else None
        return "" if record is None else record.client
    return ""


def _judge(
    endpoint: Endpoint, head: RequestHead, presented: Presented | None, age: float, *, again: bool = False
) -> Decision:
    snapshot = holder.snapshot
    if presented is None:
        presented = present(head, endpoint)
    decision = _decide(endpoint, head, _look_up(presented, snapshot), snapshot, age)
    return _counted(endpoint, head, decision, again=again)


def _judge_found(
    endpoint: Endpoint, head: RequestHead, found: lookup.Found, *, again: bool = False
) -> Decision | AwaitsPolicy:
    """Judge by a token that was read from the database under the snapshot that goes with it."""
    age = holder.age_since(found.asked)
    if isinf(age):  # policy changed while the token was looked up
        return _AWAITS_POLICY
    credential = UNKNOWN_TOKEN if found.record is None else IssuedToken(found.record)
    decision = _decide(endpoint, head, credential, found.snapshot, age)
    return _counted(endpoint, head, decision, again=again)


def _decide(
    endpoint: Endpoint, head: RequestHead, credential: Credential, snapshot: Snapshot, age: float
) -> Decision:
    return rules.decide(RequestFacts(endpoint.name, head, credential, holder.now(), age), snapshot)


def _counted(endpoint: Endpoint, head: RequestHead, decision: Decision, *, again: bool) -> Decision:
    """Return the decision, counted unless it is about what was counted before."""
    if isinstance(decision, PreflightGranted):
        decisions.count(endpoint.name, head.exchange.value, PREFLIGHT)
    elif isinstance(decision, Admitted):
        uses.note(endpoint, head, decision.principal, holder.now())
        if not again:
            decisions.count(endpoint.name, head.exchange.value, ADMITTED)
            if decision.would_refuse is not None:
                client = decision.principal.client
                refusals.note_would_refuse(endpoint, head, decision.would_refuse, client)
    return decision


def _look_up(presented: Presented, snapshot: Snapshot) -> Credential:
    """Return the credential; a token that may be in the database alone is read only if the rest lets it."""
    if not isinstance(presented, PresentedToken):
        return presented
    record = snapshot.tokens.get(presented.digest)
    if record is None and presented.well_formed and snapshot.is_partial:
        record = lookup.remembered(presented.digest, snapshot)
        return UnreadToken(presented.digest) if record is None else IssuedToken(record)
    if record is not None:
        return IssuedToken(record)
    return UNKNOWN_TOKEN if presented.well_formed else MISTYPED_TOKEN


def _in_the_end(judged: Judged) -> Settled:
    """Return the decision after the last round; what still waits then is refused."""
    if isinstance(judged, AwaitsPolicy | AwaitsToken | AwaitsSession):
        return Refused(Reason.POLICY_TOO_OLD)
    return judged


def _unreadable(judged: Judged, error: Exception) -> Refused:
    log.warning("%s could not be settled: %s", type(judged).__name__, type(error).__name__)
    return Refused(Reason.STORE_UNREADABLE)
