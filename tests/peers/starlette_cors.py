"""The cases of Starlette's tests of its CORSMiddleware."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

from tests.peers.case import Case, Effect, Peer
from tests.rows.exchanges import Request, bearer, get, origin, post, preflight
from tests.rows.outcomes import REFUSED, Grants, Refuses, admits, forbidden, lists, page
from tests.rows.world import ANY, PLAIN, UNLISTED

PEER: Final = Peer(
    "Starlette",
    "Kludex/starlette",
    "5174d4c8358a6f06aa8056bafd14c2272dab8dd1",
    "tests/middleware/test_cors.py",
    tests=16,
)

_ALL: Final[dict[str, Any]] = {"allow_origins": ["*"], "allow_headers": ["*"], "allow_methods": ["*"]}
_ALL_WITH_COOKIES: Final = _ALL | {"expose_headers": ["X-Status"], "allow_credentials": True}
_ALL_WITHOUT_COOKIES: Final = _ALL | {"expose_headers": ["X-Status"]}
_BARE: Final[dict[str, Any]] = {"allow_origins": ["*"]}
_LISTED: Final[dict[str, Any]] = {
    "allow_origins": [PLAIN.url],
    "allow_headers": ["Mcp-Method", "Content-Type"],
}
_PATTERN: Final[dict[str, Any]] = {
    "allow_headers": ["Mcp-Method", "Content-Type"],
    "allow_origin_regex": "https://.*",
    "allow_credentials": True,
}
_FULL: Final[dict[str, Any]] = {"allow_origin_regex": r"https://.*\.acme.example"}

_PRIVATE: Final = ("Access-Control-Request-Private-Network", "true")
_COOKIE: Final = ("Cookie", "theme=dark")
_SUBDOMAIN: Final = "https://sub.acme.example"

_RUNS: Final = Effect(runs=True)
_RUNS_UNVARIED: Final = Effect(runs=True, varies=False)
_READS: Final = Effect(runs=True, page=True)
_READS_UNVARIED: Final = Effect(runs=True, page=True, varies=False)
_READS_WITH_COOKIES: Final = Effect(runs=True, page=True, credentials=True)
_GOES_ON: Final = Effect(page=True)
_GOES_ON_UNVARIED: Final = Effect(page=True, varies=False)
_GOES_ON_PRIVATE: Final = Effect(page=True, varies=False, private_network=True)
_GOES_ON_WITH_COOKIES: Final = Effect(page=True, credentials=True)
_STOPS: Final = Effect()
_STOPS_UNVARIED: Final = Effect(varies=False)

_NOT_RUN: Final = "the page could not read the answer, but its request has been carried out; ours is not"
_NO_PATTERNS: Final = "origins are listed one by one; there are no patterns"
_NEVER_STAR_WITH_COOKIES: Final = (
    "open to all origins means without cookies, and the answer is *, never a reflection"
)
_NEVER_ALL_HEADERS: Final = "headers that nobody declared are not allowed; a star for them is not offered"
_ALWAYS_VARIES: Final = "every answer varies by Origin, so that no cache has to know how the endpoint is open"
_ABANDONED: Final = "browsers have given up this header; it is never sent"
_METHODS: Final = "there are no methods but those of MCP, or those declared"

_NOT_LISTED: Final = forbidden("origin_not_listed")
_STAR: Final = admits(ANY, page("*"))
_LISTS: Final = Grants(lists("*"))


def _get(*headers: tuple[str, str], **head: Any) -> Request:
    """Return a GET with a token that counts everywhere; the peer does not look at it."""
    return get(*headers, bearer(ANY), **head)


def _asks(*headers: tuple[str, str], method: str = "GET") -> Request:
    """Return a preflight that asks for a method and for no header."""
    whole = preflight(UNLISTED, *headers, method=method)
    return replace(whole, headers=tuple(h for h in whole.headers if h[0] != "Access-Control-Request-Headers"))


def _asks_private() -> Request:
    return _asks(_PRIVATE)


ALL: Final = [
    Case(
        test="test_cors_allow_all",
        rule="a preflight where all origins may send cookies and any header",
        endpoint="token-any",
        configured=_ALL_WITH_COOKIES,
        exchange=preflight(UNLISTED, method="GET", asks="X-Example"),
        theirs=_GOES_ON_WITH_COOKIES,
        outcome=Grants(lists("*")),
        reason=_NEVER_ALL_HEADERS,
    ),
    Case(
        test="test_cors_allow_all",
        rule="a GET where all origins may send cookies",
        endpoint="token-any",
        configured=_ALL_WITH_COOKIES,
        exchange=_get(origin(UNLISTED)),
        theirs=_READS_WITH_COOKIES,
        outcome=_STAR,
        reason=_NEVER_STAR_WITH_COOKIES,
    ),
    Case(
        test="test_cors_allow_all",
        rule="a GET with a cookie where all origins may send cookies",
        endpoint="token-any",
        configured=_ALL_WITH_COOKIES,
        exchange=_get(origin(UNLISTED), _COOKIE),
        theirs=_READS_WITH_COOKIES,
        outcome=_STAR,
        reason=_NEVER_STAR_WITH_COOKIES,
    ),
    Case(
        test="test_cors_allow_all",
        rule="a GET without Origin where all origins may send cookies",
        endpoint="token-any",
        configured=_ALL_WITH_COOKIES,
        exchange=_get(),
        theirs=_RUNS_UNVARIED,
        outcome=admits(ANY),
        reason=_ALWAYS_VARIES,
    ),
    Case(
        test="test_cors_allow_all_except_credentials",
        rule="a preflight where all origins may send any header",
        endpoint="token-any",
        configured=_ALL_WITHOUT_COOKIES,
        exchange=preflight(UNLISTED, method="GET", asks="X-Example"),
        theirs=_GOES_ON_UNVARIED,
        outcome=Grants(lists("*")),
        reason=_NEVER_ALL_HEADERS,
    ),
    Case(
        test="test_cors_allow_all_except_credentials",
        rule="a GET where all origins may read",
        endpoint="token-any",
        configured=_ALL_WITHOUT_COOKIES,
        exchange=_get(origin(UNLISTED)),
        theirs=_READS_UNVARIED,
        outcome=_STAR,
        reason=_ALWAYS_VARIES,
    ),
    Case(
        test="test_cors_allow_all_except_credentials",
        rule="a GET without Origin where all origins may read",
        endpoint="token-any",
        configured=_ALL_WITHOUT_COOKIES,
        exchange=_get(),
        theirs=_RUNS_UNVARIED,
        outcome=admits(ANY),
        reason=_ALWAYS_VARIES,
    ),
    Case(
        test="test_preflight_allows_request_origin_if_origins_wildcard_and_credentials_allowed",
        rule="a preflight for a POST where all origins may send cookies",
        endpoint="token-any",
        configured=_BARE | {"allow_methods": ["POST"], "allow_credentials": True},
        exchange=_asks(method="POST"),
        theirs=_GOES_ON_WITH_COOKIES,
        outcome=Grants(lists("*")),
        reason=_NEVER_STAR_WITH_COOKIES,
    ),
]

LISTED: Final = [
    Case(
        test="test_cors_allow_specific_origin",
        rule="a preflight of a listed origin for headers that are allowed",
        configured=_LISTED,
        exchange=preflight(PLAIN, method="GET", asks="Mcp-Method, Content-Type"),
        theirs=_GOES_ON,
        outcome=Grants(lists(PLAIN)),
    ),
    Case(
        test="test_cors_allow_specific_origin",
        rule="a GET from a listed origin",
        configured=_LISTED,
        exchange=_get(origin(PLAIN)),
        theirs=_READS,
        outcome=admits(ANY, page(PLAIN)),
    ),
    Case(
        test="test_cors_allow_specific_origin",
        rule="a GET without Origin where one is listed",
        configured=_LISTED,
        exchange=_get(),
        theirs=_RUNS_UNVARIED,
        outcome=admits(ANY),
        reason=_ALWAYS_VARIES,
    ),
    Case(
        test="test_cors_disallowed_preflight",
        rule="a preflight of an unlisted origin",
        configured={"allow_origins": [PLAIN.url], "allow_headers": ["Mcp-Method"]},
        exchange=preflight(UNLISTED, asks="X-Nope"),
        theirs=_STOPS,
        outcome=_NOT_LISTED,
    ),
    Case(
        test="test_cors_disallowed_preflight",
        rule="a preflight of a listed origin for headers that are not allowed",
        configured={"allow_origins": [PLAIN.url], "allow_headers": ["Mcp-Method"]},
        exchange=preflight(PLAIN, method="GET", asks="X-Nope-1, X-Nope-2"),
        theirs=_STOPS,
        outcome=Grants(lists(PLAIN)),
    ),
]

METHODS: Final = [
    *(
        Case(
            test="test_cors_preflight_allow_all_methods",
            rule=f"a preflight for {method} where all methods are allowed",
            endpoint="token-any",
            configured=_BARE | {"allow_methods": ["*"]},
            exchange=_asks(method=method),
            theirs=_GOES_ON_UNVARIED,
            outcome=Grants(lists("*")),
            reason=_METHODS if method in ("PATCH", "PUT") else _ALWAYS_VARIES,
        )
        for method in ("DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT")
    ),
    *(
        Case(
            test="test_cors_allow_all_methods",
            rule=f"{method} where all methods are allowed",
            endpoint="token-any",
            configured=_BARE | {"allow_methods": ["*"]},
            exchange=_get(origin(UNLISTED), method=method),
            theirs=_READS_UNVARIED,
            outcome=_STAR,
            reason=_ALWAYS_VARIES,
        )
        for method in ("DELETE", "GET", "HEAD")
    ),
    Case(
        test="test_cors_allow_all_methods",
        rule="POST where all methods are allowed",
        endpoint="token-any",
        configured=_BARE | {"allow_methods": ["*"]},
        exchange=post(origin(UNLISTED), bearer(ANY)),
        theirs=_READS_UNVARIED,
        outcome=_STAR,
        reason=_ALWAYS_VARIES,
    ),
    *(
        Case(
            test="test_cors_allow_all_methods",
            rule=f"{method} where all methods are allowed",
            endpoint="token-any",
            configured=_BARE | {"allow_methods": ["*"]},
            exchange=_get(origin(UNLISTED), method=method),
            theirs=_READS_UNVARIED,
            outcome=Refuses(
                405, "method_not_allowed", REFUSED | page("*") | {"allow": "GET, POST, DELETE, OPTIONS"}
            ),
            reason=_METHODS,
        )
        for method in ("OPTIONS", "PATCH", "PUT")
    ),
]

PATTERNS: Final = [
    *(
        Case(
            test="test_cors_allow_origin_regex",
            rule=f"a GET from an origin that a pattern fits, {rule}",
            configured=_PATTERN,
            exchange=_get(origin(_SUBDOMAIN), *headers),
            theirs=_READS_WITH_COOKIES,
            outcome=_NOT_LISTED,
            reason=_NO_PATTERNS,
        )
        for rule, headers in (("without a cookie", ()), ("with a cookie", (_COOKIE,)))
    ),
    Case(
        test="test_cors_allow_origin_regex",
        rule="a GET from an origin that no pattern fits",
        configured=_PATTERN,
        exchange=_get(origin("http://sub.acme.example")),
        theirs=_RUNS_UNVARIED,
        outcome=_NOT_LISTED,
        reason=_NOT_RUN,
    ),
    Case(
        test="test_cors_allow_origin_regex",
        rule="a preflight of an origin that a pattern fits",
        configured=_PATTERN,
        exchange=preflight(_SUBDOMAIN, method="GET", asks="Mcp-Method, content-type"),
        theirs=_GOES_ON_WITH_COOKIES,
        outcome=_NOT_LISTED,
        reason=_NO_PATTERNS,
    ),
    Case(
        test="test_cors_allow_origin_regex",
        rule="a preflight of an origin that no pattern fits",
        configured=_PATTERN,
        exchange=preflight("http://sub.acme.example", method="GET", asks="Mcp-Method"),
        theirs=_STOPS,
        outcome=_NOT_LISTED,
    ),
    Case(
        test="test_cors_allow_origin_regex_fullmatch",
        rule="a GET from an origin that a pattern fits as a whole",
        configured=_FULL,
        exchange=_get(origin(_SUBDOMAIN)),
        theirs=_READS,
        outcome=_NOT_LISTED,
        reason=_NO_PATTERNS,
    ),
    Case(
        test="test_cors_allow_origin_regex_fullmatch",
        rule="a GET from an origin that only begins like one that a pattern fits",
        configured=_FULL,
        exchange=_get(origin(_SUBDOMAIN + ".hacker.example")),
        theirs=_RUNS_UNVARIED,
        outcome=_NOT_LISTED,
        reason=_NOT_RUN,
    ),
]

VARYING: Final = [
    Case(
        test="test_cors_vary_header_defaults_to_origin",
        rule="an answer to a listed origin varies by it",
        configured={"allow_origins": [PLAIN.url]},
        exchange=_get(origin(PLAIN)),
        theirs=_READS,
        outcome=admits(ANY, page(PLAIN)),
    ),
    Case(
        test="test_cors_vary_header_is_not_set_for_non_credentialed_request",
        rule="an answer to any origin, without cookies",
        endpoint="token-any",
        configured=_BARE,
        exchange=_get(origin(UNLISTED)),
        theirs=_READS_UNVARIED,
        outcome=_STAR,
        reason=_ALWAYS_VARIES,
    ),
    Case(
        test="test_cors_vary_header_is_properly_set_for_credentialed_request",
        rule="an answer to any origin, with cookies",
        endpoint="token-any",
        configured=_BARE | {"allow_credentials": True},
        exchange=_get(origin(UNLISTED)),
        theirs=_READS_WITH_COOKIES,
        outcome=_STAR,
        reason=_NEVER_STAR_WITH_COOKIES,
    ),
    Case(
        test="test_cors_vary_header_is_properly_set_when_allow_origins_is_not_wildcard",
        rule="an answer that varies by something else, too",
        configured={"allow_origins": [PLAIN.url]},
        exchange=_get(origin(PLAIN)),
        theirs=_READS,
        outcome=admits(ANY, page(PLAIN)),
    ),
    *(
        Case(
            test="test_cors_allowed_origin_does_not_leak_between_requests",
            rule=f"one GET after the other: {rule}",
            configured={"allow_origins": [PLAIN.url]},
            exchange=_get(origin(of)),
            theirs=theirs,
            outcome=outcome,
            reason=reason,
        )
        for rule, of, theirs, outcome, reason in (
            ("the first from a listed origin", PLAIN, _READS, admits(ANY, page(PLAIN)), ""),
            ("the second from an unlisted one", UNLISTED, _RUNS_UNVARIED, _NOT_LISTED, _NOT_RUN),
            ("the third from the listed one again", PLAIN, _READS, admits(ANY, page(PLAIN)), ""),
        )
    ),
]

PRIVATE_NETWORK: Final = [
    *(
        Case(
            test=f"test_cors_private_network_access_{test}",
            rule=f"a private network, {test}: {rule}",
            endpoint="token-any",
            configured=_BARE | {"allow_methods": ["*"], "allow_private_network": test == "allowed"},
            exchange=exchange,
            theirs=theirs,
            outcome=outcome,
            reason=reason,
        )
        for test, rule, exchange, theirs, outcome, reason in (
            (
                "allowed",
                "a preflight that asks for it",
                _asks_private(),
                _GOES_ON_PRIVATE,
                _LISTS,
                _ABANDONED,
            ),
            ("allowed", "a preflight that does not", _asks(), _GOES_ON_UNVARIED, _LISTS, _ALWAYS_VARIES),
            (
                "allowed",
                "a GET that asks for it",
                _get(_PRIVATE, origin(UNLISTED)),
                _READS_UNVARIED,
                _STAR,
                _ALWAYS_VARIES,
            ),
            (
                "disallowed",
                "a preflight that does not ask for it",
                _asks(),
                _GOES_ON_UNVARIED,
                _LISTS,
                _ALWAYS_VARIES,
            ),
            ("disallowed", "a preflight that does", _asks_private(), _STOPS_UNVARIED, _LISTS, _ALWAYS_VARIES),
        )
    ),
]

CASES: Final = [*ALL, *LISTED, *METHODS, *PATTERNS, *VARYING, *PRIVATE_NETWORK]

OTHERS: Final[dict[str, str]] = {}
"""Tests that ask nothing of a request, and what they are about."""
