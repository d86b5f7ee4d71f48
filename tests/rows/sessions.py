"""Rows about session cookies: they count only where the profile and the row of a listed origin say so."""

from __future__ import annotations

from typing import Final

from tests.rows.exchanges import bearer, call, cookie, fetch_site, get, origin, post, request
from tests.rows.outcomes import (
    PRIVATE,
    Admits,
    Who,
    acts_for,
    admits,
    anybody,
    delegated,
    forbidden,
    lacks,
    page,
    page_with_cookies,
    unknown_caller,
)
from tests.rows.row import on
from tests.rows.world import (
    ADA,
    ADAS_SESSION,
    APP,
    BOBS_SESSION,
    EVES_SESSION,
    LIMITED,
    NO_SESSION,
    OF_DISABLED,
    OF_INITECH,
    OWN,
    OWN_TLS,
    PLAIN,
    SERVER,
    STALE_SESSION,
    UNLISTED,
)

_NO_ORIGIN: Final = forbidden("origin_missing")
_NOT_LISTED: Final = forbidden("origin_not_listed")
_UNKNOWN_CALLER: Final = unknown_caller()
_UNKNOWN_PAGE: Final = unknown_caller(page_with_cookies(APP))
_KEY: Final = ADAS_SESSION.key

PARTNER: Final = [
    *on(
        "partner",
        (
            "a session from an origin whose row allows cookies",
            post(origin(APP), cookie(ADAS_SESSION)),
            acts_for(ADA, page_with_cookies(APP)),
        ),
        (
            "a GET counts the same",
            get(origin(APP), cookie(ADAS_SESSION)),
            acts_for(ADA, page_with_cookies(APP)),
        ),
        (
            "a session from an origin whose row does not",
            post(origin(PLAIN), cookie(ADAS_SESSION)),
            unknown_caller(page(PLAIN)),
        ),
        ("a session without an Origin", post(cookie(ADAS_SESSION)), _NO_ORIGIN),
        ("not even a same-origin GET", get(cookie(ADAS_SESSION), fetch_site("same-origin")), _NO_ORIGIN),
        ("a session from an unlisted origin", post(origin(UNLISTED), cookie(ADAS_SESSION)), _NOT_LISTED),
        (
            "a session from a disabled client's origin",
            post(origin(OF_DISABLED), cookie(ADAS_SESSION)),
            _NOT_LISTED,
        ),
        ("a session from null", post(origin("null"), cookie(ADAS_SESSION)), forbidden("origin_null")),
        (
            "a session has the scopes of its origin's client: none here",
            post(origin(OF_INITECH), cookie(ADAS_SESSION)),
            lacks("tools/call:read_note", page_with_cookies(OF_INITECH)),
        ),
        (
            "without scopes a session may still ask for the lists",
            post(origin(OF_INITECH), cookie(ADAS_SESSION), body=request("tools/list")),
            Admits(Who("initech", "ada"), PRIVATE | page_with_cookies(OF_INITECH)),
        ),
        ("no such session", post(origin(APP), cookie(NO_SESSION)), _UNKNOWN_PAGE),
        ("its user is inactive", post(origin(APP), cookie(BOBS_SESSION)), _UNKNOWN_PAGE),
        ("its user has changed the password", post(origin(APP), cookie(STALE_SESSION)), _UNKNOWN_PAGE),
        (
            "a session from a listing that expires later",
            post(origin(LIMITED), cookie(ADAS_SESSION)),
            acts_for(ADA, page_with_cookies(LIMITED)),
        ),
        (
            "the name alone is no second cookie",
            post(origin(APP), ("Cookie", f"sessionid; sessionid={_KEY}")),
            acts_for(ADA, page_with_cookies(APP)),
        ),
        ("an empty cookie", post(origin(APP), ("Cookie", "sessionid=")), _UNKNOWN_PAGE),
        ("a quoted cookie", post(origin(APP), ("Cookie", f'sessionid="{_KEY}"')), _UNKNOWN_PAGE),
        (
            "a cookie of another name",
            post(origin(APP), cookie(ADAS_SESSION, name="Sessionid")),
            _UNKNOWN_PAGE,
        ),
        (
            "a name with an odd byte before it",
            post(origin(APP), cookie(ADAS_SESSION, name="\xa0sessionid")),
            _UNKNOWN_PAGE,
        ),
        (
            "a second name with an odd byte before it",
            post(origin(APP), ("Cookie", f"sessionid={_KEY}; \x85sessionid={EVES_SESSION.key}")),
            _UNKNOWN_PAGE,
        ),
        (
            "a value with an odd byte after it",
            post(origin(APP), ("Cookie", f"sessionid={_KEY}\x1f")),
            _UNKNOWN_PAGE,
        ),
        (
            "two session cookies, the good one last",
            post(origin(APP), ("Cookie", f"sessionid={EVES_SESSION.key}; sessionid={_KEY}")),
            _UNKNOWN_PAGE,
        ),
        (
            "two session cookies that are equal",
            post(origin(APP), ("Cookie", f"sessionid={_KEY}; sessionid={_KEY}")),
            _UNKNOWN_PAGE,
        ),
        (
            "two session cookies in two headers",
            post(origin(APP), cookie(EVES_SESSION), cookie(ADAS_SESSION)),
            _UNKNOWN_PAGE,
        ),
        (
            "one session cookie beside another header of cookies",
            post(origin(APP), ("Cookie", "a=1"), cookie(ADAS_SESSION)),
            acts_for(ADA, page_with_cookies(APP)),
        ),
    ),
    *on(
        "partner-strict",
        (
            "missing_origin refuse: a session with Origin counts",
            post(origin(APP), cookie(ADAS_SESSION)),
            acts_for(ADA, page_with_cookies(APP)),
        ),
    ),
]

OTHER_PROFILES: Final = [
    *on(
        "token",
        (
            "token profile: cookies never count",
            post(origin(APP), cookie(ADAS_SESSION)),
            unknown_caller(page(APP)),
        ),
        ("token profile: nor without an Origin", post(cookie(ADAS_SESSION)), _UNKNOWN_CALLER),
    ),
    *on(
        "token-any",
        (
            "any_origin: cookies never count",
            post(origin(APP), cookie(ADAS_SESSION)),
            unknown_caller(page("*")),
        ),
    ),
    *on(
        "hooks",
        ("backend profile: cookies never count", post(cookie(ADAS_SESSION)), _UNKNOWN_CALLER),
    ),
    *on(
        "public",
        ("public: a cookie is not read", post(origin(APP), cookie(ADAS_SESSION)), anybody(page("*"))),
    ),
    *on(
        "partner-oauth",
        (
            "forward_authorization: a cookie is not read",
            post(origin(APP), cookie(ADAS_SESSION)),
            delegated(page(APP)),
        ),
    ),
    *on(
        "partner-report",
        (
            "report-only: a cookie from an unlisted origin is not read",
            post(origin(UNLISTED), cookie(ADAS_SESSION)),
            unknown_caller(page(UNLISTED)),
        ),
        (
            "report-only: a cookie from a listed one counts",
            post(origin(APP), cookie(ADAS_SESSION)),
            acts_for(ADA, page_with_cookies(APP)),
        ),
    ),
]

PORTAL: Final = [
    *on(
        "portal",
        ("the site's own origin", post(origin(OWN), cookie(ADAS_SESSION)), acts_for(ADA)),
        (
            "a listed origin needs no mark for cookies",
            post(origin(OWN_TLS), cookie(ADAS_SESSION), scheme="https"),
            acts_for(ADA),
        ),
        ("an unlisted origin", post(origin(UNLISTED), cookie(ADAS_SESSION)), _NOT_LISTED),
        (
            "the host's own origin is listed, not derived",
            post(origin("http://localhost"), cookie(ADAS_SESSION), host="localhost"),
            _NOT_LISTED,
        ),
        (
            "a same-origin GET without Origin",
            get(cookie(ADAS_SESSION), fetch_site("same-origin")),
            acts_for(ADA),
        ),
        (
            "a same-origin GET over TLS",
            get(cookie(ADAS_SESSION), fetch_site("same-origin"), scheme="https"),
            acts_for(ADA),
        ),
        (
            "a same-origin GET through a trusted proxy",
            get(
                cookie(ADAS_SESSION),
                fetch_site("same-origin"),
                ("X-Forwarded-Proto", "https"),
                peer="10.0.0.1",
            ),
            acts_for(ADA),
        ),
        (
            "a same-origin HEAD",
            get(cookie(ADAS_SESSION), fetch_site("same-origin"), method="HEAD"),
            acts_for(ADA),
        ),
        (
            "a same-origin GET of a host that is not listed",
            get(cookie(ADAS_SESSION), fetch_site("same-origin"), host="localhost"),
            _NO_ORIGIN,
        ),
        ("a GET without Sec-Fetch-Site", get(cookie(ADAS_SESSION)), _NO_ORIGIN),
        ("a GET that was typed in", get(cookie(ADAS_SESSION), fetch_site("none")), _NO_ORIGIN),
        ("a POST without Origin", post(cookie(ADAS_SESSION), fetch_site("same-origin")), _NO_ORIGIN),
        (
            "a DELETE without Origin",
            get(cookie(ADAS_SESSION), fetch_site("same-origin"), method="DELETE"),
            _NO_ORIGIN,
        ),
        (
            "a same-origin GET with a dead session",
            get(cookie(BOBS_SESSION), fetch_site("same-origin")),
            _UNKNOWN_CALLER,
        ),
        ("a same-origin GET without a session", get(fetch_site("same-origin")), _UNKNOWN_CALLER),
        ("a bearer token without Origin", post(bearer(SERVER)), admits(SERVER)),
    ),
    *on(
        "portal-agents",
        (
            "the scheme counts: https is listed",
            get(cookie(ADAS_SESSION), fetch_site("same-origin"), scheme="https"),
            acts_for(ADA),
        ),
        (
            "the scheme counts: http is not",
            get(cookie(ADAS_SESSION), fetch_site("same-origin")),
            _NO_ORIGIN,
        ),
    ),
    *on(
        "portal-report",
        (
            "the scheme counts: http is listed",
            get(cookie(ADAS_SESSION), fetch_site("same-origin")),
            acts_for(ADA),
        ),
        (
            "the scheme counts: https is not",
            get(cookie(ADAS_SESSION), fetch_site("same-origin"), scheme="https"),
            _NO_ORIGIN,
        ),
        (
            "report-only: a cookie from an unlisted origin is not read",
            post(origin(UNLISTED), cookie(ADAS_SESSION)),
            _UNKNOWN_CALLER,
        ),
    ),
]

GUESTS: Final = [
    *on(
        "partner-guests",
        (
            "a listed page without a credential has the public scopes",
            post(origin(PLAIN)),
            anybody(page(PLAIN)),
        ),
        (
            "and no others",
            post(origin(PLAIN), body=call("write_note")),
            lacks("tools/call:write_note", page(PLAIN)),
        ),
        (
            "a dead session is no credential",
            post(origin(APP), cookie(BOBS_SESSION)),
            anybody(page_with_cookies(APP)),
        ),
        (
            "a live one where cookies do not count neither",
            post(origin(PLAIN), cookie(ADAS_SESSION)),
            anybody(page(PLAIN)),
        ),
        (
            "a live one where they count is",
            post(origin(APP), cookie(ADAS_SESSION)),
            acts_for(ADA, page_with_cookies(APP)),
        ),
        (
            "a guest from a listing that expires later",
            post(origin(LIMITED)),
            anybody(page_with_cookies(LIMITED)),
        ),
        ("without an Origin there are no guests", post(), _UNKNOWN_CALLER),
        ("an unlisted page is no guest", post(origin(UNLISTED)), _NOT_LISTED),
    ),
    *on(
        "partner-report",
        ("report-only: an unlisted page is no guest", post(origin(UNLISTED)), unknown_caller(page(UNLISTED))),
    ),
]

ROWS: Final = [*PARTNER, *OTHER_PROFILES, *PORTAL, *GUESTS]
