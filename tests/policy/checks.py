"""What has to hold while every rule is there: all rows, and the little that no row can show."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from mcp_guard import presented
from mcp_guard.policy import headers, reply
from mcp_guard.policy.credential import NO_CREDENTIAL, UnreadSession, UnreadToken
from mcp_guard.policy.decision import (
    Admitted,
    AwaitsToken,
    Decision,
    PreflightGranted,
    Principal,
    Reason,
    Refused,
)
from mcp_guard.policy.facts import RequestHead
from mcp_guard.policy.scopes import Operation
from mcp_guard.policy.stamp import stamped_headers
from tests import table
from tests.policy import core, outcome
from tests.rows import world
from tests.rows.configurations import DAY
from tests.rows.outcomes import UNAVAILABLE, Opens, Refuses, RefusesHandshake, Who
from tests.rows.row import Row


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
    """Whether what was let in stays so until its deadline, and is judged otherwise from then on."""
    if not isinstance(decision, Admitted):
        return True
    if not decision.until:
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


def _told(tool: str) -> bytes:
    """Return what a challenge says of a tool that is not granted."""
    refused = Refused(Reason.SCOPE_INSUFFICIENT, operation=Operation("tools/call", tool))
    return reply.challenge(refused).partition(b", ")[2]


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
    "the first header that is repeated is named": lambda: (
        headers.fold([(b"host", b""), (b"origin", b"")] * 2).defect == "second host"
    ),
    "faults are answered so that a client comes again": lambda: all(
        outcome.of_request(Refused(reason), _PARTNER) == Refuses(503, reason.value, UNAVAILABLE)
        for reason in (Reason.POLICY_TOO_OLD, Reason.STORE_UNREADABLE, Reason.GUARD_MISSING)
    ),
    "a token that only the database may hold is asked for": lambda: (
        core.settle("partner", _head(NOT_YET), UnreadToken(b"digest")) == AwaitsToken(b"digest")
    ),
    "a name as long as a grant may be is told, a longer one is not": lambda: (
        _told("n" * 289) == b'error="insufficient_scope", scope="tools/call:' + b"n" * 289 + b'"'
        and _told("n" * 290) == b'error="insufficient_scope"'
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
    **{
        f"the inner {name} leaves {given!r} as {stamped!r}": partial(_is_stamped, name, given, stamped, who)
        for name, given, stamped, who in STAMPED
    },
}
"""Every row, and what no exchange can show because two rules guard it or nothing but an answer shows it."""
