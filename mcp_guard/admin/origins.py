"""The screen of the allowlist."""

# ruff: noqa: FBT001  # Django prescribes the signatures of its hooks
from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from django.contrib import admin, messages
from django.db import models
from django.http import HttpRequest
from django.utils import timezone
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from mcp_guard import changes
from mcp_guard.admin import columns, states
from mcp_guard.admin.filters import EndpointFilter, OriginStateFilter
from mcp_guard.admin.policy import EDITED_PAST, PolicyAdmin
from mcp_guard.changes import Actor
from mcp_guard.forms import OriginForm
from mcp_guard.models import AllowedOrigin
from mcp_guard.policy.origin import is_canonical


class AllowedOriginAdmin(PolicyAdmin):
    """List and unlist origins."""

    form = OriginForm
    names_endpoints = True
    fields = ("origin", "client", "endpoints", "cookies", "active", "expires_at", "note")
    readonly_fields: ClassVar = ["origin_shown", "endpoints_shown"]
    shown_instead: ClassVar = {"origin": "origin_shown", "endpoints": "endpoints_shown"}
    autocomplete_fields = ("client",)
    list_display = ("origin_shown", "client", "state_shown", "endpoints_shown", "cookies", "expires_at")
    list_select_related = ("client",)
    list_filter = (OriginStateFilter, EndpointFilter, "cookies")
    empty_text = gettext_lazy("No origin is listed: no page of another site is let in.")
    search_fields = ("origin", "client__name", "note")
    search_help_text = gettext_lazy("Searches origins (xn-- forms), clients and notes.")

    @admin.display(description=gettext_lazy("origin"), ordering="origin")
    def origin_shown(self, row: AllowedOrigin) -> SafeString:
        """Return the origin, with its Unicode form or what is wrong with it."""
        return columns.origin(row.origin)

    @admin.display(description=gettext_lazy("endpoints"))
    def endpoints_shown(self, row: AllowedOrigin) -> SafeString:
        """Return the endpoints it opens."""
        return columns.endpoints(row.endpoints, getattr(row, "known_endpoints", None))

    @admin.display(description=gettext_lazy("state"))
    def state_shown(self, row: AllowedOrigin) -> SafeString:
        """Return whether it is in force."""
        if not is_usable(row):
            return columns.warning(_("cannot be used"))
        return columns.state(states.of_origin(row, timezone.now()))

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[Any]:
        """Return the origins with their clients."""
        return super().get_queryset(request).select_related("client")

    def notices(self, row: AllowedOrigin) -> Sequence[str]:
        """Return what keeps the origin from opening anything, and how people read it."""
        notes = [columns.origin(row.origin)] if columns.readable(row.origin) else []
        if not is_usable(row):
            notes.append(columns.warning(EDITED_PAST))
        if not row.endpoints:
            notes.append(columns.warning(_("This origin opens nothing: it names no endpoint.")))
        found = states.of_origin(row, timezone.now())
        if found not in states.WORKING:
            notes.append(columns.warning(_("This origin is refused: %s.") % states.LABELS[found]))
        return notes

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """List or change the origin, and say what canonicalization made of it and what it does not open."""
        super().save_model(request, obj, form, change)
        if form.typed:
            text = _("“%(typed)s” is stored as %(stored)s, the form that browsers send.")
            self.message_user(request, text % {"typed": form.typed, "stored": obj.origin}, messages.INFO)
        if not obj.endpoints:
            text = _("The origin %(origin)s opens nothing: no endpoint is ticked.")
            self.message_user(request, text % {"origin": obj.origin}, messages.WARNING)

    def add_row(self, actor: Actor, values: dict[str, Any]) -> AllowedOrigin:
        """List an origin."""
        return changes.list_origin(actor, **values)

    def set_row(self, actor: Actor, row: AllowedOrigin, values: dict[str, Any]) -> AllowedOrigin:
        """Change a listed origin."""
        return changes.set_origin(actor, row, **values)

    def remove_row(self, actor: Actor, row: AllowedOrigin) -> None:
        """Unlist an origin."""
        changes.unlist_origin(actor, row)


def is_usable(row: AllowedOrigin) -> bool:
    """Return whether the gate can read the row; one that was edited by hand may be broken."""
    return isinstance(row.endpoints, list) and is_canonical(row.origin)
