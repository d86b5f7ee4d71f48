"""The gate: gather what a head presents, decide, note the refusal. The only caller of ``decide``.

``judge`` never waits and never asks the database. What it cannot say from memory it returns as something
it awaits; the adapter settles that in its own colour, ``settle`` or ``asettle``, and gets the final
decision. Every wait is bounded, and what cannot be read lets nobody in.
"""

from __future__ import annotations

import logging
import secrets
import time
from dataclasses import dataclass
from math import isinf
from typing import Final

from mcp_guard.audit import refusals
from mcp_guard.audit.counts import decisions
from mcp_guard.live import lookup, sessions
from mcp_guard.live.holder import STALE_SECONDS, holder
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
    Admitted,
    AwaitsMessage,
    AwaitsSession,
    AwaitsToken,
    Decision,
    PreflightGranted,
    Reason,
    Refused,
)
from mcp_guard.policy.endpoint import Endpoint
from mcp_guard.policy.facts import RequestFacts, RequestHead
from mcp_guard.policy.scopes import Operation
from mcp_guard.policy.snapshot import Snapshot
from mcp_guard.presented import present

log = logging.getLogger("mcp_guard.gate")

ROUNDS: Final = 6
"""How many things one decision may wait for: policy, a token, a session, and again what moved meanwhile."""


@dataclass(frozen=True, slots=True)
class AwaitsPolicy:
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
    age = holder.age  # read once: a change between two looks would make it infinite, which refuses
    if age > STALE_SECONDS:
        return _AWAITS_POLICY
    return _judge(endpoint, head, presented, age)


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
    endpoint: Endpoint, head: RequestHead, judged: Judged, presented: Presented | None = None
) -> Settled:
    """Do as ``settle`` without blocking the event loop."""
    for _ in range(ROUNDS):
        try:
            match judged:
                case AwaitsPolicy():
                    asked = time.monotonic()
                    await holder.arefresh()
                    judged = _judge(endpoint, head, presented, holder.age_since(asked))
                case AwaitsSession(key):
                    presented = await sessions.aread(key)
                    judged = judge(endpoint, head, presented)
                case AwaitsToken(digest):
                    judged = _judge_found(endpoint, head, await lookup.afind(digest))
                case _:
                    return judged
        except Exception as error:  # noqa: BLE001 (a store that fails in any way lets nobody in)
            return _unreadable(judged, error)
    return _in_the_end(judged)


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


def _judge(endpoint: Endpoint, head: RequestHead, presented: Presented | None, age: float) -> Decision:
    snapshot = holder.snapshot
    if presented is None:
        presented = present(head, endpoint)
    return _decide(endpoint, head, _look_up(presented, snapshot), snapshot, age)


def _judge_found(endpoint: Endpoint, head: RequestHead, found: lookup.Found) -> Decision | AwaitsPolicy:
    """Judge by a token that was read from the database under the snapshot that goes with it."""
    age = holder.age_since(found.asked)
    if isinf(age):  # policy changed while the token was looked up
        return _AWAITS_POLICY
    credential = UNKNOWN_TOKEN if found.record is None else IssuedToken(found.record)
    return _decide(endpoint, head, credential, found.snapshot, age)


def _decide(
    endpoint: Endpoint, head: RequestHead, credential: Credential, snapshot: Snapshot, age: float
) -> Decision:
    decision = rules.decide(RequestFacts(endpoint.name, head, credential, holder.now(), age), snapshot)
    if isinstance(decision, Admitted):
        decisions.count(endpoint.name, head.exchange.value, "admitted")
        if decision.would_refuse is not None:
            refusals.note(endpoint, head, decision.would_refuse, "", "would_refuse")
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
