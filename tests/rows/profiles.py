"""Rows about what sets the profiles and their variants apart."""

from __future__ import annotations

from typing import Final

from tests.rows.exchanges import bearer, call, get, origin, post, request
from tests.rows.outcomes import (
    REFUSED,
    Refuses,
    admits,
    anybody,
    delegated,
    forbidden,
    invalid,
    lacks,
    page,
    page_with_cookies,
    would_refuse,
)
from tests.rows.row import on
from tests.rows.world import (
    ADAS,
    ANY,
    APP,
    AWAY,
    BROWSER,
    DISABLED,
    ELSEWHERE,
    LIMITED,
    OF_DISABLED,
    OF_INITECH,
    PLAIN,
    REVOKED,
    SERVER,
    UNKNOWN_TEXT,
    UNLISTED,
)

_NOT_LISTED: Final = forbidden("origin_not_listed")
_NOT_EXPECTED: Final = forbidden("origin_not_expected")

TOKEN: Final = [
    *on(
        "token",
        ("a listed origin, never with credentials", post(origin(APP), bearer(ANY)), admits(ANY, page(APP))),
        ("an unlisted origin", post(origin(UNLISTED), bearer(ANY)), _NOT_LISTED),
        ("no Origin", post(bearer(SERVER)), admits(SERVER)),
    ),
    *on(
        "token-any",
        (
            "any_origin: a stranger with a token for everywhere",
            post(origin(UNLISTED), bearer(ANY)),
            admits(ANY, page("*")),
        ),
        (
            "any_origin: a listed one gets the star too",
            post(origin(APP), bearer(ANY)),
            admits(ANY, page("*")),
        ),
        (
            "any_origin: a browser token from its client's origin",
            post(origin(PLAIN), bearer(BROWSER)),
            admits(BROWSER, page("*")),
        ),
        (
            "any_origin: a browser token from another client's",
            post(origin(OF_INITECH), bearer(BROWSER)),
            invalid("token_wrong_kind", page("*")),
        ),
        (
            "any_origin: a browser token from a stranger",
            post(origin(UNLISTED), bearer(BROWSER)),
            invalid("token_wrong_kind", page("*")),
        ),
        (
            "any_origin: a server token from a stranger",
            post(origin(UNLISTED), bearer(SERVER)),
            invalid("token_wrong_kind", page("*")),
        ),
        (
            "any_origin: a malformed origin",
            post(origin("https://x/"), bearer(ANY)),
            forbidden("origin_malformed"),
        ),
        ("any_origin: no Origin, no CORS", post(bearer(SERVER)), admits(SERVER)),
    ),
    *on(
        "token-any",
        (
            "any_origin: a browser token from a listing that expires later",
            post(origin(LIMITED), bearer(BROWSER)),
            admits(BROWSER, page("*")),
        ),
    ),
]

BACKEND: Final = [
    *on(
        "hooks",
        ("no Origin is what is expected", post(bearer(SERVER)), admits(SERVER)),
        *(
            (f"the Origin {value!r} is refused", post(origin(value), bearer(ANY)), _NOT_EXPECTED)
            for value in (PLAIN.url, UNLISTED, "null", "", "http://api.example.com")
        ),
        ("a browser token has no place here", post(bearer(BROWSER)), invalid("token_wrong_kind")),
    ),
]

PUBLIC: Final = [
    *on(
        "public",
        ("no credential", post(), anybody()),
        ("a stranger's page", post(origin(UNLISTED)), anybody(page("*"))),
        ("a listed page", post(origin(APP)), anybody(page("*"))),
        ("a good token is not read", post(bearer(ADAS)), anybody()),
        ("a bad token is not read", post(bearer(REVOKED)), anybody()),
        ("what is no token is not read", post(("Authorization", "Basic YTpi")), anybody()),
        ("its scopes are all there is", post(body=call("write_note")), lacks("tools/call:write_note")),
        (
            "a token's scopes do not count",
            post(bearer(ADAS), body=request("prompts/get", name="summary")),
            lacks("prompts/get:summary"),
        ),
    ),
    *on(
        "public-bare",
        ("without public scopes the lists are all there is", post(body=request("tools/list")), anybody()),
        ("and no call", post(), lacks("tools/call:read_note")),
    ),
]

_DELEGATED: Final = delegated()

OAUTH: Final = [
    *on(
        "partner-oauth",
        ("a foreign token is forwarded unread", post(("Authorization", "Bearer eyJhbGciOi")), _DELEGATED),
        ("one of ours is forwarded unread", post(bearer(REVOKED)), _DELEGATED),
        ("no credential is the inner application's business", post(), _DELEGATED),
        ("no grant is asked for", post(bearer(UNKNOWN_TEXT), body=call("drop_tables")), _DELEGATED),
        (
            "a listed origin, without credentials",
            post(origin(APP), bearer(UNKNOWN_TEXT)),
            delegated(page(APP)),
        ),
        ("an unlisted origin", post(origin(UNLISTED), bearer(UNKNOWN_TEXT)), _NOT_LISTED),
    ),
]

REPORT_ONLY: Final = [
    *on(
        "partner-report",
        (
            "an unlisted origin with a token for everywhere",
            post(origin(UNLISTED), bearer(ANY)),
            would_refuse(ANY, page(UNLISTED)),
        ),
        (
            "another endpoint's origin",
            post(origin(ELSEWHERE), bearer(ANY)),
            would_refuse(ANY, page(ELSEWHERE)),
        ),
        (
            "a disabled client's origin",
            post(origin(OF_DISABLED), bearer(ANY)),
            would_refuse(ANY, page(OF_DISABLED)),
        ),
        ("a listed origin as ever", post(origin(APP), bearer(ANY)), admits(ANY, page_with_cookies(APP))),
        (
            "a browser token is not softened",
            post(origin(UNLISTED), bearer(BROWSER)),
            invalid("token_wrong_kind", page(UNLISTED)),
        ),
        (
            "a server token is not softened",
            post(origin(UNLISTED), bearer(SERVER)),
            invalid("token_wrong_kind", page(UNLISTED)),
        ),
        (
            "a token's state is not softened",
            post(origin(UNLISTED), bearer(REVOKED)),
            invalid("token_revoked", page(UNLISTED)),
        ),
        (
            "a token's endpoint is not softened",
            post(origin(UNLISTED), bearer(AWAY)),
            invalid("token_wrong_endpoint", page(UNLISTED)),
        ),
        (
            "its client is not softened",
            post(origin(UNLISTED), bearer(DISABLED)),
            invalid("token_client_disabled", page(UNLISTED)),
        ),
        (
            "a malformed origin is not softened",
            post(origin(UNLISTED + "/"), bearer(ANY)),
            forbidden("origin_malformed"),
        ),
        (
            "the host is not softened",
            post(origin(UNLISTED), bearer(ANY), host="evil.example"),
            Refuses(421, "host_not_allowed", REFUSED),
        ),
        (
            "grants are not softened",
            post(origin(UNLISTED), bearer(ANY), body=call("write_note")),
            lacks("tools/call:write_note", page(UNLISTED)),
        ),
    ),
    *on(
        "partner-report-set",
        (
            "switched on by the settings",
            post(origin(UNLISTED), bearer(ANY)),
            would_refuse(ANY, page(UNLISTED)),
        ),
    ),
    *on(
        "partner-report-over",
        ("it has ended", post(origin(UNLISTED), bearer(ANY)), _NOT_LISTED),
    ),
    *on(
        "partner-report-long",
        ("one of more than 14 days never began", post(origin(UNLISTED), bearer(ANY)), _NOT_LISTED),
    ),
    *on(
        "portal-report",
        ("same-origin profile: let in, but no CORS", post(origin(UNLISTED), bearer(ANY)), would_refuse(ANY)),
    ),
]

METHODS: Final = [
    *on(
        "partner",
        *(
            (f"{method} is answered", get(bearer(SERVER), method=method), admits(SERVER))
            for method in ("GET", "HEAD", "DELETE")
        ),
        *(
            (
                f"{method} is not",
                get(bearer(SERVER), method=method),
                Refuses(405, "method_not_allowed", REFUSED | {"allow": "GET, POST, DELETE, OPTIONS"}),
            )
            for method in ("PUT", "PATCH", "OPTIONS", "TRACE", "post", "QUERY")
        ),
        (
            "a method: the page of a listed origin may read it",
            get(origin(PLAIN), bearer(ANY), method="PUT"),
            Refuses(
                405, "method_not_allowed", REFUSED | {"allow": "GET, POST, DELETE, OPTIONS"} | page(PLAIN)
            ),
        ),
        (
            "who is not let in learns no methods",
            get(method="PUT"),
            Refuses(401, "credential_missing", REFUSED | {"www-authenticate": 'Bearer realm="mcp"'}),
        ),
    ),
    *on(
        "partner-small",
        *(
            (
                f"methods POST: {method} is not",
                get(bearer(SERVER), method=method),
                Refuses(405, "method_not_allowed", REFUSED | {"allow": "POST, OPTIONS"}),
            )
            for method in ("GET", "HEAD", "DELETE")
        ),
        ("methods POST: POST is", post(bearer(SERVER)), admits(SERVER)),
    ),
]

ROWS: Final = [*TOKEN, *BACKEND, *PUBLIC, *OAUTH, *REPORT_ONLY, *METHODS]
