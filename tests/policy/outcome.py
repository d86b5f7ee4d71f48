"""Turn decisions into the words of the table, to compare them with what a row says."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, Final

from mcp_guard.policy import reply
from mcp_guard.policy.decision import (
    Admitted,
    AwaitsMessage,
    AwaitsSession,
    Decision,
    PreflightGranted,
    Principal,
    Refused,
)
from mcp_guard.policy.endpoint import Endpoint
from mcp_guard.policy.stamp import stamped_headers
from tests.policy.snapshot_of_world import TOKEN_IDS, USER_IDS
from tests.rows.outcomes import (
    ACCESS_CONTROL,
    MESSAGES,
    RELEVANT,
    Admits,
    Answer,
    Grants,
    Refuses,
    RefusesHandshake,
    Who,
)

CORRELATION_ID: Final = "0123456789abcdef"

_USERS = {number: name for name, number in USER_IDS.items()}
_TOKENS = {number: name for name, number in TOKEN_IDS.items()}


def of_request(decision: Decision, endpoint: Endpoint) -> Admits | Grants | Refuses:
    """Return the outcome of a request or preflight."""
    match decision:
        case Admitted():
            would = None if decision.would_refuse is None else decision.would_refuse.value
            stamped = stamped_headers([(b"content-type", b"application/json")], decision)
            return Admits(who(decision.principal), answer(stamped), would, decision.delegated)
        case PreflightGranted():
            granted = reply.preflight(decision)
            assert (granted.status, granted.body) == (204, b"")
            return Grants(answer(granted.headers))
        case Refused():
            refusal = reply.refusal(decision, endpoint, CORRELATION_ID)
            assert reply.message(decision.reason) == MESSAGES[decision.reason.value]
            assert json.loads(refusal.body) == said_of(decision)
            return Refuses(refusal.status, decision.reason.value, answer(refusal.headers))
        case AwaitsMessage() | AwaitsSession():
            raise AssertionError(f"a request came out as {decision}")


def said_of(refused: Refused) -> dict[str, Any]:
    """Return the body of a refusal: who it answers, and what a client may show."""
    code, message, data = -32600, MESSAGES[refused.reason.value], {"correlation_id": CORRELATION_ID}
    if refused.operation is not None:
        grants = refused.operation.grants
        data["scope"] = " ".join(grants)
        message += f": {', '.join(grants)} {'is' if len(grants) == 1 else 'are'} needed"
    if refused.fault is not None:
        code, message = refused.fault
    error = {"code": code, "message": message, "data": data}
    return {"jsonrpc": "2.0", "id": refused.request_id, "error": error}


def of_socket(decision: Decision) -> Who | RefusesHandshake | None:
    """Return whom a handshake or message acts for, its refusal, or None when a message has to say."""
    match decision:
        case Admitted():
            return who(decision.principal)
        case Refused():
            return RefusesHandshake(decision.reason.value, reply.close_code(decision.reason))
        case AwaitsMessage():
            return None
        case PreflightGranted() | AwaitsSession():
            raise AssertionError(f"a socket came out as {decision}")


def who(principal: Principal) -> Who:
    """Return a principal by names."""
    user, token = principal.user_id, principal.token_id
    return Who(
        principal.client, None if user is None else _USERS[user], None if token is None else _TOKENS[token]
    )


def answer(headers: Iterable[tuple[bytes, bytes]]) -> Answer:
    """Return the headers that matter; no one of them may stand there twice."""
    found: Answer = {}
    for raw_name, value in headers:
        name = raw_name.decode("ascii").lower()
        if name in RELEVANT or name.startswith(ACCESS_CONTROL):
            assert name not in found, f"{name} stands there twice"
            found[name] = value.decode("latin-1")
    return found
