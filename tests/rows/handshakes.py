"""Rows about WebSocket handshakes: refused before they are accepted, or opened for somebody or nobody."""

from __future__ import annotations

from typing import Final

from tests.rows.exchanges import HOST, bearer, call, cookie, fetch_site, handshake, origin
from tests.rows.outcomes import NOBODY, Opens, RefusesHandshake, Who
from tests.rows.row import on
from tests.rows.world import (
    ADAS,
    ADAS_SESSION,
    ANY,
    APP,
    AWAY,
    BOBS,
    BOBS_SESSION,
    BROWSER,
    DISABLED,
    ELSEWHERE,
    EVES_SESSION,
    EXPIRED,
    EXPIRED_LISTING,
    FUTURE,
    MISTYPED_TEXT,
    NO_SESSION,
    OF_DISABLED,
    OF_INITECH,
    OWN,
    PLAIN,
    REVOKED,
    SERVER,
    UNKNOWN_TEXT,
    UNLISTED,
)

_ONE: Final = (call(),)
_CALL: Final = ("tools/call",)
_ANY: Final = Opens(Who("acme", token="any"), _CALL)
_SERVER: Final = Opens(Who("acme", token="server"), _CALL)
_WAITS: Final = Opens(None, closes=("credential_missing", 4401), awaits_message=True)


def _refuses(reason: str) -> RefusesHandshake:
    return RefusesHandshake(reason, 4403)


def _unauthorized(reason: str) -> RefusesHandshake:
    return RefusesHandshake(reason, 4401)


_MALFORMED: Final = RefusesHandshake("head_malformed", 4400)

HEADS: Final = [
    *on(
        "partner",
        ("a listed origin and a token", handshake(origin(PLAIN), bearer(ANY), messages=_ONE), _ANY),
        ("a second Origin", handshake(origin(PLAIN), origin(PLAIN), bearer(ANY)), _MALFORMED),
        ("no Host", handshake(origin(PLAIN), bearer(ANY), host=None), _MALFORMED),
        ("a second Host", handshake(origin(PLAIN), ("Host", HOST), bearer(ANY)), _MALFORMED),
        ("a second Authorization", handshake(origin(PLAIN), bearer(ANY), bearer(ANY)), _MALFORMED),
        ("a root_path the client sent", handshake(origin(PLAIN), bearer(ANY), root_path="/evil"), _MALFORMED),
        *(
            (f"the path {target}", handshake(origin(PLAIN), bearer(ANY), target=target), _MALFORMED)
            for target in ("/%6dcp", "/./mcp", "//mcp")
        ),
        *(
            (
                f"the host {host!r}",
                handshake(origin(PLAIN), bearer(ANY), host=host),
                _refuses("host_not_allowed"),
            )
            for host in ("evil.example", "api.example.com.evil.example", "127.0.0.1.evil.example", "[::1]")
        ),
    ),
    *on(
        "partner-tls",
        ("ws is not TLS", handshake(origin(PLAIN), bearer(ANY)), _refuses("tls_required")),
        ("wss is TLS", handshake(origin(PLAIN), bearer(ANY), messages=_ONE, scheme="wss"), _ANY),
        (
            "a trusted proxy's X-Forwarded-Proto counts",
            handshake(
                origin(PLAIN), bearer(ANY), ("X-Forwarded-Proto", "wss"), messages=_ONE, peer="10.0.0.9"
            ),
            _ANY,
        ),
    ),
]

PROTOCOL: Final = [
    *on(
        "partner",
        *(
            (
                f"version {version!r}",
                handshake(origin(PLAIN), bearer(ANY), version=version),
                _refuses("websocket_version"),
            )
            for version in (None, "", "8", "0", "14", "13, 13", "13;")
        ),
        ("two versions", handshake(origin(PLAIN), bearer(ANY), ("Sec-WebSocket-Version", "8")), _MALFORMED),
        *(
            (
                f"the subprotocols {offers!r}: mcp is selected",
                handshake(origin(PLAIN), bearer(ANY), messages=_ONE, offers=offers),
                Opens(Who("acme", token="any"), _CALL, subprotocol="mcp"),
            )
            for offers in ("mcp", "graphql-ws, mcp", "mcp,x")
        ),
        *(
            (
                f"the subprotocols {offers!r}: mcp is not offered",
                handshake(origin(PLAIN), bearer(ANY), offers=offers),
                _refuses("subprotocol_not_offered"),
            )
            for offers in ("graphql-ws", "MCP", "mcpx", "mcp;x", ",")
        ),
    ),
]

ORIGINS: Final = [
    *on(
        "partner",
        *(
            (f"{what} is not listed", handshake(origin(value), bearer(ANY)), _refuses("origin_not_listed"))
            for what, value in (
                ("a stranger", UNLISTED),
                ("an expired listing", EXPIRED_LISTING),
                ("a disabled client's", OF_DISABLED),
                ("another endpoint's", ELSEWHERE),
                ("the default port", PLAIN.url + ":443"),
                ("the host in upper case", "https://PLAIN.ACME.EXAMPLE"),
                ("the host it connects to", f"http://{HOST}:8000"),
            )
        ),
        *(
            (f"{value!r} is malformed", handshake(origin(value), bearer(ANY)), _refuses("origin_malformed"))
            for value in (
                "",
                PLAIN.url + "/",
                f"{PLAIN.url}, {PLAIN.url}",
                PLAIN.url + "\x1f",
                PLAIN.url + "\xa0",
            )
        ),
        ("null", handshake(origin("null"), bearer(ANY)), _refuses("origin_null")),
        (
            "no Origin is refused, as every browser sends one",
            handshake(bearer(SERVER)),
            _refuses("origin_missing"),
        ),
    ),
    *on(
        "partner-agents",
        ("missing_origin bearer: no Origin, a token", handshake(bearer(SERVER), messages=_ONE), _SERVER),
        (
            "missing_origin bearer: no Origin from a foreign page",
            handshake(bearer(SERVER), fetch_site("cross-site")),
            _refuses("fetch_site_foreign"),
        ),
        (
            "missing_origin bearer: no Origin, a cookie",
            handshake(cookie(ADAS_SESSION)),
            _refuses("origin_missing"),
        ),
        (
            "missing_origin bearer: an unlisted Origin",
            handshake(origin(UNLISTED), bearer(ANY)),
            _refuses("origin_not_listed"),
        ),
    ),
]

TOKENS: Final = [
    *on(
        "partner",
        *(
            (f"a token: {reason}", handshake(origin(PLAIN), bearer(token)), _unauthorized(reason))
            for token, reason in (
                (UNKNOWN_TEXT, "token_unknown"),
                (MISTYPED_TEXT, "token_mistyped"),
                (REVOKED, "token_revoked"),
                (EXPIRED, "token_expired"),
                (FUTURE, "token_not_yet_valid"),
                (BOBS, "token_user_inactive"),
                (DISABLED, "token_client_disabled"),
                (AWAY, "token_wrong_endpoint"),
                (SERVER, "token_wrong_kind"),
            )
        ),
        (
            "a browser token",
            handshake(origin(PLAIN), bearer(BROWSER), messages=_ONE),
            Opens(Who("acme", token="browser"), _CALL),
        ),
        (
            "a browser token of another client's page",
            handshake(origin(OF_INITECH), bearer(BROWSER)),
            _unauthorized("token_wrong_kind"),
        ),
        (
            "a token in the query",
            handshake(origin(PLAIN), query=f"token={ANY.text}"),
            _unauthorized("token_in_query"),
        ),
        (
            "an Authorization that is no bearer",
            handshake(origin(PLAIN), ("Authorization", "Basic YTpi")),
            _unauthorized("credential_malformed"),
        ),
        (
            "two carriers",
            handshake(origin(PLAIN), bearer(ANY), query="token=x"),
            RefusesHandshake("credential_ambiguous", 4400),
        ),
        (
            "a bad token beside a good cookie",
            handshake(origin(APP), bearer(REVOKED), cookie(ADAS_SESSION)),
            _unauthorized("token_revoked"),
        ),
        (
            "a good token beside another's cookie",
            handshake(origin(APP), bearer(ADAS), cookie(EVES_SESSION), messages=_ONE),
            Opens(Who("acme", "ada", "adas"), _CALL),
        ),
    ),
    *on(
        "partner-second",
        ("the second header", handshake(origin(PLAIN), ("X-MCP-Auth-Token", ANY.text), messages=_ONE), _ANY),
    ),
    *on(
        "partner-first",
        (
            "where a header is no carrier, a good token in the second one is none",
            handshake(origin(PLAIN), ("X-MCP-Auth-Token", ANY.text)),
            _unauthorized("credential_malformed"),
        ),
        (
            "where a header is no carrier, a good token in it is none",
            handshake(origin(PLAIN), bearer(ANY), messages=_ONE),
            _unauthorized("credential_malformed"),
        ),
    ),
    *on(
        "partner-header",
        (
            "where a message is no carrier, nothing is waited for",
            handshake(origin(PLAIN)),
            _unauthorized("credential_missing"),
        ),
        (
            "where a message is no carrier, a header is",
            handshake(origin(PLAIN), bearer(ANY), messages=_ONE),
            _ANY,
        ),
    ),
]

SESSIONS: Final = [
    *on(
        "partner",
        (
            "a session from an origin whose row allows cookies",
            handshake(origin(APP), cookie(ADAS_SESSION), messages=_ONE),
            Opens(Who("acme", "ada"), _CALL),
        ),
        (
            "a session from one whose row does not is no credential",
            handshake(origin(PLAIN), cookie(ADAS_SESSION), messages=_ONE),
            _WAITS,
        ),
        (
            "a hijacked one: a good cookie and a foreign page",
            handshake(origin(UNLISTED), cookie(ADAS_SESSION)),
            _refuses("origin_not_listed"),
        ),
        ("a session without Origin", handshake(cookie(ADAS_SESSION)), _refuses("origin_missing")),
        (
            "a dead session is no credential",
            handshake(origin(APP), cookie(NO_SESSION), messages=_ONE),
            _WAITS,
        ),
        (
            "an inactive user's session is no credential",
            handshake(origin(APP), cookie(BOBS_SESSION), messages=_ONE),
            _WAITS,
        ),
    ),
    *on(
        "partner-header",
        (
            "a dead session where nothing is waited for",
            handshake(origin(APP), cookie(NO_SESSION)),
            _unauthorized("credential_missing"),
        ),
    ),
    *on(
        "token",
        (
            "token profile: a cookie is no credential",
            handshake(origin(APP), cookie(ADAS_SESSION), messages=_ONE),
            _WAITS,
        ),
    ),
    *on(
        "portal-agents",
        (
            "missing_origin bearer: a session needs an Origin all the same",
            handshake(cookie(ADAS_SESSION), fetch_site("same-origin"), scheme="wss"),
            _refuses("origin_missing"),
        ),
    ),
    *on(
        "portal",
        (
            "the site's own page",
            handshake(origin(OWN), cookie(ADAS_SESSION), messages=_ONE),
            Opens(Who("acme", "ada"), _CALL),
        ),
        (
            "no Origin, whatever Sec-Fetch-Site says",
            handshake(cookie(ADAS_SESSION), fetch_site("same-origin")),
            _refuses("origin_missing"),
        ),
    ),
]

PROFILES: Final = [
    *on(
        "hooks",
        (
            "backend profile: an Origin",
            handshake(origin(PLAIN), bearer(ANY)),
            _refuses("origin_not_expected"),
        ),
        (
            "backend profile: no Origin, since nothing there has one",
            handshake(bearer(SERVER), messages=_ONE),
            _SERVER,
        ),
    ),
    *on(
        "hooks-sockets",
        (
            "backend profile: no Origin where missing_origin refuses it",
            handshake(bearer(SERVER)),
            _refuses("origin_missing"),
        ),
    ),
    *on(
        "token",
        ("token profile", handshake(origin(PLAIN), bearer(ANY), messages=_ONE), _ANY),
    ),
    *on(
        "token-any",
        (
            "any_origin: a stranger with a token for everywhere",
            handshake(origin(UNLISTED), bearer(ANY), messages=_ONE),
            _ANY,
        ),
        ("any_origin: null", handshake(origin("null"), bearer(ANY)), _refuses("origin_null")),
    ),
    *on(
        "public",
        ("public: a stranger", handshake(origin(UNLISTED), messages=_ONE), Opens(NOBODY, _CALL)),
        ("public: no Origin", handshake(messages=_ONE), Opens(NOBODY, _CALL)),
        (
            "public: a token is not read",
            handshake(origin(UNLISTED), bearer(REVOKED), messages=_ONE),
            Opens(NOBODY, _CALL),
        ),
        ("public: null", handshake(origin("null")), _refuses("origin_null")),
    ),
    *on(
        "partner-oauth",
        (
            "forward_authorization: the token is not read",
            handshake(origin(PLAIN), bearer("x"), messages=_ONE),
            Opens(NOBODY, _CALL),
        ),
        (
            "forward_authorization: an unlisted origin",
            handshake(origin(UNLISTED), bearer("x")),
            _refuses("origin_not_listed"),
        ),
    ),
    *on(
        "partner-report",
        (
            "report-only: an unlisted origin with a token",
            handshake(origin(UNLISTED), bearer(ANY), messages=_ONE),
            _ANY,
        ),
        (
            "report-only: a cookie is not read",
            handshake(origin(UNLISTED), cookie(ADAS_SESSION), messages=_ONE),
            _WAITS,
        ),
    ),
    *on(
        "partner-report-over",
        ("report-only that is over", handshake(origin(UNLISTED), bearer(ANY)), _refuses("origin_not_listed")),
    ),
    *on(
        "partner-report-long",
        (
            "report-only for over 14 days",
            handshake(origin(UNLISTED), bearer(ANY)),
            _refuses("origin_not_listed"),
        ),
    ),
]

ROWS: Final = [*HEADS, *PROTOCOL, *ORIGINS, *TOKENS, *SESSIONS, *PROFILES]
