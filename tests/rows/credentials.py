"""Rows about tokens: carriers, states, kinds. A bad token is told so, whatever else the request carries."""

from __future__ import annotations

from typing import Final

from tests.rows.exchanges import Header, bearer, cookie, get, origin, post
from tests.rows.outcomes import REFUSED, Refuses, admits, invalid, page, page_with_cookies, unknown_caller
from tests.rows.row import Row, on
from tests.rows.world import (
    ADAS,
    ADAS_SESSION,
    ANY,
    APP,
    AWAY,
    BEGUN,
    BOBS,
    BROWSER,
    DISABLED,
    EVES_SESSION,
    EXPIRED,
    FUTURE,
    MISTYPED_TEXT,
    NOWHERES,
    OF_INITECH,
    OF_OTHER_CLIENT,
    OVERLAPPING,
    PLAIN,
    REVOKED,
    ROTATED_OUT,
    SERVER,
    UNKNOWN_TEXT,
)

_AMBIGUOUS: Final = Refuses(400, "credential_ambiguous", REFUSED)


def _second(text: str) -> Header:
    return ("X-MCP-Auth-Token", text)


CARRIERS: Final = [
    *on(
        "partner",
        ("a bearer token", post(bearer(SERVER)), admits(SERVER)),
        ("a bearer token of a user", post(bearer(ADAS)), admits(ADAS)),
        ("nothing at all", post(), unknown_caller()),
        ("nothing at all from a listed page", post(origin(PLAIN)), unknown_caller(page(PLAIN))),
        ("the scheme counts without case", post(("Authorization", f"bEARER {SERVER.text}")), admits(SERVER)),
        (
            "several spaces after the scheme",
            post(("Authorization", f"Bearer   {SERVER.text}")),
            admits(SERVER),
        ),
        ("the second header is none where it is not declared", post(_second(SERVER.text)), unknown_caller()),
    ),
    *on(
        "partner-first",
        ("carriers of a socket say nothing of requests", post(bearer(SERVER)), admits(SERVER)),
    ),
    *on(
        "partner-second",
        ("the second header with a bare token", post(_second(SERVER.text)), admits(SERVER)),
        ("the second header with the scheme", post(_second(f"Bearer {SERVER.text}")), admits(SERVER)),
        ("Authorization goes on to count", post(bearer(SERVER)), admits(SERVER)),
        ("the second header with a bad token", post(_second(REVOKED.text)), invalid("token_revoked")),
        ("the second header with no token", post(_second("two words")), invalid("credential_malformed")),
        ("the second header, empty", post(_second("")), invalid("credential_malformed")),
        ("two carriers, even with one token", post(bearer(SERVER), _second(SERVER.text)), _AMBIGUOUS),
        ("two carriers, one of them empty", post(bearer(SERVER), _second("")), _AMBIGUOUS),
        (
            "a bad second header and a good cookie",
            post(origin(APP), _second(REVOKED.text), cookie(ADAS_SESSION)),
            invalid("token_revoked", page_with_cookies(APP)),
        ),
    ),
]

MALFORMED: Final = on(
    "partner",
    *(
        (f"Authorization {value!r}", post(("Authorization", value)), invalid("credential_malformed"))
        for value in (
            "",
            "Bearer",
            "Bearer ",
            "Bearer \t",
            "Basic YTpi",
            "Token abc",
            f"{SERVER.text}",
            "Bearer a b",
            "Bearer a,b",
            'Bearer "a"',
            "Bearer\ta",
            "Bearer a\xa0",
            "Bearer \xe9",
            "Bearer ===",
            "Bearera",
            "Bearer a, Bearer b",
        )
    ),
)

QUERY: Final = [
    *on(
        "partner",
        *(
            (f"a token in the query: {query[:20]}", get(query=query), invalid("token_in_query"))
            for query in (
                f"access_token={SERVER.text}",
                "access_token=x",
                "token=x",
                "api_key=x",
                "apikey=x",
                "bearer=x",
                "authorization=x",
                "ACCESS_TOKEN=x",
                "%74oken=x",
                "a=1&token=x",
                "a=1;token=x",
                "token",
                f"q={SERVER.text}",
                "q=mcpg%5Fx",
                "q=%6dcpg_x",
                "+token=x",
            )
        ),
        (
            "a token in the query and a bearer are two carriers",
            get(bearer(SERVER), query="token=x"),
            _AMBIGUOUS,
        ),
        (
            "a token in the query and a good cookie",
            get(origin(APP), cookie(ADAS_SESSION), query="token=x"),
            invalid("token_in_query", page_with_cookies(APP)),
        ),
        *(
            (f"no token in the query {query}", get(bearer(SERVER), query=query), admits(SERVER))
            for query in ("tokens=x", "q=token", "cursor=mcpg", "x-token=x", "a=%zz")
        ),
    ),
    *(
        Row(
            endpoint,
            "a token in the query is refused here too",
            post(query="access_token=x"),
            invalid("token_in_query"),
        )
        for endpoint in ("public", "partner-oauth", "token", "hooks")
    ),
]

STATES: Final = [
    *on(
        "partner",
        ("unknown", post(bearer(UNKNOWN_TEXT)), invalid("token_unknown")),
        ("a wrong checksum", post(bearer(MISTYPED_TEXT)), invalid("token_mistyped")),
        ("without our prefix", post(bearer("a" * 54)), invalid("token_mistyped")),
        ("cut short", post(bearer(SERVER.text[:-1])), invalid("token_mistyped")),
        ("very long", post(bearer("a" * 5000)), invalid("token_mistyped")),
        ("expired", post(bearer(EXPIRED)), invalid("token_expired")),
        ("a secret that was rotated out", post(bearer(ROTATED_OUT)), invalid("token_expired")),
        ("an old secret in its overlap", post(bearer(OVERLAPPING)), admits(OVERLAPPING)),
        ("not valid yet", post(bearer(FUTURE)), invalid("token_not_yet_valid")),
        ("valid since a minute", post(bearer(BEGUN)), admits(BEGUN)),
        ("revoked", post(bearer(REVOKED)), invalid("token_revoked")),
        ("its user is inactive", post(bearer(BOBS)), invalid("token_user_inactive")),
        ("its client is disabled", post(bearer(DISABLED)), invalid("token_client_disabled")),
        ("another endpoint's", post(bearer(AWAY)), invalid("token_wrong_endpoint")),
        ("of no endpoint", post(bearer(NOWHERES)), invalid("token_wrong_endpoint")),
    ),
    *on(
        "elsewhere",
        ("the other endpoint takes it", post(bearer(AWAY)), admits(AWAY)),
    ),
]

NO_FALL_BACK: Final = [
    *on(
        "partner",
        *(
            (
                f"a good cookie does not help {value[:12]!r}: {reason}",
                post(origin(APP), ("Authorization", value), cookie(ADAS_SESSION)),
                invalid(reason, page_with_cookies(APP)),
            )
            for value, reason in (
                ("", "credential_malformed"),
                ("Basic YTpi", "credential_malformed"),
                (f"Bearer {UNKNOWN_TEXT}", "token_unknown"),
                (f"Bearer {REVOKED.text}", "token_revoked"),
                (f"Bearer {EXPIRED.text}", "token_expired"),
                (f"Bearer {SERVER.text}", "token_wrong_kind"),
            )
        ),
    ),
    *on(
        "partner-guests",
        (
            "a bad token is no guest",
            post(origin(PLAIN), bearer(REVOKED)),
            invalid("token_revoked", page(PLAIN)),
        ),
    ),
    *on(
        "partner",
        (
            "a good token acts for its own user, whoever the cookie names",
            post(origin(APP), bearer(ADAS), cookie(EVES_SESSION)),
            admits(ADAS, page_with_cookies(APP)),
        ),
        (
            "a good token without a user acts for no user, whoever the cookie names",
            post(origin(APP), bearer(BROWSER), cookie(EVES_SESSION)),
            admits(BROWSER, page_with_cookies(APP)),
        ),
    ),
]

_WRONG_KIND: Final = "token_wrong_kind"

KINDS: Final = [
    *on(
        "partner",
        ("server with an Origin", post(origin(PLAIN), bearer(SERVER)), invalid(_WRONG_KIND, page(PLAIN))),
        ("browser without an Origin", post(bearer(BROWSER)), invalid(_WRONG_KIND)),
        (
            "browser from its client's origin",
            post(origin(PLAIN), bearer(BROWSER)),
            admits(BROWSER, page(PLAIN)),
        ),
        (
            "browser from another client's origin",
            post(origin(OF_INITECH), bearer(BROWSER)),
            invalid(_WRONG_KIND, page_with_cookies(OF_INITECH)),
        ),
        (
            "another client's browser token from ours",
            post(origin(PLAIN), bearer(OF_OTHER_CLIENT)),
            invalid(_WRONG_KIND, page(PLAIN)),
        ),
        ("any with an Origin", post(origin(PLAIN), bearer(ANY)), admits(ANY, page(PLAIN))),
        (
            "any from another client's origin",
            post(origin(OF_INITECH), bearer(ANY)),
            admits(ANY, page_with_cookies(OF_INITECH)),
        ),
        ("any without an Origin", post(bearer(ANY)), admits(ANY)),
    ),
]

ROWS: Final = [*CARRIERS, *MALFORMED, *QUERY, *STATES, *NO_FALL_BACK, *KINDS]
