"""Rows about Origin and Sec-Fetch-Site, with a token that counts from everywhere: only the page decides."""

from __future__ import annotations

from typing import Final

from tests.rows.exchanges import bearer, fetch_site, get, origin, post
from tests.rows.outcomes import admits, forbidden, page, page_with_cookies
from tests.rows.row import Row, on
from tests.rows.world import (
    ANY,
    APP,
    ELSEWHERE,
    EXPIRED_LISTING,
    LIMITED,
    NOWHERE,
    OF_DISABLED,
    PLAIN,
    PORT,
    SERVER,
    SWITCHED_OFF,
    UNLISTED,
    V6,
)

_NOT_LISTED: Final = forbidden("origin_not_listed")
_MALFORMED: Final = forbidden("origin_malformed")
_NULL: Final = forbidden("origin_null")
_FOREIGN: Final = forbidden("fetch_site_foreign")

LISTED: Final = [
    *on(
        "partner",
        ("a listed origin with cookies", post(origin(APP), bearer(ANY)), admits(ANY, page_with_cookies(APP))),
        *(
            (f"the listed {listed.url}", post(origin(listed), bearer(ANY)), admits(ANY, page(listed)))
            for listed in (PLAIN, PORT, V6)
        ),
        (
            "a listing that expires later",
            post(origin(LIMITED), bearer(ANY)),
            admits(ANY, page_with_cookies(LIMITED)),
        ),
        (
            "spaces and tabs around a value are not part of it (RFC 9110 5.5)",
            post(("Origin", f" \t{PLAIN.url}\t "), bearer(ANY)),
            admits(ANY, page(PLAIN)),
        ),
    ),
]

NOT_LISTED: Final = on(
    "partner",
    *(
        (f"not listed: {what}", post(origin(value), bearer(ANY)), _NOT_LISTED)
        for what, value in (
            ("a stranger", UNLISTED),
            ("an expired listing", EXPIRED_LISTING.url),
            ("a listing that is switched off", SWITCHED_OFF.url),
            ("a disabled client's", OF_DISABLED.url),
            ("another endpoint's", ELSEWHERE.url),
            ("one without endpoints", NOWHERE.url),
            ("the same host in upper case", "https://PLAIN.acme.example"),
            ("the same host over http", "http://plain.acme.example"),
            ("the default port written out", "https://plain.acme.example:443"),
            ("another port", "https://acme.example:8444"),
            ("the port left out", "https://acme.example"),
            ("a subdomain", "https://x.plain.acme.example"),
            ("a longer name", "https://evilplain.acme.example"),
            ("a name that goes on", "https://plain.acme.example.evil.example"),
            ("a prefix of it", "https://plain.acme.exampl"),
            ("a dash for a dot", "https://plain-acme.example"),
            ("an IPv6 address written out", "http://[2001:db8:0:0:0:0:0:1]:8080"),
            ("loopback", "http://localhost:5173"),
            ("an extension", "chrome-extension://abcdefghijklmnopabcdefghijklmnop"),
            ("the endpoint's own host", "https://api.example.com"),
        )
    ),
)

MALFORMED: Final = on(
    "partner",
    *(
        (f"malformed: {what}", post(origin(value), bearer(ANY)), _MALFORMED)
        for what, value in (
            ("empty", ""),
            ("white space", " \t "),
            ("a trailing slash", "https://plain.acme.example/"),
            ("a path", "https://plain.acme.example/x"),
            ("a query", "https://plain.acme.example?x"),
            ("a fragment", "https://plain.acme.example#x"),
            ("a user name", "https://plain.acme.example@evil.example"),
            ("the scheme in upper case", "HTTPS://plain.acme.example"),
            ("no scheme", "plain.acme.example"),
            ("no host", "https://"),
            ("a dot at the end", "https://plain.acme.example."),
            ("an empty port", "https://plain.acme.example:"),
            ("a port that begins with 0", "https://acme.example:08443"),
            ("a port of six digits", "https://acme.example:118443"),
            ("two with a comma", "https://plain.acme.example, https://evil.example"),
            ("two with a space", "https://plain.acme.example https://evil.example"),
            ("a percent escape", "https://plain%2eacme.example"),
            ("a backslash", "https://plain.acme.example\\@evil.example"),
            ("a control byte after it", "https://plain.acme.example\x1f"),
            ("a delete byte after it", "https://plain.acme.example\x7f"),
            ("a no-break space after it", "https://plain.acme.example\xa0"),
            ("letters outside of ASCII", "https://pl\xc3\xa4in.acme.example"),
            ("a wildcard", "*"),
            ("a wildcard in the host", "https://*.acme.example"),
            ("NULL in upper case", "NULL"),
            ("two times null", "null, null"),
            ("a file", "file://"),
            ("an open bracket", "http://[2001:db8::1"),
            ("longer than any origin", "https://" + "a" * 300 + ".example"),
        )
    ),
)

NULL: Final = [
    Row(endpoint, "null names nobody", post(origin("null"), bearer(ANY)), _NULL)
    for endpoint in ("partner", "partner-report", "portal", "token", "token-any", "public", "partner-oauth")
]

MISSING: Final = [
    *on(
        "partner",
        ("without Origin a token is enough", post(bearer(SERVER)), admits(SERVER)),
    ),
    *on(
        "partner-strict",
        (
            "missing_origin refuse: without Origin even a token is refused",
            post(bearer(ANY)),
            forbidden("origin_missing"),
        ),
        (
            "missing_origin refuse: with a listed Origin the token counts",
            post(origin(PLAIN), bearer(ANY)),
            admits(ANY, page(PLAIN)),
        ),
    ),
]

FETCH_SITE: Final = [
    *on(
        "partner",
        *(
            (
                f"without Origin, Sec-Fetch-Site {site!r} is the site's own",
                get(bearer(SERVER), fetch_site(site)),
                admits(SERVER),
            )
            for site in ("same-origin", "none")
        ),
        *(
            (
                f"without Origin, Sec-Fetch-Site {site!r} is a foreign page",
                get(bearer(SERVER), fetch_site(site)),
                _FOREIGN,
            )
            for site in ("cross-site", "same-site", "", "Same-Origin", "same-origin, none", "null")
        ),
    ),
    *(
        Row(
            endpoint,
            "a foreign page without Origin is refused here too",
            get(fetch_site("cross-site")),
            _FOREIGN,
        )
        for endpoint in ("public", "partner-report", "hooks", "token-any", "partner-oauth", "portal")
    ),
    *on(
        "partner",
        (
            "with a listed Origin, Sec-Fetch-Site says nothing new",
            post(origin(PLAIN), bearer(ANY), fetch_site("cross-site")),
            admits(ANY, page(PLAIN)),
        ),
        (
            "with an unlisted Origin, Sec-Fetch-Site does not help",
            post(origin(UNLISTED), bearer(ANY), fetch_site("same-origin")),
            _NOT_LISTED,
        ),
    ),
]

ROWS: Final = [*LISTED, *NOT_LISTED, *MALFORMED, *NULL, *MISSING, *FETCH_SITE]
