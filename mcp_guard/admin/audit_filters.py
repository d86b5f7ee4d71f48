"""Filters of the audit trail; none of them asks the database for what there is, since the table is long."""

# ruff: noqa: ARG002  # Django prescribes the signatures of its hooks
from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from django.contrib import admin
from django.contrib.auth import get_user_model
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from mcp_guard import conf
from mcp_guard.audit.sums import FAILURES
from mcp_guard.endpoints import endpoints_of
from mcp_guard.models import Client
from mcp_guard.policy.decision import Reason

MOST: Final = 50
"""How many clients and operators are offered; a search finds the others."""

TAGS: Final = {
    "policy": (
        "client:add", "client:set", "client:disable", "client:enable", "client:delete",
        "endpoint:report-only", "endpoint:enforce", "origin:list", "origin:set", "origin:unlist",
        "origin:approve", "refusal:never", "refusal:reopen",
        "scope:add", "scope:set", "scope:remove",
        "server:add", "server:set", "server:approve", "server:disable", "server:enable", "server:remove",
    ),
    "token": (
        "token:issue", "token:set", "token:rotate", "token:revoke", "token:delete", "client:revoke-tokens",
    ),
    "socket": ("socket:open", "socket:close"),
    "refusal": ("refused", "would_refuse"),
    "audit": (
        "audit:verify", "audit:prune", "audit:accept", "audit:rolled_back", "audit:lost", "audit:export",
        "audit:gap", "audit:skip",
    ),
}  # fmt: skip
"""The tags that are offered once a category is chosen; the other categories have one each."""

OUTCOMES: Final = {
    "socket": ("left", "closed"),
    "authentication": tuple(sorted(reason.value for reason in FAILURES)),
    "refusal": tuple(sorted(reason.value for reason in Reason if reason not in FAILURES)),
    "call": ("ok", "tool_error", "error", "refused", "unanswered", "answered"),
    "audit": ("sound", "broken", "rolled_back", "not shipped", "shipped again"),
}
"""The outcomes that are offered once a category is chosen."""


class _ColumnFilter(admin.SimpleListFilter):
    """Events with one value in a column; what is not offered is accepted in the query all the same."""

    column = ""

    def offered(self, category: str) -> Iterable[str]:
        raise NotImplementedError

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        """Return what is offered, and what is chosen besides."""
        chosen = request.GET.get(self.parameter_name or "")
        offered = [*self.offered(request.GET.get("category__exact", ""))]
        return [(name, name) for name in [*offered, *([chosen] if chosen and chosen not in offered else [])]]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Return the events with the chosen value."""
        return queryset.filter(**{self.column: self.value()}) if self.value() else queryset


class TagFilter(_ColumnFilter):
    """Events with one tag."""

    title, parameter_name, column = _("what"), "tag", "tag"

    def offered(self, category: str) -> Iterable[str]:
        """Return the tags of the chosen category: all of them would be a long list."""
        return TAGS.get(category, ())


class OutcomeFilter(_ColumnFilter):
    """Events with one outcome, such as a reason to refuse."""

    title, parameter_name, column = _("outcome"), "outcome", "outcome"

    def offered(self, category: str) -> Iterable[str]:
        """Return the outcomes of the chosen category."""
        return OUTCOMES.get(category, ())


class EndpointFilter(_ColumnFilter):
    """Events of one endpoint."""

    title, parameter_name, column = _("endpoint"), "endpoint", "endpoint"

    def offered(self, category: str) -> Iterable[str]:
        """Return the declared endpoints."""
        return sorted(endpoints_of(conf.parse()))


class ClientFilter(_ColumnFilter):
    """Events of one client."""

    title, parameter_name, column = _("client"), "client", "client"

    def offered(self, category: str) -> Iterable[str]:
        """Return the first clients by name."""
        return list(Client.objects.order_by("name").values_list("name", flat=True)[:MOST])


class ActorFilter(_ColumnFilter):
    """Events by one operator."""

    title, parameter_name, column = _("who"), "actor", "actor_label"

    def offered(self, category: str) -> Iterable[str]:
        """Return the first operators by name."""
        model: Any = get_user_model()
        staff = model._default_manager.filter(is_staff=True).order_by(model.USERNAME_FIELD)[:MOST]
        return [user.get_username() for user in staff]


class SealedFilter(admin.SimpleListFilter):
    """Events that are in the hash chain, or wait for it."""

    title, parameter_name = _("seal"), "sealed"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        """Return both."""
        return [("yes", _("sealed")), ("no", _("not sealed yet"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Return the events that are sealed, or those that are not."""
        match self.value():
            case "yes":
                return queryset.exclude(seq=None)
            case "no":
                return queryset.filter(seq=None)
            case _:
                return queryset
