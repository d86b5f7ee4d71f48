"""The setting ``MCP_GUARD``: read once, parsed into values, every mistake reported with its place.

``config()`` raises ``ImproperlyConfigured`` with the first mistake; the system checks list them all.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import Enum
from typing import Any, Final, TypeVar

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.signals import setting_changed

from mcp_guard.policy.endpoint import (
    DEFAULT_METHODS,
    Carrier,
    Endpoint,
    HostRules,
    Limits,
    MissingOrigin,
    Network,
    Profile,
)

TOP_LEVEL_KEYS: Final = {
    "ENDPOINTS": "the guarded endpoints by name",
    "TRUSTED_PROXIES": "networks whose forwarded headers count",
    "ROOT_PATHS": "values of root_path (SCRIPT_NAME) that the server itself sets",
    "MAX_AGE": "seconds after which an unrefreshed policy answers 503",
    "POLL_INTERVAL": "seconds between two looks at the revision",
    "TOKEN_DAYS": "days until a token expires when nothing else is said",
    "TOKEN_MAX_DAYS": "longest life of a token in days",
}
"""Every key of ``MCP_GUARD`` and what it is; the documentation is checked against it."""

ENDPOINT_KEYS: Final = {
    "profile": "how the endpoint is exposed",
    "hosts": "accepted values of Host; default ALLOWED_HOSTS",
    "methods": "HTTP methods it answers; default GET, POST, DELETE",
    "missing_origin": "what a request without Origin needs, by transport",
    "any_origin": "token profile only: every origin may call, without credentials",
    "ws_credentials": "carriers of a WebSocket credential",
    "token_every_message": "every WebSocket message carries its token",
    "token_header": "a second header that may carry a token",
    "public_scopes": "scopes of a request without a credential",
    "forward_authorization": "the inner application does its own OAuth",
    "require_tls": "plain HTTP is refused",
    "limits": "bounds of bodies, messages and waits",
    "report_only": "until when unlisted origins are let in and reported (ISO date, at most 14 days)",
    "extra_headers": "further request headers a preflight grants",
}
"""Every key of an endpoint and what it is; the documentation is checked against it."""

REPORT_ONLY_DAYS: Final = 14
"""Longest report-only phase in days."""

NAME: Final = re.compile(r"[a-z][a-z0-9_.-]{0,62}")
"""Grammar of an endpoint's name."""

_METHOD = re.compile(r"[A-Z]{1,20}")
_HEADER_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,62}[A-Za-z0-9])?")
_HOST = re.compile(r"(?:\[[0-9a-f:.]+\]|[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?)(:[1-9][0-9]{0,4})?")
_SUFFIX = re.compile(r"\.[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?")
_LOOPBACK: Final = (".localhost", "127.0.0.1", "[::1]")

E = TypeVar("E", bound=Enum)


class ProblemKind(Enum):
    """What is wrong with a setting; each kind is one system check."""

    MALFORMED = "malformed"
    UNKNOWN_KEY = "unknown_key"
    UNKNOWN_PROFILE = "unknown_profile"
    CONTRADICTION = "contradiction"
    NO_HOSTS = "no_hosts"


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake in the settings: where, what, and what to write instead."""

    kind: ProblemKind
    where: str
    text: str
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Config:
    """What ``MCP_GUARD`` says. ``problems`` is empty when all of it could be used."""

    endpoints: Mapping[str, Endpoint]
    max_age: float = 10.0
    poll_interval: float = 1.0
    token_days: int = 90
    token_max_days: int = 90
    problems: tuple[Problem, ...] = ()


@dataclass(slots=True)
class _Reader:
    """Reads one dict of the settings and collects what is wrong with it."""

    where: str
    values: Mapping[str, Any]
    problems: list[Problem] = field(default_factory=list)

    def wrong(self, key: str, text: str, hint: str = "", kind: ProblemKind = ProblemKind.MALFORMED) -> None:
        self.problems.append(Problem(kind, f"{self.where}[{key!r}]", text, hint))

    def refuse_unknown(self, known: Mapping[str, str]) -> None:
        for key in self.values:
            if key not in known:
                hint = f"Known keys: {', '.join(sorted(known))}."
                self.wrong(str(key), "is not a setting", hint, ProblemKind.UNKNOWN_KEY)

    def read(self, key: str, default: Any, accept: Callable[[Any], bool], what: str) -> Any:
        value = self.values.get(key, default)
        if accept(value):
            return value
        self.wrong(key, f"is {_shown(value)}, not {what}")
        return default

    def flag(self, key: str) -> bool:
        return bool(self.read(key, False, lambda v: isinstance(v, bool), "True or False"))

    def number(self, key: str, default: float, low: float, high: float) -> float:
        what = f"a number from {low:g} to {high:g}"
        return float(self.read(key, default, lambda v: _is_number(v) and low <= v <= high, what))

    def texts(self, key: str, default: tuple[str, ...] = ()) -> tuple[str, ...]:
        return tuple(self.read(key, default, _is_list_of_text, "a list of strings"))

    def choice(self, key: str, options: type[E], default: E) -> E:
        value = self.values.get(key, default.value)
        for option in options:
            if option.value == value:
                return option
        known = ", ".join(repr(option.value) for option in options)
        self.wrong(key, f"is {_shown(value)}, not one of {known}")
        return default


_cached: Config | None = None


def config() -> Config:
    """Return the parsed setting.

    Raises:
        ImproperlyConfigured: with the first problem; a guard that guesses would be none.
    """
    parsed = parse()
    if parsed.problems:
        first = parsed.problems[0]
        raise ImproperlyConfigured(f"{first.where} {first.text}. {first.hint}".strip())
    return parsed


def parse() -> Config:
    """Return the parsed setting with its problems, reading it anew only after it changed."""
    global _cached  # noqa: PLW0603 (one parse for each process)
    if _cached is None:
        _cached = _parse(getattr(settings, "MCP_GUARD", {}))
    return _cached


def endpoint(name: str) -> Endpoint:
    """Return the endpoint of that name.

    Raises:
        ImproperlyConfigured: when the settings declare none of that name.
    """
    endpoints = config().endpoints
    if name not in endpoints:
        known = ", ".join(sorted(endpoints)) or "none"
        raise ImproperlyConfigured(f"MCP_GUARD declares no endpoint {name!r}. Declared: {known}.")
    return endpoints[name]


def _forget(*, setting: str, **_: object) -> None:
    global _cached  # noqa: PLW0603 (see parse)
    if setting in {
        "MCP_GUARD", "ALLOWED_HOSTS", "DEBUG", "SESSION_COOKIE_NAME", "CSRF_COOKIE_NAME",
        "FORCE_SCRIPT_NAME",
    }:  # fmt: skip
        _cached = None


setting_changed.connect(_forget, dispatch_uid="mcp_guard.conf")


def _parse(raw: object) -> Config:
    if not isinstance(raw, dict):
        problem = Problem(ProblemKind.MALFORMED, "MCP_GUARD", f"is {_shown(raw)}, not a dict")
        return Config({}, problems=(problem,))
    reader = _Reader("MCP_GUARD", raw)
    reader.refuse_unknown(TOP_LEVEL_KEYS)
    proxies = _networks(reader)
    roots = frozenset(reader.texts("ROOT_PATHS", ("",))) | {settings.FORCE_SCRIPT_NAME or ""}
    declared = reader.read("ENDPOINTS", {}, lambda v: isinstance(v, dict), "a dict of endpoints")
    endpoints: dict[str, Endpoint] = {}
    for name, values in declared.items():
        where = f"MCP_GUARD['ENDPOINTS'][{name!r}]"
        inner = _Reader(where, values if isinstance(values, dict) else {})
        if not isinstance(name, str) or not NAME.fullmatch(name):
            inner.problems.append(
                Problem(ProblemKind.MALFORMED, where, "is not a name: lower case, digits, . _ -")
            )
        elif not isinstance(values, dict):
            inner.problems.append(Problem(ProblemKind.MALFORMED, where, f"is {_shown(values)}, not a dict"))
        else:
            endpoints[name] = _endpoint(name, inner, proxies, roots)
        reader.problems += inner.problems
    return Config(
        endpoints,
        max_age=reader.number("MAX_AGE", 10.0, 3, 300),
        poll_interval=reader.number("POLL_INTERVAL", 1.0, 0.05, 60),
        token_days=int(reader.number("TOKEN_DAYS", 90, 1, 3650)),
        token_max_days=int(reader.number("TOKEN_MAX_DAYS", 90, 1, 3650)),
        problems=tuple(reader.problems),
    )


def _endpoint(name: str, reader: _Reader, proxies: tuple[Network, ...], roots: frozenset[str]) -> Endpoint:
    reader.refuse_unknown(ENDPOINT_KEYS)
    missing = _missing_origin(reader)
    limits = _limits(reader)
    built = Endpoint(
        name=name,
        profile=_profile(reader),
        hosts=_hosts(reader),
        methods=_methods(reader),
        missing_origin_http=missing.choice("http", MissingOrigin, MissingOrigin.BEARER),
        missing_origin_ws=missing.choice("ws", MissingOrigin, MissingOrigin.REFUSE),
        any_origin=reader.flag("any_origin"),
        ws_credentials=_carriers(reader),
        token_every_message=reader.flag("token_every_message"),
        token_header=_token_header(reader),
        public_scopes=reader.texts("public_scopes"),
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
    )
    reader.problems += [
        Problem(ProblemKind.CONTRADICTION, reader.where, text, hint) for text, hint in contradictions(built)
    ]
    return built


def contradictions(endpoint: Endpoint) -> list[tuple[str, str]]:
    """Return what an endpoint says that cannot hold together, each with what to do about it."""
    profile, found = endpoint.profile, []
    if endpoint.any_origin and profile is not Profile.TOKEN:
        found.append((
            f"has any_origin with the profile {profile.value!r}",
            "any_origin is for the profile 'token', which never reads cookies.",
        ))  # fmt: skip
    if endpoint.public_scopes and profile in (Profile.BACKEND, Profile.LOCAL):
        found.append((
            f"has public_scopes with the profile {profile.value!r}",
            "Requests without a credential are never let in there; remove public_scopes.",
        ))  # fmt: skip
    if endpoint.forward_authorization and profile in (Profile.SAME_ORIGIN, Profile.PUBLIC):
        found.append((
            f"has forward_authorization with the profile {profile.value!r}",
            "The inner application sees no Authorization there; use 'token', 'partner' or 'backend'.",
        ))  # fmt: skip
    if endpoint.forward_authorization and endpoint.token_every_message:
        found.append((
            "has forward_authorization together with token_every_message",
            "The gate does not read tokens there; remove one of the two.",
        ))  # fmt: skip
    if endpoint.token_every_message and Carrier.MESSAGE not in endpoint.ws_credentials:
        found.append((
            "has token_every_message, but ws_credentials leaves out 'message'",
            "Add 'message' to ws_credentials.",
        ))  # fmt: skip
    if profile is Profile.PUBLIC and (endpoint.token_header or endpoint.token_every_message):
        found.append((
            "has a token setting with the profile 'public'",
            "Credentials are never read there; remove token_header and token_every_message.",
        ))  # fmt: skip
    return found


def _profile(reader: _Reader) -> Profile:
    value = reader.values.get("profile")
    for profile in Profile:
        if profile.value == value:
            return profile
    known = ", ".join(profile.value for profile in Profile)
    reader.wrong(
        "profile", f"is {_shown(value)}, not a profile", f"Profiles: {known}.", ProblemKind.UNKNOWN_PROFILE
    )
    return Profile.BACKEND


def _hosts(reader: _Reader) -> HostRules:
    if "hosts" in reader.values:
        hosts, source = reader.texts("hosts"), "hosts"
    else:
        hosts, source = tuple(settings.ALLOWED_HOSTS), "ALLOWED_HOSTS"
        if not hosts and settings.DEBUG:
            hosts = _LOOPBACK
    exact, names, suffixes = set(), set(), []
    for host in map(str.lower, hosts):
        found = _HOST.fullmatch(host)
        if host == "*":
            continue
        if _SUFFIX.fullmatch(host):
            suffixes.append(host.encode())
            names.add(host[1:].encode())
        elif found:
            (exact if found[1] else names).add(host.encode())
        else:
            reader.wrong("hosts", f"names {_shown(host)}, which is not a host", f"Taken from {source}.")
    if not exact and not names:
        reader.wrong(
            "hosts", f"names no host (from {source} = {list(hosts)!r})",
            "Name the hosts this endpoint is reached under; '*' names none, since a rebound name is a "
            "host too.", ProblemKind.NO_HOSTS,
        )  # fmt: skip
    return HostRules(frozenset(exact), frozenset(names), tuple(suffixes))


def _methods(reader: _Reader) -> tuple[str, ...]:
    methods = reader.texts("methods", DEFAULT_METHODS)
    for method in methods:
        if not _METHOD.fullmatch(method):
            reader.wrong("methods", f"has {_shown(method)}, not a method in upper case")
    return tuple(method for method in methods if _METHOD.fullmatch(method) and method != "OPTIONS")


def _missing_origin(reader: _Reader) -> _Reader:
    value = reader.read("missing_origin", {}, lambda v: isinstance(v, dict), "a dict with 'http' and 'ws'")
    inner = _Reader(f"{reader.where}['missing_origin']", value, reader.problems)
    inner.refuse_unknown({"http": "", "ws": ""})
    return inner


def _carriers(reader: _Reader) -> frozenset[Carrier]:
    known = {carrier.value: carrier for carrier in Carrier}
    default = ("header", "message", "ticket")
    carriers = []
    for name in reader.texts("ws_credentials", default):
        if name in known:
            carriers.append(known[name])
        else:
            reader.wrong("ws_credentials", f"has {_shown(name)}, not one of {', '.join(known)}")
    return frozenset(carriers)


def _token_header(reader: _Reader) -> bytes | None:
    value = reader.read(
        "token_header", None, lambda v: v is None or _is_header_name(v), "the name of a header, without _"
    )
    if value is None:
        return None
    if value.lower() in {"authorization", "cookie", "host", "origin", "content-type"}:
        reader.wrong("token_header", f"is {value!r}, which already has a meaning")
        return None
    return str(value).lower().encode()


def _headers(reader: _Reader) -> tuple[str, ...]:
    names = reader.texts("extra_headers")
    for name in names:
        if not _is_header_name(name):
            reader.wrong("extra_headers", f"has {_shown(name)}, not the name of a header")
    return tuple(filter(_is_header_name, names))


def _report_only(reader: _Reader) -> float:
    value = reader.values.get("report_only")
    if value is None:
        return 0.0
    try:
        until = datetime.fromisoformat(value)
    except (TypeError, ValueError):
        reader.wrong("report_only", f"is {_shown(value)}, not an ISO date such as '2030-01-31'")
        return 0.0
    return (until if until.tzinfo else until.replace(tzinfo=UTC)).timestamp()


def _limits(reader: _Reader) -> Limits:
    value = reader.read("limits", {}, lambda v: isinstance(v, dict), "a dict of bounds")
    inner = _Reader(f"{reader.where}['limits']", value, reader.problems)
    default = Limits()
    inner.refuse_unknown(dict.fromkeys(Limits.__slots__, ""))
    return Limits(
        body_bytes=int(inner.number("body_bytes", default.body_bytes, 1024, 1 << 30)),
        message_bytes=int(inner.number("message_bytes", default.message_bytes, 1024, 1 << 24)),
        first_message_seconds=inner.number("first_message_seconds", default.first_message_seconds, 0.1, 60),
    )


def _networks(reader: _Reader) -> tuple[Network, ...]:
    networks: list[Network] = []
    for text in reader.texts("TRUSTED_PROXIES"):
        try:
            networks.append(ipaddress.ip_network(text))
        except ValueError as error:
            reader.wrong("TRUSTED_PROXIES", f"has {_shown(text)}: {error}")
    return tuple(networks)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_list_of_text(value: object) -> bool:
    return isinstance(value, list | tuple | set | frozenset) and all(isinstance(v, str) for v in value)


def _is_header_name(value: object) -> bool:
    return isinstance(value, str) and _HEADER_NAME.fullmatch(value) is not None


def _shown(value: object) -> str:
    return repr(value)[:80]
