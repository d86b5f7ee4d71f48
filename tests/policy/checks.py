"""What has to hold while every rule is there: all rows, and the little that no row can show."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial

from mcp_guard import presented
from mcp_guard.policy import headers, reply
from mcp_guard.policy.credential import (
    NO_CREDENTIAL,
    UNUSABLE_TICKET,
    UnreadSession,
    UnreadToken,
    without_offered_token,
    without_parameter,
)
from mcp_guard.policy.decision import (
    EACH_TIME,
    FOR_GOOD,
    Admitted,
    AwaitsMessage,
    AwaitsToken,
    CorsGrant,
    Decision,
    PreflightGranted,
    Principal,
    Reason,
    Refused,
)
from mcp_guard.policy.endpoint import Endpoint, HostRules, Profile
from mcp_guard.policy.facts import RequestHead
from mcp_guard.policy.scopes import Operation
from mcp_guard.policy.stamp import stamped_headers
from mcp_guard.policy.ticket import Ticket, by_ticket, credential_of
from tests import table
from tests.policy import core, listings, outcome, servers
from tests.rows import world
from tests.rows.configurations import DAY
from tests.rows.outcomes import MESSAGES, OF_BOUNDS, UNAVAILABLE, Opens, Refuses, RefusesHandshake, Who
from tests.rows.row import Row

WITHOUT_TICKETS = {
    *("public", "public-bare", "partner-oauth", "partner-header", "partner-first"),
    *("api", "api-public", "api-oauth"),
}
TICKET = Ticket("e", b"", 10.0, NO_CREDENTIAL)


def came_out(row: Row) -> bool:
    """Whether a row has its outcome, also for the first message of a socket, until its deadline."""
    decision = core.play(row)
    if isinstance(row.outcome, Opens | RefusesHandshake):
        return _opened(row, row.outcome, decision)
    endpoint = core.SNAPSHOT.endpoints[row.endpoint].endpoint
    return outcome.of_request(decision, endpoint) == row.outcome and _lasts(row, decision)


def _opened(row: Row, expected: Opens | RefusesHandshake, decision: Decision) -> bool:
    judged = outcome.of_socket(decision)
    if isinstance(expected, RefusesHandshake):
        return judged == expected
    if not expected.awaits_message:
        return isinstance(judged, Who) and expected.who is not None and judged.client == expected.who.client
    if judged is not None or core.first_message(row) is None:
        return judged is None
    first = outcome.of_socket(core.play_first_message(row))
    return first == (expected.who or RefusesHandshake(*(expected.closes or ("", 0))))


def _lasts(row: Row, decision: Decision) -> bool:
    """Whether a decision stays as it is until its deadline, and is another one from then on."""
    if not isinstance(decision, Admitted | PreflightGranted | Refused) or decision.until == EACH_TIME:
        return True
    if decision.until == FOR_GOOD:
        return core.play(row, now=core.NOW + 1e9) == decision
    return core.play(row, now=decision.until - 0.01) == decision != core.play(row, now=decision.until)


def _head(row: str) -> RequestHead:
    exchange = table.ROWS[row].exchange
    return core.read(exchange, core.SNAPSHOT.endpoints[table.ROWS[row].endpoint].endpoint)


def _is_stamped(name: str, given: list[bytes], stamped: list[bytes], principal: Principal) -> bool:
    """Whether the values of a header leave as they should, whatever its spelling."""
    inner = [(name.encode(), value) for value in given] + [(b"x-inner", b"1")]
    headers_ = stamped_headers(inner, Admitted(principal))
    lowered = name.lower().encode()
    return [value for key, value in headers_ if key.lower() == lowered] == stamped and (
        b"x-inner",
        b"1",
    ) in headers_


def _retry_after(refused: Refused) -> bytes | None:
    return dict(reply.refusal(refused, _PARTNER, "").headers).get(b"retry-after")


def _told(tool: str) -> bytes:
    """Return what a challenge says of a tool that is not granted."""
    refused = Refused(Reason.SCOPE_INSUFFICIENT, operation=Operation("tools/call", tool))
    return reply.challenge(refused).partition(b", ")[2]


def _told_of_uris(count: int, length: int) -> int:
    """Return how many of the URIs that are listened to a challenge names; each grant is so long."""
    uri = "a" * (length - len("resources/subscribe:"))
    operation = Operation("pings", also=tuple(Operation("resources/subscribe", uri) for _ in range(count)))
    challenge = reply.challenge(Refused(Reason.SCOPE_INSUFFICIENT, operation=operation))
    return challenge.count(b"resources/subscribe:")


def _code(refused: Refused) -> int:
    """Return the JSON-RPC code that a refused call is answered with."""
    code: int = json.loads(reply.error_text(refused, ""))["error"]["code"]
    return code


ACME = Principal(1, "acme")
ANYBODY = Principal()
STAMPED = (
    ("vary", [], [b"Origin"], ANYBODY),
    ("Vary", [b"Cookie"], [b"Cookie, Origin"], ANYBODY),
    ("vary", [b"Cookie", b"Accept"], [b"Cookie, Accept, Origin"], ANYBODY),
    ("vary", [b"Accept, ORIGIN"], [b"Accept, ORIGIN"], ANYBODY),
    ("vary", [b"Accept, *"], [b"*"], ANYBODY),
    ("cache-control", [], [], ANYBODY),
    ("cache-control", [b"public, max-age=60"], [b"public, max-age=60"], ANYBODY),
    ("cache-control", [], [b"private"], ACME),
    ("Cache-Control", [b"public, max-age=60"], [b"max-age=60, private"], ACME),
    ("cache-control", [b"max-age=60", b"s-maxage=60"], [b"max-age=60, private"], ACME),
    ("cache-control", [b"no-store"], [b"no-store"], ACME),
    ("cache-control", [b"no-cache, No-Store"], [b"no-cache, No-Store"], ACME),
    ("cache-control", [b"Private, max-age=60"], [b"Private, max-age=60"], ACME),
    ("cache-control", [b'private="x", max-age=60'], [b"max-age=60, private"], ACME),
    ("cache-control", [b", ,"], [b"private"], ACME),
    ("Access-Control-Allow-Origin", [b"*"], [], ANYBODY),
    ("access-control-allow-private-network", [b"true"], [], ACME),
    ("Set-Cookie", [b"a=1", b"b=2"], [b"a=1", b"b=2"], ACME),
)
"""Header of an inner answer, its values, what leaves of them, and for whom."""

_PARTNER = core.SNAPSHOT.endpoints["partner"].endpoint
WITH_COOKIE = "session | token | token profile: cookies never count"
NOT_YET = "credential | partner | not valid yet"
LONG = "preflight | partner-report-long | report-only for over 14 days"
WITH_TOKEN = "profile | public | a good token is not read"

CHECKS: dict[str, Callable[[], bool]] = {
    **{name: partial(came_out, row) for name, row in table.ROWS.items()},
    "a policy too old": lambda: (
        core.play(table.ROWS[WITH_TOKEN], age=10.01) == Refused(Reason.POLICY_TOO_OLD)
    ),
    "a policy just young enough": lambda: (
        core.play(table.ROWS[WITH_TOKEN], age=10.0) == core.play(table.ROWS[WITH_TOKEN])
    ),
    "a token is valid from its first moment": lambda: (
        isinstance(core.play(table.ROWS[NOT_YET], now=core.NOW + 3600), Admitted)
        and isinstance(core.play(table.ROWS[NOT_YET], now=core.NOW + 3599.9), Refused)
    ),
    "report-only begins 14 days before its end": lambda: (
        isinstance(core.play(table.ROWS[LONG], now=core.NOW + DAY), PreflightGranted)
        and isinstance(core.play(table.ROWS[LONG], now=core.NOW + DAY - 0.1), Refused)
    ),
    "an endpoint without a policy": lambda: (
        core.settle("unheard-of", _head(WITH_TOKEN), NO_CREDENTIAL) == Refused(Reason.GUARD_MISSING)
    ),
    "a session that no profile should have presented": lambda: isinstance(
        core.settle("token", _head(WITH_COOKIE), UnreadSession(world.ADAS_SESSION.key)), Refused
    ),
    "a cookie is not presented where it never counts": lambda: (
        presented.present(_head(WITH_COOKIE), core.SNAPSHOT.endpoints["token"].endpoint) == NO_CREDENTIAL
    ),
    "a token is not presented where it never counts": lambda: (
        presented.present(_head(WITH_TOKEN), core.SNAPSHOT.endpoints["public"].endpoint) == NO_CREDENTIAL
    ),
    "the headers that carry a token are known": lambda: (
        [
            Endpoint(
                "e", Profile.TOKEN, HostRules(), token_header=second, forward_authorization=own
            ).credential_headers
            for own in (False, True)
            for second in (None, b"x-token", b"cookie")
        ]
        == [
            {b"authorization", b"x-mcp-nonce"},
            {b"authorization", b"x-mcp-nonce", b"x-token"},
            {b"authorization", b"x-mcp-nonce"},
            {b"x-mcp-nonce"},
            {b"x-mcp-nonce", b"x-token"},
            {b"x-mcp-nonce"},
        ]
    ),
    "tickets are issued where a socket may be opened by one": lambda: (
        [
            name
            for name, policy in core.SNAPSHOT.endpoints.items()
            if policy.endpoint.issues_tickets != (name not in WITHOUT_TICKETS)
        ]
        == []
    ),
    "a parameter is taken out of a query however it is written": lambda: (
        [
            without_parameter(query, "ticket")
            for query in (b"", b"ticket=x", b"a=1;%74icket=x&b", b"tickets=x")
        ]
        == [b"", b"", b"a=1&b", b"tickets=x"]
    ),
    "a token is taken out of what is offered, and all else stays": lambda: (
        [without_offered_token(offered) for offered in (b"mcp,x", b"mcp,mcp.auth.eA,x", b"mcp%2Eauth.eA")]
        == [b"mcp,x", b"mcp, x", b""]
    ),
    "a ticket ends at its moment, and what guests have needs none": lambda: (
        [credential_of(TICKET, "e", _head("local | local | nothing"), now) for now in (9.99, 10.0)]
        == [NO_CREDENTIAL, UNUSABLE_TICKET]
        and by_ticket(Admitted(Principal())) == Refused(Reason.TICKET_UNUSABLE)
        and by_ticket(AwaitsMessage()) == Refused(Reason.TICKET_UNUSABLE)
        and by_ticket(Admitted(Principal(1, "acme"))) == Admitted(Principal(1, "acme"))
    ),
    "the answer with a ticket is for its page": lambda: (
        reply.ticket("mcpt_x", 30, CorsGrant(b"https://a.example", credentials=True))
        == reply.Reply(
            200,
            [
                (b"content-type", b"application/json"),
                (b"content-length", b"38"),
                (b"cache-control", b"no-store"),
                (b"vary", b"Origin"),
                (b"access-control-allow-origin", b"https://a.example"),
                (b"access-control-allow-credentials", b"true"),
                (b"access-control-expose-headers", reply.EXPOSED_HEADERS),
            ],
            b'{"ticket": "mcpt_x", "expires_in": 30}',
        )
    ),
    "tickets can run out": lambda: reply.status(Reason.TICKETS_EXHAUSTED) == 429,
    "the first header that is repeated is named": lambda: (
        headers.fold([(b"host", b""), (b"origin", b"")] * 2).defect == "second host"
        and headers.fold([(b"host", b"")] * 501).defect == "more than 500 headers"
    ),
    "faults are answered so that a client comes again": lambda: all(
        outcome.of_request(Refused(reason), _PARTNER) == Refuses(503, reason.value, UNAVAILABLE)
        for reason in (Reason.POLICY_TOO_OLD, Reason.STORE_UNREADABLE, Reason.GUARD_MISSING)
    ),
    "what goes beyond a bound is answered and closed as such": lambda: all(
        (reply.status(Reason(name)), reply.close_code(Reason(name))) == codes
        for name, codes in OF_BOUNDS.items()
    ),
    "a list that cannot be read is the application's failure": lambda: (
        (reply.status(Reason.LIST_UNREADABLE), reply.message(Reason.LIST_UNREADABLE))
        == (502, MESSAGES["list_unreadable"])
    ),
    "too much is answered with when to come again": lambda: (
        _retry_after(Refused(Reason.FAILURES_TOO_MANY, retry_after=7)) == b"7"
        and _retry_after(Refused(Reason.CALLS_OF_PRINCIPAL)) == b"1"
        and _retry_after(Refused(Reason.CALL_TOO_LONG)) is None
        and _code(Refused(Reason.CALL_TOO_LONG)) == -32603
        and _code(Refused(Reason.CALLS_OF_PRINCIPAL)) == -32600
    ),
    "a token that only the database may hold is asked for": lambda: (
        core.settle("partner", _head(NOT_YET), UnreadToken(b"digest")) == AwaitsToken(b"digest")
    ),
    "a name as long as a grant may be is told, a longer one is not": lambda: (
        _told("n" * 289) == b'error="insufficient_scope", scope="tools/call:' + b"n" * 289 + b'"'
        and _told("n" * 290) == b'error="insufficient_scope"'
    ),
    "a challenge names what fits": lambda: (
        _told_of_uris(9, 285) == 7
        and _told_of_uris(9, 286) == 6
        and _told_of_uris(2, 300) == 2
        and _told_of_uris(2, 301) == 0
    ),
    "a list that is withheld is the server's failure": lambda: (
        reply.status(Reason.LIST_UNREADABLE) == 502 and reply.close_code(Reason.LIST_UNREADABLE) == 4403
    ),
    "a challenge without an operation names no scope": lambda: (
        reply.challenge(Refused(Reason.SCOPE_INSUFFICIENT))
        == b'Bearer realm="mcp", error="insufficient_scope"'
    ),
    "sockets are closed with the code of the reason": lambda: all(
        reply.close_code(Reason(row.outcome.closes[0])) == row.outcome.closes[1]
        for row in table.SOCKETS.values()
        if isinstance(row.outcome, Opens) and row.outcome.closes
    ),
    **listings.CHECKS,
    **servers.CHECKS,
    **{
        f"the inner {name} leaves {given!r} as {stamped!r}": partial(_is_stamped, name, given, stamped, who)
        for name, given, stamped, who in STAMPED
    },
}
"""Every row, and what no exchange can show because two rules guard it or nothing but an answer shows it."""
