"""The setting ``MCP_GUARD``: read once, parsed into values, every mistake reported with its place.

``config()`` raises ``ImproperlyConfigured`` with the first mistake; the system checks list them all.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import Any, Final

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.signals import setting_changed

from mcp_guard.conf.destinations import Destination, Rule, destinations, rules
from mcp_guard.conf.endpoint import ENDPOINT_KEYS, REPORT_ONLY_DAYS, build, networks
from mcp_guard.conf.reader import Problem, ProblemKind, Reader, shown
from mcp_guard.conf.servers import Servers, servers
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
    "read",
]

TOP_LEVEL_KEYS: Final = {
    "ENDPOINTS": "the guarded endpoints by name",
    "TRUSTED_PROXIES": "networks whose forwarded headers count",
    "ROOT_PATHS": "values of root_path (SCRIPT_NAME) that the server itself sets",
    "NONCE_FILE": "where the nonce of local endpoints is written",
    "MAX_AGE": "seconds after which an unrefreshed policy answers 503",
    "POLL_INTERVAL": "seconds between two looks at the revision",
    "PUSH": "whether changes are pushed to other processes, besides being polled",
    "SHARED_COUNTER": "whether the processes of one host tell each other of changes through shared memory",
    "TOKENS_IN_MEMORY": "how many token secrets a process holds; the others are looked up",
    "SOCKETS": "how many WebSockets a process has open at most",
    "SOCKETS_PER_ADDRESS": "how many WebSockets of one address a process has open at most",
    "FAILURES_PER_ADDRESS": "failed authentications of one address in a minute, past which 401 becomes 429",
    "FAILURES_PER_TOKEN": "failed authentications with one token in a minute, past which 401 becomes 429",
    "TOKEN_DAYS": "days until a token expires when nothing else is said",
    "TOKEN_MAX_DAYS": "longest life of a token in days",
    "TOKEN_WARN_DAYS": "how many days before its end a token counts as expiring soon",
    "REFUSAL_ROWS": "how many rows the inbox of refusals has at most; the others are counted as rest",
    "REFUSAL_ROWS_PER_HOUR": "how many new rows the inbox of refusals gets within an hour",
    "REFUSAL_DAYS": "days after which a refusal that did not come again leaves the inbox",
    "SHIP": "where audit events are shipped to, by name",
    "ALERT_ON": "which audit events alert",
    "AUDIT_DAYS": "days for which audit events are kept; 0 is for ever",
    "AUDIT_ROWS": "how many audit events are kept at most; 0 is any number",
    "AUDIT_KEYS": "secrets that authenticate the audit chain, the one in use first",
    "SERVERS": "profile and further keys of the endpoints of registered servers",
    "SERVERS_NEED_APPROVAL": "whether a second person has to approve what a registered server runs",
    "SERVERS_LEVEL": "the loosest confinement that a registered server may have",
    "SERVER_ROWS": "how many servers may be registered",
    "SERVER_PROCESSES": "how many processes of registered servers run in a process of the portal at most",
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

NONCE_FILE: Final = "~/.config/mcp-guard/ws-nonce"
"""Where the nonce of local endpoints is written when nothing else is said."""

NAME: Final = re.compile(r"[a-z][a-z0-9_.-]{0,62}")
"""Grammar of an endpoint's name."""


@dataclass(frozen=True, slots=True)
class Config:
    """What ``MCP_GUARD`` says. ``problems`` is empty when all of it could be used."""

    endpoints: Mapping[str, Endpoint]
    nonce_file: str = NONCE_FILE
    max_age: float = 10.0
    poll_interval: float = 1.0
    push: bool = True
    shared_counter: bool = True
    tokens_in_memory: int = 100_000
    sockets: int = 10_000
    sockets_per_address: int = 200
    failures_per_address: int = 60
    failures_per_token: int = 20
    token_days: int = 90
    token_max_days: int = 90
    token_warn_days: int = 30
    refusal_rows: int = 10_000
    refusal_rows_per_hour: int = 500
    refusal_days: int = 30
    ship: Mapping[str, Destination] = field(default_factory=dict)
    alert_on: tuple[Rule, ...] = ()
    audit_days: int = 400
    audit_rows: int = 5_000_000
    audit_keys: tuple[str, ...] = field(default=(), repr=False)
    servers: Servers = field(default_factory=Servers)
    problems: tuple[Problem, ...] = ()

    @property
    def described(self) -> tuple[Endpoint, ...]:
        """Every endpoint that the settings describe; that of registered servers stands for all of them."""
        of_servers = self.servers.endpoint
        return (*self.endpoints.values(), *(() if of_servers is None else (of_servers,)))


_cached: tuple[Config, list[str]] | None = None

_settings: Final = vars(settings)
"""What was read of Django's settings; Django empties it whenever they are overridden.

To look a setting up here takes a tenth of the time that the settings object takes.
"""

_NOT_READ: Final[Any] = object()


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
        _cached = read(getattr(settings, "MCP_GUARD", {})), hosts
    return _cached[0]


def endpoint(name: str) -> Endpoint:
    """Return the endpoint of that name. Whether a server is registered under one, the snapshot tells.

    Raises:
        ImproperlyConfigured: when the settings declare none of that name.
    """
    parsed, hosts = _cached or (None, None)  # looked at here, too, as this is asked for each request
    if parsed is None or parsed.problems or hosts is not _settings.get("ALLOWED_HOSTS"):
        parsed = config()
    found = parsed.endpoints.get(name) or parsed.servers.made_for(name)
    if found is None:
        known = ", ".join(sorted(parsed.endpoints)) or "none"
        raise ImproperlyConfigured(f"MCP_GUARD declares no endpoint {name!r}. Declared: {known}.")
    return found


def forced_script_name() -> str | None:
    """Return what stands for the script prefix whatever the server says, None or empty where nothing does."""
    found: str | None = _settings.get("FORCE_SCRIPT_NAME", _NOT_READ)
    return settings.FORCE_SCRIPT_NAME if found is _NOT_READ else found


def root_urlconf() -> str:
    """Return the project's own URLconf."""
    found: str | None = _settings.get("ROOT_URLCONF")
    return settings.ROOT_URLCONF if found is None else found


def _forget(*, setting: str, **_: object) -> None:
    global _cached  # noqa: PLW0603 (see parse)
    if setting in CONFIGURING_SETTINGS:
        _cached = None


setting_changed.connect(_forget, dispatch_uid="mcp_guard.conf")


def read(raw: object) -> Config:
    """Return what ``raw`` would say as the setting, with its problems; the one that is in force stays."""
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
        nonce_file=reader.read("NONCE_FILE", NONCE_FILE, _is_file_name, "a file in a folder of its own"),
        max_age=reader.number("MAX_AGE", 10.0, 3, 300),
        poll_interval=reader.number("POLL_INTERVAL", 1.0, 0.05, 60),
        push=reader.flag("PUSH", default=True),
        shared_counter=reader.flag("SHARED_COUNTER", default=True),
        tokens_in_memory=reader.count("TOKENS_IN_MEMORY", 100_000, 1, 10_000_000),
        sockets=reader.count("SOCKETS", 10_000, 1, 1_000_000),
        sockets_per_address=reader.count("SOCKETS_PER_ADDRESS", 200, 1, 1_000_000),
        failures_per_address=reader.count("FAILURES_PER_ADDRESS", 60, 1, 1_000_000),
        failures_per_token=reader.count("FAILURES_PER_TOKEN", 20, 1, 1_000_000),
        token_days=token_days,
        token_max_days=token_max_days,
        token_warn_days=reader.count("TOKEN_WARN_DAYS", 30, 1, 3650),
        refusal_rows=reader.count("REFUSAL_ROWS", 10_000, 100, 20_000),
        refusal_rows_per_hour=reader.count("REFUSAL_ROWS_PER_HOUR", 500, 10, 10_000),
        refusal_days=reader.count("REFUSAL_DAYS", 30, 1, 3650),
        ship=destinations(reader),
        alert_on=rules(reader, "ALERT_ON"),
        audit_days=reader.count("AUDIT_DAYS", 400, 0, 36_500),
        audit_rows=reader.count("AUDIT_ROWS", 5_000_000, 0, 1_000_000_000),
        audit_keys=_audit_keys(reader),
        servers=servers(reader, declared, proxies, roots),
        problems=tuple(reader.problems),
    )


def _audit_keys(reader: Reader) -> tuple[str, ...]:
    """Return the secrets of the audit chain; what is wrong with one is said without showing it."""
    keys: object = reader.values.get("AUDIT_KEYS", ())
    if isinstance(keys, list | tuple) and all(isinstance(key, str) and len(key) >= 32 for key in keys):
        return tuple(keys)
    reader.wrong("AUDIT_KEYS", "is not a list of strings of at least 32 characters each")
    return ()


def _is_file_name(value: object) -> bool:
    path = PurePath(value) if isinstance(value, str) else PurePath()
    return (path.is_absolute() and bool(path.name)) or (path.parts[:1] == ("~",) and len(path.parts) > 1)


def _token_days(reader: Reader) -> tuple[int, int]:
    """Return how long a token lives by default and at most, in days."""
    days, longest = reader.count("TOKEN_DAYS", 90, 1, 3650), reader.count("TOKEN_MAX_DAYS", 90, 1, 3650)
    if days > longest:
        text = f"is {days}, more than TOKEN_MAX_DAYS, which is {longest}"
        hint = "No token could be issued without saying when it expires."
        reader.wrong("TOKEN_DAYS", text, hint, ProblemKind.CONTRADICTION)
    return days, longest
