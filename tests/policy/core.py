"""Play a row against the pure rules, with a reader of heads that needs no server."""

from __future__ import annotations

from typing import Final
from urllib.parse import unquote

from mcp_guard import nonce, tickets
from mcp_guard.mcp import agreement, jsonrpc
from mcp_guard.policy.credential import (
    DEAD_SESSION,
    LIVE_NONCE,
    MALFORMED_CREDENTIAL,
    MISTYPED_TOKEN,
    NO_CREDENTIAL,
    UNKNOWN_TOKEN,
    UNUSABLE_TICKET,
    Credential,
    IssuedToken,
    LiveSession,
    Presented,
    PresentedToken,
    UnreadSession,
)
from mcp_guard.policy.decide import decide, permit
from mcp_guard.policy.decision import Admitted, AwaitsSession, AwaitsTicket, Decision, Fault, Reason, Refused
from mcp_guard.policy.endpoint import Endpoint, Messages
from mcp_guard.policy.facts import Exchange, RequestFacts, RequestHead
from mcp_guard.policy.headers import fold
from mcp_guard.policy.ticket import Ticket, by_ticket, credential_of
from mcp_guard.presented import present, present_text
from mcp_guard.tokens import digest
from tests.policy.snapshot_of_world import NOW, USER_IDS, snapshot
from tests.rows import world
from tests.rows.exchanges import Head, Request, Socket
from tests.rows.row import Row

SNAPSHOT: Final = snapshot()
TOKEN_FOR_EVERYWHERE: Final = IssuedToken(SNAPSHOT.tokens[digest(world.ANY.text)])


def _held(ticket: world.Ticket) -> Presented:
    match ticket.held:
        case world.Token(text=text):
            return PresentedToken(digest(text), well_formed=True)
        case world.Session(key=key):
            return UnreadSession(key)
        case text:
            return LIVE_NONCE if text == world.NONCE else UNUSABLE_TICKET


_TICKETS: Final = {
    tickets.digest(ticket.text.encode()): Ticket(
        ticket.endpoint,
        b"" if ticket.origin is None else ticket.origin.url.encode(),
        NOW + ticket.expires,
        _held(ticket),
    )
    for ticket in world.TICKETS
}
_SESSIONS: Final = {session.key: session for session in world.SESSIONS}


def play(row: Row, *, now: float = NOW, age: float = 0.0) -> Decision:
    """Return what becomes of the head of a row's exchange and, if it is let in, of its body."""
    endpoint = SNAPSHOT.endpoints[row.endpoint].endpoint
    head = read(row.exchange, endpoint)
    nonce.keep(world.NONCE)
    decision = settle(row.endpoint, head, look_up(present(head, endpoint)), now=now, age=age)
    if isinstance(decision, Admitted) and head.method in ("POST", "PUT", "PATCH"):
        return judge_body(decision, head, row.exchange, endpoint)
    return decision


def first_message(row: Row) -> jsonrpc.Message | None:
    """Return the first message of a socket, None where it is no message or there is none."""
    assert isinstance(row.exchange, Socket)
    first = row.exchange.messages[:1]
    message = jsonrpc.parse(first[0]) if first and isinstance(first[0], str) else None
    return message if isinstance(message, jsonrpc.Message) else None


def play_first_message(row: Row) -> Decision:
    """Return what becomes of the credential in the first message of a socket that waits for it."""
    endpoint = SNAPSHOT.endpoints[row.endpoint].endpoint
    message = first_message(row)
    assert message is not None
    head = read(row.exchange, endpoint)._replace(exchange=Exchange.MESSAGE)
    match message.bearer:
        case jsonrpc.NoBearer():
            credential: Credential = NO_CREDENTIAL
        case jsonrpc.MalformedBearer():
            credential = MALFORMED_CREDENTIAL
        case jsonrpc.BearerText(presented):
            credential = look_up(present_text(presented))
    return settle(row.endpoint, head, credential)


def settle(
    name: str, head: RequestHead, credential: Credential, *, now: float = NOW, age: float = 0.0
) -> Decision:
    """Return the decision, after the session it may wait for was read."""
    decision = decide(RequestFacts(name, head, credential, now, age), SNAPSHOT)
    if isinstance(decision, AwaitsTicket):
        held = credential_of(_TICKETS.get(decision.digest), name, head, now)
        return by_ticket(settle(name, head, look_up(held), now=now, age=age))
    if not isinstance(decision, AwaitsSession):
        return decision
    session = _SESSIONS[decision.key]
    if session.user is None or not session.user.active or session.is_stale:
        read_session: Credential = DEAD_SESSION
    else:
        read_session = LiveSession(session.key, USER_IDS[session.user.name])
    return decide(RequestFacts(name, head, read_session, now, age), SNAPSHOT)


def judge_body(admitted: Admitted, head: RequestHead, request: Request, endpoint: Endpoint) -> Decision:
    """Return the decision about a body; what is said of bodies in ``mcp`` is no business of the rules."""
    if len(request.body) > endpoint.limits.body_bytes:
        return Refused(Reason.BODY_TOO_LARGE, admitted.cors)
    if endpoint.messages is Messages.HTTP:
        return admitted
    message = jsonrpc.parse(request.body)
    if isinstance(message, jsonrpc.Malformed):
        fault = Fault(message.code, message.defect.value)
        return Refused(Reason.MESSAGE_MALFORMED, admitted.cors, request_id=message.id, fault=fault)
    if message.bearer != jsonrpc.NO_BEARER:
        return Refused(Reason.CREDENTIAL_AMBIGUOUS, admitted.cors)
    disagreement = agreement.disagreement(head.headers, message)
    if disagreement is not None:
        fault = Fault(-32020, disagreement)
        return Refused(Reason.HEADERS_DISAGREE, admitted.cors, request_id=message.id, fault=fault)
    return admitted if message.operation is None else permit(admitted, message.operation)


def read(exchange: Head, endpoint: Endpoint) -> RequestHead:
    """Return the head of an exchange."""
    lines = [(name.lower().encode("ascii"), value.encode("latin-1")) for name, value in exchange.headers]
    headers, repeated = fold(lines, endpoint.token_header)
    plain = exchange.has_plain_target
    method: str = getattr(exchange, "method", "GET")
    return RequestHead(
        _kind(exchange, method, headers),
        method,
        unquote(exchange.target),
        exchange.query.encode(),
        exchange.scheme,
        exchange.peer,
        exchange.root_path,
        headers,
        None if repeated is None and plain else "repeated or not plain",
        exchange.port,
    )


def _kind(exchange: Head, method: str, headers: dict[bytes, bytes]) -> Exchange:
    if not isinstance(exchange, Request):
        return Exchange.HANDSHAKE
    if method == "OPTIONS" and {b"origin", b"access-control-request-method"} <= headers.keys():
        return Exchange.PREFLIGHT
    return Exchange.REQUEST


def look_up(presented: Presented) -> Credential:
    """Return what was presented, a token with what the policy knows of it."""
    if not isinstance(presented, PresentedToken):
        return presented
    record = SNAPSHOT.tokens.get(presented.digest)
    if record is not None:
        return IssuedToken(record)
    return UNKNOWN_TOKEN if presented.well_formed else MISTYPED_TOKEN
