"""The setting ``MCP_GUARD``: read once, parsed into values, every mistake reported with its place.

``config()`` raises ``ImproperlyConfigured`` with the first mistake; the system checks list them all.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.signals import setting_changed

from mcp_guard.conf.endpoint import ENDPOINT_KEYS, REPORT_ONLY_DAYS, build, networks
from mcp_guard.conf.reader import Problem, ProblemKind, Reader, shown
from mcp_guard.policy.endpoint import Endpoint

__all__ = [
    "CONFIGURING_SETTINGS",
    "ENDPOINT_KEYS",
    "NAME",
    "REPORT_ONLY_DAYS",
    "TOP_LEVEL_KEYS",
    "Config",
    "Problem",
    "ProblemKind",
    "config",
    "endpoint",
    "parse",
]

TOP_LEVEL_KEYS: Final = {
    "ENDPOINTS": "the guarded endpoints by name",
    "TRUSTED_PROXIES": "networks whose forwarded headers count",
    "ROOT_PATHS": "values of root_path (SCRIPT_NAME) that the server itself sets",
    "MAX_AGE": "seconds after which an unrefreshed policy answers 503",
    "POLL_INTERVAL": "seconds between two looks at the revision",
    "PUSH": "whether changes are pushed to other processes, besides being polled",
    "SHARED_COUNTER": "whether the processes of one host tell each other of changes through shared memory",
    "TOKENS_IN_MEMORY": "how many token secrets a process holds; the others are looked up",
    "TOKEN_DAYS": "days until a token expires when nothing else is said",
    "TOKEN_MAX_DAYS": "longest life of a token in days",
}
"""Every key of ``MCP_GUARD`` and what it is; the documentation is checked against it."""

CONFIGURING_SETTINGS: Final = frozenset(
    {
        "MCP_GUARD",
        "ALLOWED_HOSTS",
        "DEBUG",
        "SESSION_COOKIE_NAME",
        "CSRF_COOKIE_NAME",
        "FORCE_SCRIPT_NAME",
    }
)
"""Settings that an endpoint is built from."""

NAME: Final = re.compile(r"[a-z][a-z0-9_.-]{0,62}")
"""Grammar of an endpoint's name."""


@dataclass(frozen=True, slots=True)
class Config:
    """What ``MCP_GUARD`` says. ``problems`` is empty when all of it could be used."""

    endpoints: Mapping[str, Endpoint]
    max_age: float = 10.0
    poll_interval: float = 1.0
    push: bool = True
    shared_counter: bool = True
    tokens_in_memory: int = 100_000
    token_days: int = 90
    token_max_days: int = 90
    problems: tuple[Problem, ...] = ()


_cached: tuple[Config, list[str]] | None = None


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
    """Return the parsed setting with its problems, reading it anew only after it changed.

    Django's test runner replaces ALLOWED_HOSTS without a signal, hence the look at it.
    """
    global _cached  # noqa: PLW0603 (one parse for each process)
    hosts = settings.ALLOWED_HOSTS
    if _cached is None or _cached[1] is not hosts:
        _cached = _parse(getattr(settings, "MCP_GUARD", {})), hosts
    return _cached[0]


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
    if setting in CONFIGURING_SETTINGS:
        _cached = None


setting_changed.connect(_forget, dispatch_uid="mcp_guard.conf")


def _parse(raw: object) -> Config:
    if not isinstance(raw, dict):
        problem = Problem(ProblemKind.MALFORMED, "MCP_GUARD", f"is {shown(raw)}, not a dict")
        return Config({}, problems=(problem,))
    reader = Reader("MCP_GUARD", raw)
    reader.refuse_unknown(TOP_LEVEL_KEYS)
    proxies = networks(reader)
    roots = frozenset(reader.texts("ROOT_PATHS", ("",))) | {settings.FORCE_SCRIPT_NAME or ""}
    declared = reader.read("ENDPOINTS", {}, lambda v: isinstance(v, dict), "a dict of endpoints")
    endpoints: dict[str, Endpoint] = {}
    for name, values in declared.items():
        where = f"MCP_GUARD['ENDPOINTS'][{name!r}]"
        inner = Reader(where, values if isinstance(values, dict) else {})
        if not isinstance(name, str) or not NAME.fullmatch(name):
            inner.problems.append(
                Problem(ProblemKind.MALFORMED, where, "is not a name: lower case, digits, . _ -")
            )
        elif not isinstance(values, dict):
            inner.problems.append(Problem(ProblemKind.MALFORMED, where, f"is {shown(values)}, not a dict"))
        else:
            endpoints[name] = build(name, inner, proxies, roots)
        reader.problems += inner.problems
    token_days, token_max_days = _token_days(reader)
    return Config(
        endpoints,
        max_age=reader.number("MAX_AGE", 10.0, 3, 300),
        poll_interval=reader.number("POLL_INTERVAL", 1.0, 0.05, 60),
        push=reader.flag("PUSH", default=True),
        shared_counter=reader.flag("SHARED_COUNTER", default=True),
        tokens_in_memory=reader.count("TOKENS_IN_MEMORY", 100_000, 1, 10_000_000),
        token_days=token_days,
        token_max_days=token_max_days,
        problems=tuple(reader.problems),
    )


def _token_days(reader: Reader) -> tuple[int, int]:
    """Return how long a token lives by default and at most, in days."""
    days, longest = reader.count("TOKEN_DAYS", 90, 1, 3650), reader.count("TOKEN_MAX_DAYS", 90, 1, 3650)
    if days > longest:
        text = f"is {days}, more than TOKEN_MAX_DAYS, which is {longest}"
        hint = "No token could be issued without saying when it expires."
        reader.wrong("TOKEN_DAYS", text, hint, ProblemKind.CONTRADICTION)
    return days, longest
