"""Filters of the refusals: what was said of them, and whether their origins are doubtful."""

# ruff: noqa: ARG002  # Django prescribes the signatures of its hooks
from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from mcp_guard.doubts import lookalikes
from mcp_guard.models import Refusal
from mcp_guard.policy.lookalike import Warned


class DecisionFilter(admin.SimpleListFilter):
    """Open ones unless another state is chosen; a search without a choice looks in all of them."""

    title = _("state")
    parameter_name = "state"
    everything = "all"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        """Return the states, and all of them together."""
        return [*Refusal.State.choices, (self.everything, _("all"))]

    def choices(self, changelist: Any) -> Iterator[Any]:
        """Yield the choices without Django's own for all: none chosen is the first one here."""
        chosen = self.value() or (self.everything if changelist.query else Refusal.State.OPEN.value)
        for value, title in self.lookup_choices:
            yield {
                "selected": chosen == value,
                "query_string": changelist.get_query_string({self.parameter_name: value}),
                "display": title,
            }

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Return the refusals in the chosen state."""
        if self.value() in Refusal.State.values:
            return queryset.filter(state=self.value())
        if self.value() == self.everything or request.GET.get("q"):
            return queryset
        return queryset.filter(state=Refusal.State.OPEN)


class LookalikeFilter(admin.SimpleListFilter):
    """Refusals whose origin resembles a listed one, or is doubtful in any way."""

    title = _("look-alike")
    parameter_name = "lookalike"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        """Return what may be asked for."""
        return [("listed", _("resembles a listed origin")), ("any", _("any warning")), ("none", _("none"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Return the refusals whose origins have such warnings; there are never more rows than a setting."""
        accepts = _ACCEPTS.get(self.value() or "")
        if accepts is None:
            return queryset
        known = lookalikes()
        origins = queryset.order_by().values_list("origin", flat=True).distinct()
        found = [origin for origin in origins if origin and accepts(known.warnings(origin))]
        return queryset.filter(origin__in=found)


_ACCEPTS: dict[str, Callable[[Sequence[Warned]], bool]] = {
    "listed": lambda warnings: any(warned.like for warned in warnings),
    "any": bool,
    "none": lambda warnings: not warnings,
}
