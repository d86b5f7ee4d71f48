"""Tokens among the subprotocols that a handshake offers: where the endpoint takes them, and in one form."""

from __future__ import annotations

import base64
from typing import Any, Final

from tests.rows.exchanges import bearer, call, handshake, origin
from tests.rows.outcomes import NOBODY, Opens, RefusesHandshake, Who
from tests.rows.row import Row, on
from tests.rows.world import (
    ANY,
    EXPIRED,
    MISTYPED_TEXT,
    OFFERS_TICKET,
    PLAIN,
    UNKNOWN_TEXT,
    UNLISTED,
    Token,
)

_CALL: Final = ("tools/call",)
_ONE: Final = (call(),)


def offered(of: Token | str, prefix: str = "mcp.auth.") -> str:
    """Return a token as a subprotocol."""
    text = of if isinstance(of, str) else of.text
    return prefix + base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _offers(*names: str, **values: Any) -> Any:
    return handshake(origin(PLAIN), offers=", ".join(names), **values)


def _refuses(reason: str, code: int = 4401) -> RefusesHandshake:
    return RefusesHandshake(reason, code)


_ANY: Final = Opens(Who("acme", None, "any"), _CALL, subprotocol="mcp")

ROWS: Final[list[Row]] = [
    *on(
        "partner-offers",
        ("a token after mcp", _offers("mcp", offered(ANY), messages=_ONE), _ANY),
        ("a token before mcp, and others", _offers("v2", offered(ANY), "mcp", messages=_ONE), _ANY),
        ("a token without mcp", _offers(offered(ANY)), _refuses("subprotocol_not_offered", 4403)),
        (
            "a token on a stranger's page",
            handshake(origin(UNLISTED), offers=f"mcp, {offered(ANY)}"),
            _refuses("origin_not_listed", 4403),
        ),
        ("an expired token", _offers("mcp", offered(EXPIRED)), _refuses("token_expired")),
        ("a token of no row", _offers("mcp", offered(UNKNOWN_TEXT)), _refuses("token_unknown")),
        ("a mistyped token", _offers("mcp", offered(MISTYPED_TEXT)), _refuses("token_mistyped")),
        ("a token as it is", _offers("mcp", f"mcp.auth.{ANY.text}"), _refuses("credential_malformed")),
        ("no token behind the prefix", _offers("mcp", "mcp.auth."), _refuses("credential_malformed")),
        ("a token with padding", _offers("mcp", offered(ANY) + "=="), _refuses("credential_malformed")),
        (
            "a token of an impossible length",
            _offers("mcp", offered(ANY)[:-3]),
            _refuses("credential_malformed"),
        ),
        (
            "a token with bits left over",
            _offers("mcp", offered("ab")[:-1] + "J"),
            _refuses("credential_malformed"),
        ),
        ("bytes that are no text", _offers("mcp", "mcp.auth._____w"), _refuses("credential_malformed")),
        ("text that is no token", _offers("mcp", offered("a b")), _refuses("credential_malformed")),
        ("a prefix in capitals", _offers("mcp", offered(ANY, "MCP.auth.")), _refuses("credential_malformed")),
        ("an escaped prefix", _offers("mcp", offered(ANY, "mcp%2Eauth.")), _refuses("credential_malformed")),
        ("two tokens", _offers("mcp", offered(ANY), offered(ANY)), _refuses("credential_malformed")),
        (
            "a token here and one in the header",
            handshake(origin(PLAIN), bearer(ANY), offers=f"mcp, {offered(ANY)}"),
            _refuses("credential_ambiguous", 4400),
        ),
        (
            "a token here and a ticket",
            _offers("mcp", offered(ANY), query=f"ticket={OFFERS_TICKET.text}"),
            _refuses("credential_ambiguous", 4400),
        ),
    ),
    *on(
        "partner",
        (
            "a token among the subprotocols, by default",
            _offers("mcp", offered(ANY)),
            _refuses("credential_malformed"),
        ),
    ),
    *on(
        "public",
        (
            "a token among the subprotocols where nothing is read",
            _offers("mcp", offered(ANY), messages=_ONE),
            Opens(NOBODY, _CALL, subprotocol="mcp"),
        ),
    ),
]
