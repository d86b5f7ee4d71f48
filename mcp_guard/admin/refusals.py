"""The screen of the refusals: who is refused and why, to be approved for a client or set aside."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from django.contrib import admin
from django.db import models
from django.db.models.functions import Cast
from django.http import HttpRequest
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from mcp_guard.admin import columns, refusal_columns
from mcp_guard.admin.refusal_decisions import RefusalDecisions
from mcp_guard.admin.refusal_filters import DecisionFilter, LookalikeFilter
from mcp_guard.changes import refusal_errors
from mcp_guard.doubts import lookalikes
from mcp_guard.models import AllowedOrigin, Refusal

_SHOWN_OTHERS = 20


class RefusalAdmin(RefusalDecisions):
    """Look at refusals, grouped; what is said of them is in ``RefusalDecisions``."""

    what = ("origin_shown", "state_shown", "reason_shown", "outcome", "where", "host_shown", "client")
    fieldsets = (
        (None, {"fields": what}),
        (gettext_lazy("How often"), {"fields": ("count", "first_seen", "last_seen", "week")}),
        (gettext_lazy("From where"), {"fields": ("address", "user_agent_shown", "latest")}),
        (gettext_lazy("Other groups of this origin"), {"fields": ("others",)}),
    )  # fmt: skip
    readonly_fields: ClassVar = [
        "origin_shown", "state_shown", "reason_shown", "where", "host_shown", "user_agent_shown",
        "week", "latest", "others",
    ]  # fmt: skip
    list_display = ("listed_shown", "refused_shown", "count", "last_shown")
    list_filter = (
        DecisionFilter,
        ("endpoint", admin.AllValuesFieldListFilter),
        ("reason", admin.AllValuesFieldListFilter),
        "outcome",
        LookalikeFilter,
    )
    search_fields = ("origin", "host", "client", "address", "recent_text")
    search_help_text = gettext_lazy("Searches origins, hosts, clients, addresses and correlation ids.")
    empty_text = gettext_lazy("Nothing is waiting: no refusal that nobody has decided on.")
    show_full_result_count = False
    list_per_page = 50
    actions = ("never_selected", "reopen_selected")

    @admin.display(description=gettext_lazy("origin"), ordering="origin")
    def listed_shown(self, row: Refusal) -> SafeString:
        """Return the origin, what is doubtful about it, and what was said of it if anything was."""
        is_open = row.state == Refusal.State.OPEN
        return self.origin_shown(row) + (SafeString() if is_open else refusal_columns.state(row))

    @admin.display(description=gettext_lazy("latest"), ordering="last_seen")
    def last_shown(self, row: Refusal) -> str:
        """Return when the latest came, able to wrap."""
        return date_format(timezone.localtime(row.last_seen), "j M, H:i")

    @admin.display(description=gettext_lazy("origin"))
    def origin_shown(self, row: Refusal) -> SafeString:
        """Return the origin and what is doubtful about it."""
        found = getattr(row, "warned", None)
        if found is None:
            found = lookalikes().warnings(row.origin)
        return refusal_columns.who(row) + refusal_columns.warnings(found)

    @admin.display(description=gettext_lazy("refused for"), ordering="reason")
    def refused_shown(self, row: Refusal) -> SafeString:
        """Return for what and where it was refused."""
        return refusal_columns.refused(row)

    @admin.display(description=gettext_lazy("state"), ordering="state")
    def state_shown(self, row: Refusal) -> SafeString:
        """Return what was said of it."""
        return refusal_columns.state(row)

    @admin.display(description=gettext_lazy("reason"))
    def reason_shown(self, row: Refusal) -> SafeString:
        """Return the reason with what it means."""
        return refusal_columns.reason(row)

    @admin.display(description=gettext_lazy("endpoint and exchange"))
    def where(self, row: Refusal) -> SafeString:
        """Return where it was refused."""
        return columns.code(f"{row.endpoint} {row.exchange}")

    @admin.display(description=gettext_lazy("host"))
    def host_shown(self, row: Refusal) -> SafeString:
        """Return the value of Host."""
        return columns.code(row.host or columns.NOTHING)

    @admin.display(description=gettext_lazy("user agent"))
    def user_agent_shown(self, row: Refusal) -> SafeString:
        """Return what the latest one called itself."""
        return columns.code(row.user_agent or columns.NOTHING)

    @admin.display(description=gettext_lazy("by hour"))
    def week(self, row: Refusal) -> SafeString:
        """Return the time line."""
        return refusal_columns.week(row, timezone.now())

    @admin.display(description=gettext_lazy("latest"))
    def latest(self, row: Refusal) -> SafeString:
        """Return the latest few with their correlation ids."""
        return refusal_columns.latest(row)

    @admin.display(description=gettext_lazy("groups"))
    def others(self, row: Refusal) -> SafeString:
        """Return links to the other groups of this origin."""
        alike = Refusal.objects.filter(origin=row.origin).exclude(pk=row.pk) if row.origin else ()
        return refusal_columns.others(
            [(self.url_of("change", other.pk), other) for other in alike[:_SHOWN_OTHERS]]
        )

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[Any]:
        """Return the refusals; their latest ones can be searched as text."""
        as_text = Cast("recent", models.TextField())
        found: models.QuerySet[Any] = super().get_queryset(request).alias(recent_text=as_text)
        return found

    def notices(self, row: Refusal) -> Sequence[str]:
        """Return what keeps the origin from being approved, or who has it already."""
        listed = AllowedOrigin.objects.filter(origin=row.origin).select_related("client").first()
        if listed is not None:
            names = ", ".join(map(str, listed.endpoints)) or columns.NOTHING
            return [_("Listed for %(client)s: %(names)s.") % {"client": listed.client, "names": names}]
        return [] if row.reason != "origin_not_listed" else refusal_errors(row)

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        """Return the list; the allowlist is read once for all of its rows."""
        changelist = super().get_changelist_instance(request)
        known = lookalikes()
        for row in changelist.result_list:
            row.warned = known.warnings(row.origin)
        return changelist
