"""The cases of django-cors-headers' tests of its middleware."""

from __future__ import annotations

from typing import Any, Final

from tests.peers.case import Case, Effect, Peer
from tests.rows.exchanges import Request, bearer, get, origin, preflight
from tests.rows.outcomes import (
    REFUSED,
    Grants,
    Refuses,
    admits,
    forbidden,
    lists,
    page,
    page_with_cookies,
    unknown_caller,
)
from tests.rows.world import ANY, APP, ELSEWHERE, PLAIN, PORT, UNLISTED

PEER: Final = Peer(
    "django-cors-headers",
    "adamchainz/django-cors-headers",
    "d6a75e42e24b367c07d16df25359c6e14552a93f",
    "tests/test_middleware.py",
    tests=42,
)

_LISTED: Final[dict[str, Any]] = {"CORS_ALLOWED_ORIGINS": [PLAIN.url]}
_ALL: Final[dict[str, Any]] = {"CORS_ALLOW_ALL_ORIGINS": True}
_ALL_WITH_COOKIES: Final[dict[str, Any]] = _ALL | {"CORS_ALLOW_CREDENTIALS": True}
_FEW: Final[dict[str, Any]] = _ALL | {
    "CORS_ALLOW_HEADERS": ["content-type"],
    "CORS_ALLOW_METHODS": ["GET", "OPTIONS"],
}
_PRIVATE: Final[dict[str, Any]] = {"CORS_ALLOW_PRIVATE_NETWORK": True}
_ASKS_PRIVATE: Final = ("Access-Control-Request-Private-Network", "true")

_RUNS: Final = Effect(runs=True)
_READS: Final = Effect(runs=True, page=True)
_READS_WITH_COOKIES: Final = Effect(runs=True, page=True, credentials=True)
_GOES_ON: Final = Effect(page=True)
_STOPS: Final = Effect()

_NOT_RUN: Final = "the page could not read the answer, but its request has been carried out; ours is not"
_NO_NULL: Final = "null and file:// name nobody: neither can be listed"
_NO_PATTERNS: Final = "origins are listed one by one; there are no patterns"
_NO_HOOK: Final = "the list is data that an operator sees; no code adds to it"
_NEVER_STAR_WITH_COOKIES: Final = (
    "open to all origins means without cookies, and the answer is *, never a reflection"
)
_ABANDONED: Final = "browsers have given up this header; it is never sent"
_FIXED_LISTS: Final = (
    "the same page goes on; the lists are those of MCP, and the answer is kept for 600 seconds"
)
_FIXED_EXPOSED: Final = "the same page reads the answer; the exposed headers are those of MCP"

_NOT_LISTED: Final = forbidden("origin_not_listed")
_MALFORMED: Final = forbidden("origin_malformed")


def _get(*headers: tuple[str, str], **head: Any) -> Request:
    """Return a GET with a token that counts everywhere; the peer does not look at it."""
    return get(*headers, bearer(ANY), **head)


CASES: Final = [
    Case(
        test="test_get_no_origin",
        rule="a GET without Origin",
        exchange=_get(),
        theirs=_RUNS,
        outcome=admits(ANY),
    ),
    Case(
        test="test_get_origin_vary_by_default",
        rule="a GET without Origin varies by it all the same",
        exchange=_get(),
        theirs=_RUNS,
        outcome=admits(ANY),
    ),
    Case(
        test="test_get_invalid_origin",
        rule="a GET from what is no origin",
        exchange=_get(origin("https://acme.example]")),
        theirs=_RUNS,
        outcome=_MALFORMED,
        reason=_NOT_RUN,
    ),
    Case(
        test="test_get_not_in_allowed_origins",
        rule="a GET from an unlisted origin",
        configured=_LISTED,
        exchange=_get(origin(UNLISTED)),
        theirs=_RUNS,
        outcome=_NOT_LISTED,
        reason=_NOT_RUN,
    ),
    Case(
        test="test_get_not_in_allowed_origins_due_to_wrong_scheme",
        rule="a GET from a listed host with another scheme",
        configured=_LISTED,
        exchange=_get(origin(PLAIN.url.replace("https", "http"))),
        theirs=_RUNS,
        outcome=_NOT_LISTED,
        reason=_NOT_RUN,
    ),
    *(
        Case(
            test=test,
            rule=rule,
            configured={"CORS_ALLOWED_ORIGINS": [APP.url, PLAIN.url]},
            exchange=_get(origin(PLAIN)),
            theirs=_READS,
            outcome=admits(ANY, page(PLAIN)),
        )
        for test, rule in (
            ("test_get_in_allowed_origins", "a GET from a listed origin"),
            ("test_async_get_in_allowed_origins", "an asynchronous GET from a listed origin"),
        )
    ),
    Case(
        test="test_null_in_allowed_origins",
        rule="a GET from null, listed",
        configured={"CORS_ALLOWED_ORIGINS": ["null"]},
        exchange=_get(origin("null")),
        theirs=_READS,
        outcome=forbidden("origin_null"),
        reason=_NO_NULL,
    ),
    Case(
        test="test_file_in_allowed_origins",
        rule="a GET from file://, listed",
        configured={"CORS_ALLOWED_ORIGINS": ["file://"]},
        exchange=_get(origin("file://")),
        theirs=_READS,
        outcome=_MALFORMED,
        reason=_NO_NULL,
    ),
    Case(
        test="test_get_expose_headers",
        rule="exposed headers, as configured",
        endpoint="token-any",
        configured=_ALL | {"CORS_EXPOSE_HEADERS": ["accept", "content-type"]},
        exchange=_get(origin(UNLISTED)),
        theirs=_READS,
        outcome=admits(ANY, page("*")),
        detail=True,
        reason=_FIXED_EXPOSED,
    ),
    Case(
        test="test_get_dont_expose_headers",
        rule="exposed headers, none configured",
        endpoint="token-any",
        configured=_ALL,
        exchange=_get(origin(UNLISTED)),
        theirs=_READS,
        outcome=admits(ANY, page("*")),
        detail=True,
        reason=_FIXED_EXPOSED,
    ),
    Case(
        test="test_get_allow_credentials",
        rule="a GET from a listed origin that may send cookies",
        configured={"CORS_ALLOWED_ORIGINS": [APP.url], "CORS_ALLOW_CREDENTIALS": True},
        exchange=_get(origin(APP)),
        theirs=_READS_WITH_COOKIES,
        outcome=admits(ANY, page_with_cookies(APP)),
    ),
    Case(
        test="test_get_allow_credentials_bad_origin",
        rule="a GET from an unlisted origin where others may send cookies",
        configured={"CORS_ALLOWED_ORIGINS": [APP.url], "CORS_ALLOW_CREDENTIALS": True},
        exchange=_get(origin(UNLISTED)),
        theirs=_RUNS,
        outcome=_NOT_LISTED,
        reason=_NOT_RUN,
    ),
    Case(
        test="test_get_allow_credentials_disabled",
        rule="a GET from a listed origin that may not send cookies",
        configured=_LISTED,
        exchange=_get(origin(PLAIN)),
        theirs=_READS,
        outcome=admits(ANY, page(PLAIN)),
    ),
    Case(
        test="test_allow_private_network_added_if_enabled_and_requested",
        rule="a private network, asked for and allowed",
        endpoint="token-any",
        configured=_ALL | _PRIVATE,
        exchange=_get(_ASKS_PRIVATE, origin(UNLISTED)),
        theirs=_READS._replace(private_network=True),
        outcome=admits(ANY, page("*")),
        reason=_ABANDONED,
    ),
    Case(
        test="test_allow_private_network_not_added_if_enabled_and_not_requested",
        rule="a private network, not asked for",
        endpoint="token-any",
        configured=_ALL | _PRIVATE,
        exchange=_get(origin(UNLISTED)),
        theirs=_READS,
        outcome=admits(ANY, page("*")),
    ),
    Case(
        test="test_allow_private_network_not_added_if_enabled_and_no_cors_origin",
        rule="a private network, asked for by an unlisted origin",
        configured=_LISTED | _PRIVATE,
        exchange=_get(_ASKS_PRIVATE, origin(UNLISTED)),
        theirs=_RUNS,
        outcome=_NOT_LISTED,
        reason=_NOT_RUN,
    ),
    Case(
        test="test_allow_private_network_not_added_if_disabled_and_requested",
        rule="a private network, asked for and not allowed",
        endpoint="token-any",
        configured=_ALL,
        exchange=_get(_ASKS_PRIVATE, origin(UNLISTED)),
        theirs=_READS,
        outcome=admits(ANY, page("*")),
    ),
    *(
        Case(
            test=test,
            rule=rule,
            endpoint="token-any",
            configured=_FEW | {"CORS_PREFLIGHT_MAX_AGE": seconds},
            exchange=preflight(UNLISTED, method="GET", asks="content-type"),
            theirs=_GOES_ON,
            outcome=Grants(lists("*")),
            detail=True,
            reason=_FIXED_LISTS,
        )
        for test, rule, seconds in (
            ("test_options_allowed_origin", "a preflight with configured lists", 1002),
            ("test_async_options_allowed_origin", "an asynchronous preflight with configured lists", 1002),
            ("test_options_no_max_age", "a preflight whose answer is not kept", 0),
        )
    ),
    Case(
        test="test_options_allowed_origins_with_port",
        rule="a preflight of a listed origin with a port",
        configured={"CORS_ALLOWED_ORIGINS": [PORT.url]},
        exchange=preflight(PORT, method="GET"),
        theirs=_GOES_ON,
        outcome=Grants(lists(PORT)),
    ),
    *(
        Case(
            test=test,
            rule=rule,
            configured={"CORS_ALLOWED_ORIGIN_REGEXES": patterns},
            exchange=preflight("https://sub.acme.example", method="GET"),
            theirs=_GOES_ON,
            outcome=_NOT_LISTED,
            reason=_NO_PATTERNS,
        )
        for test, rule, patterns in (
            (
                "test_options_adds_origin_when_domain_found_in_allowed_regexes",
                "a preflight of an origin that a pattern fits",
                [r"^https://\w+\.acme\.example$"],
            ),
            (
                "test_options_adds_origin_when_domain_found_in_allowed_regexes_second",
                "a preflight of an origin that the second pattern fits",
                [r"^https://\w+\.initech\.example$", r"^https://\w+\.acme\.example$"],
            ),
        )
    ),
    Case(
        test="test_options_doesnt_add_origin_when_domain_not_found_in_allowed_regexes",
        rule="a preflight of an origin that no pattern fits",
        configured={"CORS_ALLOWED_ORIGIN_REGEXES": [r"^https://\w+\.initech\.example$"]},
        exchange=preflight("https://sub.acme.example", method="GET"),
        theirs=_STOPS,
        outcome=_NOT_LISTED,
    ),
    Case(
        test="test_options_empty_request_method",
        rule="a preflight for no method, of an unlisted origin",
        exchange=preflight(UNLISTED, method=""),
        theirs=_STOPS,
        outcome=_NOT_LISTED,
    ),
    Case(
        test="test_options_no_headers",
        rule="an OPTIONS that is no preflight",
        exchange=_get(method="OPTIONS"),
        theirs=_RUNS,
        outcome=Refuses(405, "method_not_allowed", REFUSED | {"allow": "GET, POST, DELETE, OPTIONS"}),
        reason="there the view says that it does not take OPTIONS; here the gate does",
    ),
    Case(
        test="test_allow_all_origins_get",
        rule="a GET that looks like a preflight where all origins may send cookies",
        endpoint="token-any",
        configured=_ALL_WITH_COOKIES,
        exchange=_get(origin(UNLISTED), ("Access-Control-Request-Method", "GET")),
        theirs=_READS_WITH_COOKIES,
        outcome=admits(ANY, page("*")),
        reason=_NEVER_STAR_WITH_COOKIES,
    ),
    Case(
        test="test_allow_all_origins_options",
        rule="a preflight where all origins may send cookies",
        endpoint="token-any",
        configured=_ALL_WITH_COOKIES,
        exchange=preflight(UNLISTED, method="GET"),
        theirs=_GOES_ON._replace(credentials=True),
        outcome=Grants(lists("*")),
        reason=_NEVER_STAR_WITH_COOKIES,
    ),
    Case(
        test="test_non_200_headers_still_set",
        rule="a page may read why it is refused",
        configured={"CORS_ALLOWED_ORIGINS": [APP.url], "CORS_ALLOW_CREDENTIALS": True},
        exchange=get(origin(APP)),
        theirs=_READS_WITH_COOKIES,
        outcome=unknown_caller(page_with_cookies(APP)),
        reason="the page reads a 401 both times; there it is the view's, here the gate's and no view runs",
    ),
    Case(
        test="test_auth_view_options",
        rule="a preflight carries no credential and needs none",
        configured=_LISTED,
        exchange=preflight(PLAIN, method="GET"),
        theirs=_GOES_ON,
        outcome=Grants(lists(PLAIN)),
    ),
    Case(
        test="test_signal_handler_that_returns_false",
        rule="a preflight that no hook lets in",
        configured={"hook": False},
        exchange=preflight(UNLISTED, method="GET"),
        theirs=_STOPS,
        outcome=_NOT_LISTED,
    ),
    Case(
        test="test_signal_handler_that_returns_true",
        rule="a preflight that a hook lets in",
        configured={"hook": True},
        exchange=preflight(UNLISTED, method="GET"),
        theirs=_GOES_ON,
        outcome=_NOT_LISTED,
        reason=_NO_HOOK,
    ),
    Case(
        test="test_signal_handler_allow_some_urls_to_everyone",
        rule="a preflight to a path that is not for everybody",
        configured=_LISTED,
        exchange=preflight(UNLISTED, method="GET"),
        theirs=_STOPS,
        outcome=_NOT_LISTED,
    ),
    Case(
        test="test_signal_handler_allow_some_urls_to_everyone",
        rule="a preflight to a path that is for everybody",
        endpoint="token-any",
        configured=_LISTED | {"hook": True},
        exchange=preflight(UNLISTED, method="GET"),
        theirs=_GOES_ON,
        outcome=Grants(lists("*")),
    ),
    Case(
        test="test_get_regex_matches",
        rule="a GET to a path for which the origin is listed",
        configured=_LISTED | {"CORS_URLS_REGEX": "^/mcp$"},
        exchange=_get(origin(PLAIN)),
        theirs=_READS,
        outcome=admits(ANY, page(PLAIN)),
    ),
    Case(
        test="test_get_regex_doesnt_match",
        rule="a GET to a path for which the origin is not listed",
        configured={"CORS_ALLOWED_ORIGINS": [ELSEWHERE.url], "CORS_URLS_REGEX": "^/elsewhere$"},
        exchange=_get(origin(ELSEWHERE)),
        theirs=_RUNS._replace(varies=False),
        outcome=_NOT_LISTED,
        reason=_NOT_RUN,
    ),
    Case(
        test="test_get_regex_matches_path_info",
        rule="a GET below a prefix that nobody declared",
        configured=_LISTED | {"CORS_URLS_REGEX": "^/mcp$"},
        exchange=_get(origin(PLAIN), root_path="/prefix"),
        theirs=_READS,
        outcome=Refuses(400, "head_malformed", REFUSED),
        reason="a prefix has to be in ROOT_PATHS: a server takes it from a header of the client",
    ),
]

OTHERS: Final = {
    "test_signal_called_once_during_normal_flow": "counts the calls of a hook; there is none here",
    "test_get_short_circuit": "about another middleware that answers before theirs",
    "test_get_short_circuit_should_be_ignored": "about another middleware that answers before theirs",
    "test_cors_enabled_is_attached_and_bool": "about an attribute of the request that is private to them",
    "test_works_if_view_deletes_cors_enabled": "about an attribute of the request that is private to them",
}
"""Tests that ask nothing of a request, and what they are about."""
