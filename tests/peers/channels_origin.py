"""The cases of Channels' tests of its OriginValidator."""

from __future__ import annotations

from typing import Any, Final

from tests.peers.case import Case, Effect, Peer
from tests.rows.exchanges import Socket, bearer, call, handshake, origin
from tests.rows.outcomes import Opens, RefusesHandshake, Who
from tests.rows.world import ANY, OWN, UNLISTED

PEER: Final = Peer(
    "Channels",
    "django/channels",
    "60cbc43c1069dce5567c1081781c94e4f4ba0c19",
    "tests/security/test_websocket.py",
    tests=1,
)

_OPENS: Final = Effect(runs=True, page=True)
_DENIED: Final = Effect()

_OPEN: Final = Opens(Who("acme", token="any"), ("tools/call",))
_NOT_LISTED: Final = RefusesHandshake("origin_not_listed", 4403)
_MALFORMED: Final = RefusesHandshake("origin_malformed", 4403)
_MISSING: Final = RefusesHandshake("origin_missing", 4403)

_NO_SUBDOMAINS: Final = "origins are listed one by one; a leading dot stands for nothing"
_NO_STAR: Final = (
    "nothing lets every origin in, and a socket without Origin has to be asked for by missing_origin"
)


def _case(
    rule: str, allowed: list[str], exchange: Socket, theirs: Effect, outcome: Any, reason: str = ""
) -> Case:
    return Case(
        test="test_origin_validator",
        rule=rule,
        configured={"allowed_origins": allowed},
        exchange=exchange,
        theirs=theirs,
        outcome=outcome,
        reason=reason,
    )


def _from(of: Any) -> Socket:
    """Return a handshake with a token that counts everywhere; the peer does not look at it."""
    return handshake(origin(of), bearer(ANY), messages=(call(),))


_WITHOUT_ORIGIN: Final = handshake(bearer(ANY), messages=(call(),))

CASES: Final = [
    _case("a socket from a listed host", ["api.example.com"], _from(OWN), _OPENS, _OPEN),
    _case("a socket from another host", ["api.example.com"], _from(UNLISTED), _DENIED, _NOT_LISTED),
    _case("a star in a pattern", ["*.acme.example"], _from("http://acme.example"), _DENIED, _NOT_LISTED),
    _case(
        "a pattern with a leading dot",
        [".acme.example"],
        _from("http://www.acme.example"),
        _OPENS,
        _NOT_LISTED,
        _NO_SUBDOMAINS,
    ),
    _case("a socket from a listed origin", ["http://api.example.com"], _from(OWN), _OPENS, _OPEN),
    _case(
        "a socket from another origin with its port",
        ["http://api.example.com"],
        _from("https://evil.example:443"),
        _DENIED,
        _NOT_LISTED,
    ),
    _case(
        "a socket without Origin where everybody is let in",
        ["*"],
        _WITHOUT_ORIGIN,
        _OPENS,
        _MISSING,
        _NO_STAR,
    ),
    _case("a socket without Origin where nobody is let in", [], _WITHOUT_ORIGIN, _DENIED, _MISSING),
    _case("a socket with an empty Origin", [".acme.example"], _from(""), _DENIED, _MALFORMED),
    _case(
        "a socket whose Origin is none",
        [".acme.example"],
        _from("something-invalid"),
        _DENIED,
        _MALFORMED,
    ),
]

OTHERS: Final[dict[str, str]] = {}
"""Tests that ask nothing of a handshake, and what they are about."""
