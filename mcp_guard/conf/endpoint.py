"""Build an endpoint from its settings."""

from __future__ import annotations

import ipaddress
import re
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from django.conf import settings

from mcp_guard.conf.contradictions import contradictions
from mcp_guard.conf.reader import Problem, ProblemKind, Reader, shown
from mcp_guard.policy.endpoint import (
    METHODS,
    WS_CREDENTIALS,
    AuditCalls,
    Carrier,
    Endpoint,
    HostRules,
    Messages,
    MissingOrigin,
    Network,
    Profile,
)
from mcp_guard.policy.headers import JOINED, SINGLE
from mcp_guard.policy.limits import Limits
from mcp_guard.policy.opening import REPORT_ONLY_SECONDS

ENDPOINT_KEYS: Final = {
    "profile": "how the endpoint is exposed",
    "hosts": "accepted values of Host; default ALLOWED_HOSTS",
    "messages": "what bodies are: 'mcp' messages, or 'http' for JSON of the application's own",
    "methods": "HTTP methods it answers; default GET, POST, DELETE",
    "missing_origin": "what a request without Origin needs, by transport",
    "any_origin": "token profile only: every origin may call, without credentials",
    "ws_credentials": "carriers of a WebSocket credential",
    "token_every_message": "every WebSocket message carries its token",
    "token_header": "a second header that may carry a token",
    "public_scopes": "scopes of a request without a credential",
    "local_scopes": "scopes of whoever presents the nonce of a local endpoint",
    "nonce_query": "whether the nonce may stand in the URL of a WebSocket",
    "require_nonce": "whether the nonce is needed besides another credential",
    "forward_authorization": "the inner application does its own OAuth",
    "require_tls": "plain HTTP is refused",
    "limits": "bounds of bodies, messages, sockets, calls and waits",
    "report_only": "until when unlisted origins are let in and reported (ISO date, at most 14 days)",
    "extra_headers": "further request headers a preflight grants",
    "audit_calls": "what is recorded of each call of a tool: 'off', 'calls' or 'arguments'",
}
"""Every key of an endpoint and what it is; the documentation is checked against it."""

REPORT_ONLY_DAYS: Final = REPORT_ONLY_SECONDS // 86400
"""Longest report-only phase in days."""

_METHOD = re.compile(r"[A-Z]{1,20}")
_HEADER_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,62}[A-Za-z0-9])?")
_HOST = re.compile(r"(?:\[[0-9a-f:.]+\]|[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?)(:[1-9][0-9]{0,4})?")
_SUFFIX = re.compile(r"\.[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?")
_COUNTS: Final = {
    "body_bytes": (1024, 1 << 30),
    "message_bytes": (1024, 1 << 24),
    "list_bytes": (1024, 1 << 30),
    "messages_per_second": (1, 1_000_000),
    "in_flight_bytes": (1024, 1 << 30),
    "sockets_per_principal": (1, 1_000_000),
    "calls_per_principal": (1, 1_000_000),
    "streams_per_principal": (1, 1_000_000),
    "tickets": (1, 10_000),
}
_SECONDS: Final = {
    "body_seconds": (0.1, 3600),
    "first_message_seconds": (0.1, 60),
    "idle_seconds": (1, 604_800),
    "socket_seconds": (1, 2_592_000),
    "send_seconds": (1, 3600),
    "call_seconds": (0.1, 604_800),
}
LOCAL_HOSTS: Final = ("localhost", "127.0.0.1", "[::1]")
"""Hosts of an endpoint with the profile local, each with the port that the server listens on."""

_LOOPBACK: Final = (".localhost", "127.0.0.1", "[::1]")


def build(name: str, reader: Reader, proxies: tuple[Network, ...], roots: frozenset[str]) -> Endpoint:
    """Return the endpoint that a dict of settings describes; what is wrong with it goes to the reader."""
    reader.refuse_unknown(ENDPOINT_KEYS)
    missing = _missing_origin(reader)
    limits = _limits(reader)
    messages = reader.choice("messages", Messages, Messages.MCP)
    profile = _profile(reader)
    built = Endpoint(
        name=name,
        profile=profile,
        hosts=_hosts(reader, profile),
        messages=messages,
        methods=_methods(reader, METHODS[messages]),
        missing_origin_http=missing.choice("http", MissingOrigin, MissingOrigin.BEARER),
        missing_origin_ws=missing.choice("ws", MissingOrigin, _missing_in_sockets(profile)),
        any_origin=reader.flag("any_origin"),
        ws_credentials=_carriers(reader),
        token_every_message=reader.flag("token_every_message"),
        token_header=_token_header(reader),
        public_scopes=reader.texts("public_scopes"),
        local_scopes=reader.texts("local_scopes"),
        nonce_query=reader.flag("nonce_query"),
        require_nonce=reader.flag("require_nonce"),
        forward_authorization=reader.flag("forward_authorization"),
        require_tls=reader.flag("require_tls"),
        report_only_until=_report_only(reader),
        session_cookie=settings.SESSION_COOKIE_NAME.encode(),
        stripped_cookies=frozenset(
            {settings.SESSION_COOKIE_NAME.encode(), settings.CSRF_COOKIE_NAME.encode()}
        ),
        trusted_proxies=proxies,
        root_paths=roots,
        extra_headers=tuple(header.lower() for header in _headers(reader)),
        limits=limits,
        audit_calls=reader.choice("audit_calls", AuditCalls, AuditCalls.OFF),
    )
    if reader.values.get("profile") == built.profile.value:  # nothing contradicts a profile that is unknown
        reader.problems += [
            Problem(ProblemKind.CONTRADICTION, reader.where, text, hint)
            for text, hint in contradictions(built)
        ]
    return built


def _profile(reader: Reader) -> Profile:
    """Return the profile; for an unknown one the one that lets in the fewest, beside the problem."""
    value = reader.values.get("profile")
    for profile in Profile:
        if profile.value == value:
            return profile
    known = ", ".join(profile.value for profile in Profile)
    reader.wrong(
        "profile", f"is {shown(value)}, not a profile", f"Profiles: {known}.", ProblemKind.UNKNOWN_PROFILE
    )
    return Profile.BACKEND


def _hosts(reader: Reader, profile: Profile) -> HostRules:
    hosts: tuple[Any, ...]  # ALLOWED_HOSTS holds what an environment left out, too
    if "hosts" in reader.values:
        hosts, source = reader.texts("hosts"), "hosts"
    elif profile is Profile.LOCAL:
        hosts, source = LOCAL_HOSTS, "the profile"
    else:
        hosts, source = tuple(settings.ALLOWED_HOSTS), "ALLOWED_HOSTS"
        if not hosts and settings.DEBUG:
            hosts = _LOOPBACK
    exact: set[bytes] = set()
    names: set[bytes] = set()
    suffixes: list[bytes] = []
    for named in hosts:
        host = named.lower() if isinstance(named, str) else ""
        found = _HOST.fullmatch(host)
        if host == "*":
            continue
        if _SUFFIX.fullmatch(host):
            suffixes.append(host.encode())
            names.add(host[1:].encode())
        elif found:
            (exact if found[1] else names).add(host.encode())
        else:
            reader.wrong("hosts", f"names {shown(named)}, which is not a host", f"Taken from {source}.")
    if not exact and not names:
        reader.wrong(
            "hosts", f"names no host (from {source} = {list(hosts)!r})",
            "Name the hosts this endpoint is reached under; '*' names none, since a rebound name is a "
            "host too.", ProblemKind.NO_HOSTS,
        )  # fmt: skip
    return HostRules(frozenset(exact), frozenset(names), tuple(suffixes))


def _methods(reader: Reader, default: tuple[str, ...]) -> tuple[str, ...]:
    methods = reader.texts("methods", default)
    for method in methods:
        if not _METHOD.fullmatch(method):
            reader.wrong("methods", f"has {shown(method)}, not a method in upper case")
    return tuple(method for method in methods if _METHOD.fullmatch(method) and method != "OPTIONS")


def _missing_origin(reader: Reader) -> Reader:
    value = reader.read("missing_origin", {}, lambda v: isinstance(v, dict), "a dict with 'http' and 'ws'")
    inner = Reader(f"{reader.where}['missing_origin']", value, reader.problems)
    inner.refuse_unknown({"http": "", "ws": ""})
    return inner


def _missing_in_sockets(profile: Profile) -> MissingOrigin:
    """Return what a WebSocket without Origin needs by default: only browsers are sure to send one."""
    without_pages = profile in (Profile.BACKEND, Profile.LOCAL)
    return MissingOrigin.BEARER if without_pages else MissingOrigin.REFUSE


def _carriers(reader: Reader) -> frozenset[Carrier]:
    known = {carrier.value: carrier for carrier in Carrier}
    default = tuple(carrier.value for carrier in WS_CREDENTIALS)
    carriers = []
    for name in reader.texts("ws_credentials", default):
        if name in known:
            carriers.append(known[name])
        else:
            reader.wrong("ws_credentials", f"has {shown(name)}, not one of {', '.join(known)}")
    return frozenset(carriers)


def _token_header(reader: Reader) -> bytes | None:
    value = reader.read(
        "token_header", None, lambda v: v is None or _is_header_name(v), "the name of a header, without _"
    )
    if value is None:
        return None
    if value.lower().encode() in SINGLE | JOINED.keys():
        reader.wrong("token_header", f"is {value!r}, which already has a meaning")
        return None
    return str(value).lower().encode()


def _headers(reader: Reader) -> tuple[str, ...]:
    names = reader.texts("extra_headers")
    for name in names:
        if not _is_header_name(name):
            reader.wrong("extra_headers", f"has {shown(name)}, not the name of a header")
    return tuple(filter(_is_header_name, names))


def _report_only(reader: Reader) -> float:
    value = reader.values.get("report_only")
    if value is None:
        return 0.0
    try:
        until = datetime.fromisoformat(value)
    except (TypeError, ValueError):
        reader.wrong("report_only", f"is {shown(value)}, not an ISO date such as '2030-01-31'")
        return 0.0
    until = until if until.tzinfo else until.replace(tzinfo=UTC)
    if until > datetime.now(UTC) + timedelta(days=REPORT_ONLY_DAYS):
        reader.wrong("report_only", f"is {shown(value)}, more than {REPORT_ONLY_DAYS} days ahead")
        return 0.0
    return max(0.0, until.timestamp())


def _limits(reader: Reader) -> Limits:
    value = reader.read("limits", {}, lambda v: isinstance(v, dict), "a dict of bounds")
    inner = Reader(f"{reader.where}['limits']", value, reader.problems)
    default = Limits()
    inner.refuse_unknown(dict.fromkeys(Limits.__slots__, ""))
    values: dict[str, Any] = {
        **{key: inner.count(key, getattr(default, key), low, high) for key, (low, high) in _COUNTS.items()},
        **{key: inner.number(key, getattr(default, key), low, high) for key, (low, high) in _SECONDS.items()},
    }
    return Limits(**values)


def networks(reader: Reader) -> tuple[Network, ...]:
    """Return the networks of the trusted proxies."""
    found: list[Network] = []
    for text in reader.texts("TRUSTED_PROXIES"):
        try:
            found.append(ipaddress.ip_network(text))
        except ValueError as error:
            reader.wrong("TRUSTED_PROXIES", f"has {shown(text)}: {error}")
    return tuple(found)


def _is_header_name(value: object) -> bool:
    return isinstance(value, str) and _HEADER_NAME.fullmatch(value) is not None
