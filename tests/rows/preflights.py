"""Rows about preflights: the verdict of the request, answered without credential and before any redirect."""

from __future__ import annotations

from typing import Final

from tests.rows.exchanges import HOST, Request, bearer, cookie, get, origin, preflight
from tests.rows.outcomes import (
    ALLOWED_HEADERS,
    NO_LISTS,
    Grants,
    forbidden,
    lists,
    page,
    unknown_caller,
)
from tests.rows.row import on
from tests.rows.world import (
    ADAS_SESSION,
    ANY,
    APP,
    ELSEWHERE,
    EXPIRED_LISTING,
    OF_DISABLED,
    OWN,
    PLAIN,
    REVOKED,
    UNLISTED,
)

_PARAMETERS: Final = ", ".join(f"mcp-param-{number:02}" for number in range(40))
_FIRST_PARAMETERS: Final = ", ".join(f"mcp-param-{number:02}" for number in range(32))


GRANTED: Final = [
    *on(
        "partner",
        ("a listed origin gets the true lists", preflight(PLAIN), Grants(lists(PLAIN))),
        ("one with cookies may send credentials", preflight(APP), Grants(lists(APP, cookies=True))),
        ("an unlisted method gets the true lists", preflight(PLAIN, method="PATCH"), Grants(lists(PLAIN))),
        ("an unlisted header gets the true lists", preflight(PLAIN, asks="x-evil"), Grants(lists(PLAIN))),
        ("nothing asked for gets the true lists", preflight(PLAIN, asks=""), Grants(lists(PLAIN))),
        (
            "requested mcp-param-* are granted in lower case, others are not",
            preflight(PLAIN, asks="Mcp-Param-Region,x-evil, mcp-param-b"),
            Grants(lists(PLAIN, headers=ALLOWED_HEADERS + ", mcp-param-b, mcp-param-region")),
        ),
        (
            "what only looks like mcp-param-* is not granted",
            preflight(
                PLAIN, asks="mcp-param-, mcp-param-a b, x-mcp-param-a, mcp-param-\xe9, mcp-param-" + "a" * 65
            ),
            Grants(lists(PLAIN)),
        ),
        (
            "at most 32 mcp-param-* are granted",
            preflight(PLAIN, asks=_PARAMETERS),
            Grants(lists(PLAIN, headers=f"{ALLOWED_HEADERS}, {_FIRST_PARAMETERS}")),
        ),
        ("a bearer changes nothing: a revoked one", preflight(PLAIN, bearer(REVOKED)), Grants(lists(PLAIN))),
        ("a query token changes nothing", preflight(PLAIN, query="token=x"), Grants(lists(PLAIN))),
    ),
    *on(
        "partner-strict",
        ("missing_origin refuse: with Origin it is granted", preflight(PLAIN), Grants(lists(PLAIN))),
    ),
    *on(
        "partner-second",
        (
            "the second token header and the declared extra headers are on the list",
            preflight(PLAIN),
            Grants(lists(PLAIN, headers=ALLOWED_HEADERS + ", x-trace, x-mcp-auth-token")),
        ),
    ),
    *on(
        "partner-small",
        (
            "the declared methods are the list",
            preflight(PLAIN),
            Grants(lists(PLAIN, methods="POST, OPTIONS")),
        ),
    ),
    *on(
        "partner-oauth",
        ("forward_authorization: no credentials", preflight(APP), Grants(lists(APP))),
    ),
    *on(
        "token",
        ("token profile: no credentials", preflight(APP), Grants(lists(APP))),
    ),
    *on(
        "token-any",
        ("any_origin: a star for a stranger", preflight(UNLISTED), Grants(lists("*"))),
        ("any_origin: a star for a listed one", preflight(APP), Grants(lists("*"))),
    ),
    *on(
        "public",
        ("public: a star", preflight(UNLISTED), Grants(lists("*"))),
    ),
    *on(
        "portal",
        ("same-origin profile: a listed origin, but no CORS", preflight(OWN), Grants(NO_LISTS)),
    ),
    *on(
        "partner-report",
        (
            "report-only: an unlisted origin, without credentials",
            preflight(UNLISTED),
            Grants(lists(UNLISTED)),
        ),
        ("report-only: a listed one as ever", preflight(APP), Grants(lists(APP, cookies=True))),
    ),
    *on(
        "partner-report-set",
        ("report-only by the settings", preflight(UNLISTED), Grants(lists(UNLISTED))),
    ),
]

REFUSALS: Final = [
    *on(
        "partner",
        ("an unlisted origin", preflight(UNLISTED), forbidden("origin_not_listed")),
        ("null", preflight("null"), forbidden("origin_null")),
        ("an empty origin", preflight(""), forbidden("origin_malformed")),
        ("a malformed origin", preflight(PLAIN.url + "/"), forbidden("origin_malformed")),
        ("an expired listing", preflight(EXPIRED_LISTING), forbidden("origin_not_listed")),
        ("a disabled client's origin", preflight(OF_DISABLED), forbidden("origin_not_listed")),
        ("another endpoint's origin", preflight(ELSEWHERE), forbidden("origin_not_listed")),
        ("a bearer does not help", preflight(UNLISTED, bearer(ANY)), forbidden("origin_not_listed")),
        ("a cookie does not help", preflight(UNLISTED, cookie(ADAS_SESSION)), forbidden("origin_not_listed")),
    ),
    *on(
        "token",
        ("token profile: an unlisted origin", preflight(UNLISTED), forbidden("origin_not_listed")),
    ),
    *on(
        "hooks",
        ("backend profile: a listed origin", preflight(PLAIN), forbidden("origin_not_expected")),
        ("backend profile: null", preflight("null"), forbidden("origin_not_expected")),
    ),
    *on(
        "portal",
        ("same-origin profile: an unlisted origin", preflight(UNLISTED), forbidden("origin_not_listed")),
    ),
    *on(
        "public",
        ("public: null", preflight("null"), forbidden("origin_null")),
    ),
    *on(
        "partner-report-over",
        ("report-only that is over", preflight(UNLISTED), forbidden("origin_not_listed")),
    ),
    *on(
        "partner-report-long",
        ("report-only for over 14 days", preflight(UNLISTED), forbidden("origin_not_listed")),
    ),
]

NO_PREFLIGHT: Final = [
    *on(
        "partner",
        (
            "OPTIONS without a requested method is a request like others",
            get(origin(PLAIN), method="OPTIONS"),
            unknown_caller(page(PLAIN)),
        ),
        (
            "OPTIONS without Origin is a request like others",
            get(("Access-Control-Request-Method", "POST"), method="OPTIONS"),
            unknown_caller(),
        ),
        (
            "options in lower case is no preflight",
            Request(
                method="options",
                headers=(("Host", HOST), origin(PLAIN), ("Access-Control-Request-Method", "POST")),
            ),
            unknown_caller(page(PLAIN)),
        ),
    ),
]

ROWS: Final = [*GRANTED, *REFUSALS, *NO_PREFLIGHT]
