"""Filters of the lists: by endpoint, by state, by what an audit event is about."""

# ruff: noqa: ARG002  # Django prescribes the signatures of its hooks
from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import QuerySet, TextField
from django.db.models.functions import Cast
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from mcp_guard import conf
from mcp_guard.admin import states
from mcp_guard.endpoints import endpoints_of
from mcp_guard.token_uses import idle, idle_grants, never_used


class EndpointFilter(admin.SimpleListFilter):
    """Rows that name one of the declared endpoints, or none at all."""

    title = _("endpoint")
    parameter_name = "endpoint"
    none = "-"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        """Return the declared endpoints."""
        return [(name, name) for name in sorted(endpoints_of(conf.parse()))] + [
            (self.none, _("opens nothing"))
        ]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Return the rows whose list holds the name, read as text: not every database can look into JSON."""
        name = self.value()
        if name == self.none:
            return queryset.filter(endpoints=[])
        if name not in endpoints_of(conf.parse()):
            return queryset
        as_text: QuerySet[Any] = queryset.alias(endpoints_text=Cast("endpoints", TextField()))
        return as_text.filter(endpoints_text__contains=f'"{name}"')


class _StateFilter(admin.SimpleListFilter):
    title = _("state")
    parameter_name = "state"
    offered: Iterable[states.State] = ()

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [(state.value, states.LABELS[state]) for state in self.offered]

    def chosen(self) -> states.State | None:
        for state in self.offered:
            if state.value == self.value():
                return state
        return None


class TokenStateFilter(_StateFilter):
    """Tokens in one state."""

    offered = states.TOKEN_STATES

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Return the tokens in the chosen state."""
        state = self.chosen()
        return queryset if state is None else queryset.filter(states.tokens_in(state, timezone.now()))


class OriginStateFilter(_StateFilter):
    """Origins in one state."""

    offered = states.ORIGIN_STATES

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Return the origins in the chosen state."""
        state = self.chosen()
        return queryset if state is None else queryset.filter(states.origins_in(state, timezone.now()))


class UseFilter(admin.SimpleListFilter):
    """Tokens by when they were used, and whether all of their grants are."""

    title = _("use")
    parameter_name = "use"
    most: ClassVar = 5_000
    """How many tokens with idle grants are shown at most, the oldest; databases bound lists of ids."""

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        """Return what there is to look at."""
        return [
            ("never", _("never used")),
            ("idle", _("not used in 30 days")),
            ("over-scoped", _("over-scoped: grants not used in 30 days")),
        ]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Return the tokens of the chosen use."""
        match self.value():
            case "never":
                return queryset.filter(never_used())
            case "idle":
                return queryset.filter(idle(timezone.now()))
            case "over-scoped":
                return queryset.filter(pk__in=sorted(idle_grants(queryset, timezone.now()))[: self.most])
            case _:
                return queryset


class SubjectFilter(admin.SimpleListFilter):
    """Audit events about one kind of row: the part of the tag before the colon."""

    title = _("subject")
    parameter_name = "about"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        """Return the kinds of rows that changes are about."""
        return [
            ("client", _("clients")),
            ("endpoint", _("endpoints")),
            ("origin", _("origins")),
            ("scope", _("scopes")),
            ("server", _("registered servers")),
            ("token", _("tokens")),
        ]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Return the events whose tag begins so."""
        if self.value() not in dict(self.lookup_choices):
            return queryset
        return queryset.filter(tag__startswith=f"{self.value()}:")
