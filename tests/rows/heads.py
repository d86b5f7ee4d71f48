"""Rows about the head: repeated headers, path and root_path, Host, TLS, and the order of the rules."""

from __future__ import annotations

from typing import Final

from tests.rows.exchanges import HOST, bearer, call, fetch_site, origin, post, preflight
from tests.rows.outcomes import REFUSED, Refuses, admits, forbidden, page
from tests.rows.row import on
from tests.rows.world import ANY, PLAIN, REVOKED, SERVER, UNLISTED

_SERVER: Final = admits(SERVER)
_MALFORMED: Final = Refuses(400, "head_malformed", REFUSED)
_WRONG_HOST: Final = Refuses(421, "host_not_allowed", REFUSED)
_NO_TLS: Final = forbidden("tls_required")

_FULL_HEAD: Final = (
    origin(PLAIN),
    bearer(ANY),
    fetch_site("cross-site"),
    ("Content-Encoding", "identity"),
    ("Mcp-Protocol-Version", "2025-11-25"),
    ("Mcp-Session-Id", "0123456789"),
    ("Mcp-Method", "tools/call"),
    ("Mcp-Name", "read_note"),
)
_OTHERS: Final = (
    ("Host", HOST),
    ("Content-Type", "application/json"),
    ("Content-Length", str(len(call()))),
)

REPEATED: Final = [
    *on(
        "partner",
        ("each header once is no malformed head", post(*_FULL_HEAD), admits(ANY, page(PLAIN))),
        *(
            (f"a second {name} is malformed, even an equal one", post(*_FULL_HEAD, (name, value)), _MALFORMED)
            for name, value in (*_FULL_HEAD, *_OTHERS)
        ),
        ("a second Origin that is not listed is malformed", post(*_FULL_HEAD, origin(UNLISTED)), _MALFORMED),
    ),
    *on(
        "partner-second",
        (
            "a second X-MCP-Auth-Token is malformed",
            post(("X-MCP-Auth-Token", SERVER.text), ("X-MCP-Auth-Token", SERVER.text)),
            _MALFORMED,
        ),
    ),
    *on(
        "partner",
        (
            "a second Access-Control-Request-Method is malformed",
            preflight(PLAIN, ("Access-Control-Request-Method", "GET")),
            _MALFORMED,
        ),
        (
            "a second header that decides nothing is no malformed head",
            post(bearer(SERVER), ("Accept", "application/json"), ("Accept", "text/event-stream")),
            _SERVER,
        ),
        (
            "several X-Forwarded-For are no malformed head",
            post(bearer(SERVER), ("X-Forwarded-For", "192.0.2.1"), ("X-Forwarded-For", "192.0.2.2")),
            _SERVER,
        ),
    ),
]

_FILLING: Final = tuple((f"X-Filling-{number}", "1") for number in range(500))

NUMBER: Final = on(
    "partner",
    ("500 headers are no malformed head", post(bearer(SERVER), *_FILLING[4:]), _SERVER),
    ("one header more is malformed", post(bearer(SERVER), *_FILLING[3:]), _MALFORMED),
)

PATHS: Final = [
    *on(
        "partner",
        ("no Host at all is malformed (RFC 9112 3.2)", post(bearer(SERVER), host=None), _MALFORMED),
        ("a root_path the client sent is malformed", post(bearer(SERVER), root_path="/evil"), _MALFORMED),
        *(
            (f"the path {target} is not in its plain form", post(bearer(SERVER), target=target), _MALFORMED)
            for target in (
                "/%6dcp",
                "/./mcp",
                "//mcp",
                "/x/../mcp",
                "/mcp%2f",
                "/mcp/%2e%2e/mcp",
                "/m\\cp",
                "/mcp%00",
            )
        ),
    ),
]

HOSTS: Final = [
    *on(
        "partner",
        *(
            (f"the host {host!r} is one of the endpoint's", post(bearer(SERVER), host=host), _SERVER)
            for host in (
                "api.example.com",
                "api.example.com:8000",
                "api.example.com:443",
                "localhost:1",
                "127.0.0.1:65535",
            )
        ),
        *(
            (f"the host {host!r} is none of the endpoint's", post(bearer(SERVER), host=host), _WRONG_HOST)
            for host in (
                "",
                "evil.example",
                "API.EXAMPLE.COM",
                "api.example.com.",
                "x.api.example.com",
                "api.example.com:",
                "api.example.com:0",
                "api.example.com:65536",
                "api.example.com:080",
                "api.example.com:80:80",
                "api.example.com:" + "1" * 5000,
                "api.example.com@evil.example",
                "evil.example:api.example.com",
                "api.example.com, evil.example",
                "127.0.0.1.evil.example",
                "2130706433",
                "0.0.0.0",
                "[::1]",
                "api.example.com/evil",
                "api.example.com\xa0",
            )
        ),
    ),
    *on(
        "partner-hosts",
        *(
            (f"the host {host!r} is one of the declared", post(bearer(SERVER), host=host), _SERVER)
            for host in (
                "example.org",
                "example.org:80",
                "a.example.org",
                "a-1.b.example.org:8000",
                "az09.example.org",
                "api.example.org:65535",
                "localhost:8765",
                "[::1]",
                "[::1]:8765",
            )
        ),
        *(
            (f"the host {host!r} is none of the declared", post(bearer(SERVER), host=host), _WRONG_HOST)
            for host in (
                "api.example.com",
                "localhost",
                "localhost:8766",
                "evilexample.org",
                "a.example.org.evil.example",
                ".example.org",
                "-a.example.org",
                "a..example.org",
                "A.example.org",
                "a_b.example.org",
                "evil@a.example.org",
                "evil/a.example.org",
                "evil:a.example.org",
                "a.example.org:port",
                "[::2]",
                "::1",
            )
        ),
    ),
]


TLS: Final = [
    *on(
        "partner-tls",
        ("https is TLS", post(bearer(SERVER), scheme="https"), _SERVER),
        ("http is not TLS", post(bearer(SERVER)), _NO_TLS),
        ("a scheme the server does not name is not TLS", post(bearer(SERVER), scheme=""), _NO_TLS),
        (
            "a stranger's X-Forwarded-Proto says nothing",
            post(bearer(SERVER), ("X-Forwarded-Proto", "https")),
            _NO_TLS,
        ),
        (
            "a peer without an address is no trusted proxy",
            post(bearer(SERVER), ("X-Forwarded-Proto", "https"), peer="a socket"),
            _NO_TLS,
        ),
        (
            "a trusted proxy's X-Forwarded-Proto counts",
            post(bearer(SERVER), ("X-Forwarded-Proto", "https"), peer="10.1.2.3"),
            _SERVER,
        ),
        (
            "a trusted proxy that speaks of http is not TLS",
            post(bearer(SERVER), ("X-Forwarded-Proto", "http"), peer="10.1.2.3"),
            _NO_TLS,
        ),
        ("a trusted proxy that says nothing is not TLS", post(bearer(SERVER), peer="10.1.2.3"), _NO_TLS),
        (
            "of several X-Forwarded-Proto the nearest counts, not what the client wrote",
            post(bearer(SERVER), ("X-Forwarded-Proto", "https, http"), peer="10.1.2.3"),
            _NO_TLS,
        ),
        (
            "the nearest of several X-Forwarded-Proto is enough",
            post(bearer(SERVER), ("X-Forwarded-Proto", "http, https"), peer="10.1.2.3"),
            _SERVER,
        ),
        ("a preflight over plain HTTP is refused too", preflight(PLAIN), _NO_TLS),
    ),
]

ORDER: Final = [
    *on(
        "partner",
        (
            "a malformed head is told before a wrong host",
            post(origin(PLAIN), origin(PLAIN), host="evil.example"),
            _MALFORMED,
        ),
    ),
    *on(
        "partner-tls",
        ("a wrong host is told before missing TLS", post(bearer(SERVER), host="evil.example"), _WRONG_HOST),
        ("missing TLS is told before an unlisted origin", post(origin(UNLISTED)), _NO_TLS),
    ),
    *on(
        "partner",
        (
            "an unlisted origin is told before a bad token",
            post(origin(UNLISTED), bearer(REVOKED)),
            forbidden("origin_not_listed"),
        ),
        (
            "a wrong host refuses the page of a listed origin with a good token",
            post(origin(PLAIN), bearer(ANY), host="evil.example"),
            _WRONG_HOST,
        ),
        ("a preflight with a wrong host is refused", preflight(PLAIN, host="evil.example"), _WRONG_HOST),
    ),
]

ROWS: Final = [*REPEATED, *NUMBER, *PATHS, *HOSTS, *TLS, *ORDER]
