"""What one page says of a client: tokens, origins, open connections, last use, recent refusals."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from django.db.models import Q
from django.http import HttpRequest
from django.utils.safestring import SafeString

from mcp_guard.admin import columns, states
from mcp_guard.admin.use_columns import used
from mcp_guard.forms.fields import names
from mcp_guard.models import AllowedOrigin, Client, Refusal, Scope, Token, TokenUse
from mcp_guard.processes import processes
from mcp_guard.token_uses import asked_for, last_use, with_uses

MOST: Final = 50
"""How many tokens and origins stand on the page; links lead to the lists of all."""

MOST_REFUSALS: Final = 20
"""How many refusals stand on the page, the latest."""


@dataclass(frozen=True, slots=True)
class TokenRow:
    """A token with its state and its latest use (None: none yet)."""

    token: Token
    state: states.State
    use: TokenUse | None

    @property
    def state_shown(self) -> SafeString:
        """Its state as lists show it."""
        return columns.state(self.state)

    @property
    def kind_shown(self) -> SafeString:
        """Its kind as lists show it."""
        return columns.kind(self.token.kind)

    @property
    def use_shown(self) -> SafeString:
        """Its latest use as lists show it."""
        return used(self.use)


@dataclass(frozen=True, slots=True)
class OriginRow:
    """An origin with its state."""

    origin: AllowedOrigin
    state: states.State

    @property
    def state_shown(self) -> SafeString:
        """Its state as lists show it."""
        return columns.state(self.state)

    @property
    def endpoints_shown(self) -> SafeString:
        """Its endpoints as lists show them."""
        return columns.endpoints(self.origin.endpoints)


@dataclass(frozen=True, slots=True)
class Connections:
    """How many sockets and streams each process that speaks has open for the client."""

    by_process: list[tuple[str, int]]

    @property
    def total(self) -> int:
        """How many there are in all."""
        return sum(count for _process, count in self.by_process)


@dataclass(frozen=True, slots=True)
class ClientPage:
    """The parts of the page; None is a part that its reader may not see."""

    tokens: list[TokenRow] | None
    origins: list[OriginRow] | None
    connections: Connections | None
    last_use: TokenUse | None
    refusals: list[Refusal] | None
    scopes: list[Scope]


def client_page(request: HttpRequest, client: Client, now: datetime) -> ClientPage:
    """Return what is known of a client, asking the database nothing about parts that may not be seen."""
    sees_tokens = _may_see(request, "token")
    return ClientPage(
        _tokens(client, now) if sees_tokens else None,
        _origins(client, now) if _may_see(request, "allowedorigin") else None,
        _connections(client, now) if _may_see(request, "endpointstate") else None,
        _last_use(client) if sees_tokens else None,
        _refusals(client) if _may_see(request, "refusal") else None,
        _scopes(client) if sees_tokens and _may_see(request, "scope") else [],
    )


def _may_see(request: HttpRequest, model: str) -> bool:
    user: Any = request.user
    return bool(user.has_perm(f"mcp_guard.view_{model}") or user.has_perm(f"mcp_guard.change_{model}"))


def _tokens(client: Client, now: datetime) -> list[TokenRow]:
    """Return its tokens: those that are not revoked first, the ones that end last before the others."""
    found = with_uses(client.tokens.select_related("client", "user").prefetch_related("scopes"))
    in_order = found.order_by("revoked_at", "-expires_at", "pk")
    live = list(in_order.filter(revoked_at=None)[:MOST])
    rows = [*live, *in_order.exclude(revoked_at=None)[: MOST - len(live)]]
    return [TokenRow(token, states.of_token(token, now), last_use(token)) for token in rows]


def _origins(client: Client, now: datetime) -> list[OriginRow]:
    rows = client.origins.select_related("client")[:MOST]
    return [OriginRow(origin, states.of_origin(origin, now)) for origin in rows]


def _connections(client: Client, now: datetime) -> Connections:
    speaking = [one for one in processes(now) if not one.is_silent]
    counted = [(str(one.row), one.connections.get(client.name, 0)) for one in speaking]
    return Connections([(process, count) for process, count in counted if count])


def _last_use(client: Client) -> TokenUse | None:
    uses = TokenUse.objects.filter(token__client=client)
    return uses.select_related("token", "secret").order_by("-last_at").first()


def _refusals(client: Client) -> list[Refusal]:
    """Return the latest refusals of its origins, and of whoever came with one of its tokens."""
    own = Q(origin__in=client.origins.values("origin")) | Q(client=client.name)
    return list(Refusal.objects.filter(own)[:MOST_REFUSALS])


def _scopes(client: Client) -> list[Scope]:
    """Return the scopes of its tokens and of its sessions."""
    return list(Scope.objects.filter(Q(tokens__client=client) | Q(clients=client)).distinct())


def asked(client: Client) -> list[str]:
    """Return what may be asked for, to choose from: the grants of its scopes that open one thing."""
    grants = {grant for scope in _scopes(client) for grant in asked_for(scope.grants)}
    return sorted(grant for grant in grants if not grant.endswith("/*"))[:MOST]


def usual_endpoint(client: Client) -> str | None:
    """Return an endpoint that one of its tokens or origins is for; None when there is none."""
    for rows in (client.tokens.filter(revoked_at=None), client.origins.all()):
        for endpoints in rows.values_list("endpoints", flat=True)[:MOST]:
            for name in names(endpoints):
                return name
    return None
