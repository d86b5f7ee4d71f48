"""What the screens show of each endpoint: what the settings declare, what rows say about it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db.models import Count, Q, QuerySet

from mcp_guard import conf
from mcp_guard.admin import states
from mcp_guard.endpoints import endpoints_of
from mcp_guard.models import AllowedOrigin, EndpointState, Token
from mcp_guard.policy.endpoint import Endpoint, Profile


@dataclass(frozen=True, slots=True)
class EndpointRow:
    """One line of the screen. ``declared`` is None for a name that only rows know.

    ``report_only_until`` is what holds: the row's where there is one, else the setting's; None enforces.
    """

    name: str
    declared: Endpoint | None
    report_only_until: datetime | None
    origins: int
    tokens: int
    now: datetime

    @property
    def reports_only(self) -> bool:
        """Whether unlisted origins are let in now; the gate ignores a moment that lies too far ahead."""
        longest = self.now + timedelta(days=conf.REPORT_ONLY_DAYS)
        return self.report_only_until is not None and self.now < self.report_only_until <= longest

    @property
    def asks_allowlist(self) -> bool:
        """Whether it matters if an origin is listed; where it does not, report-only changes nothing."""
        if self.declared is None or self.declared.opens_to_all_origins:
            return False
        return self.declared.profile is not Profile.BACKEND

    @property
    def hosts(self) -> list[str]:
        """The values of Host it answers to, subdomains as ``.name``."""
        if self.declared is None:
            return []
        rules = self.declared.hosts
        shown = {host.decode() for host in rules.exact | rules.names} | {s.decode() for s in rules.suffixes}
        return sorted(shown - {s.decode()[1:] for s in rules.suffixes})

    @property
    def facts(self) -> list[tuple[str, str]]:
        """What else the settings say, by the name of the key."""
        return [] if self.declared is None else _facts(self.declared)


def rows(now: datetime) -> list[EndpointRow]:
    """Return every declared endpoint, then the names that only rows know."""
    declared = endpoints_of(conf.parse())
    stored = dict(EndpointState.objects.values_list("name", "report_only_until"))
    origins = _count(AllowedOrigin.objects.filter(_working(states.origins_in, now)))
    tokens = _count(Token.objects.filter(_working(states.tokens_in, now)))
    named = [*sorted(declared), *sorted({*stored, *origins, *tokens} - {*declared})]
    return [
        EndpointRow(
            name, declared.get(name), _until(name, declared, stored), origins[name], tokens[name], now
        )
        for name in named
    ]


def _working(condition: Any, now: datetime) -> Q:
    found = Q(pk__in=[])
    for state in states.WORKING:
        found |= condition(state, now)
    return found


def _count(found: QuerySet[Any]) -> Counter[str]:
    """Return how many rows name each endpoint, asking for each distinct list once."""
    counted: Counter[str] = Counter()
    for names, count in found.order_by().values_list("endpoints").annotate(count=Count("pk")):
        for name in _names(names):
            counted[name] += count
    return counted


def _names(stored: object) -> Iterable[str]:
    if not isinstance(stored, list):
        return ()
    return {name for name in stored if isinstance(name, str)}


def _until(
    name: str, declared: Mapping[str, Endpoint], stored: Mapping[str, datetime | None]
) -> datetime | None:
    if name in stored:
        return stored[name]
    seconds = declared[name].report_only_until if name in declared else 0.0
    return datetime.fromtimestamp(seconds, UTC) if seconds else None


def _facts(endpoint: Endpoint) -> list[tuple[str, str]]:
    facts = [
        ("messages", endpoint.messages.value),
        ("methods", " ".join(endpoint.methods)),
        (
            "missing_origin",
            f"http: {endpoint.missing_origin_http.value}, ws: {endpoint.missing_origin_ws.value}",
        ),
        ("ws_credentials", " ".join(sorted(carrier.value for carrier in endpoint.ws_credentials))),
        ("public_scopes", " ".join(endpoint.public_scopes)),
        ("local_scopes", " ".join(endpoint.local_scopes)),
        ("token_header", (endpoint.token_header or b"").decode()),
    ]
    flags = (
        "any_origin",
        "token_every_message",
        "forward_authorization",
        "require_tls",
        "nonce_query",
        "require_nonce",
    )
    return [(name, value) for name, value in facts if value] + [
        (name, "yes") for name in flags if getattr(endpoint, name)
    ]
