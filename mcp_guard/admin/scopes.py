"""The screen of scopes."""

# ruff: noqa: FBT001  # Django prescribes the signatures of its hooks
from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from django.contrib import admin, messages
from django.db import models
from django.http import HttpRequest
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from mcp_guard import changes
from mcp_guard.admin import columns
from mcp_guard.admin.policy import EDITED_PAST, PolicyAdmin
from mcp_guard.changes import Actor
from mcp_guard.forms import ScopeForm
from mcp_guard.forms.fields import is_grant
from mcp_guard.models import Scope


class ScopeAdmin(PolicyAdmin):
    """Add, change and remove scopes."""

    form = ScopeForm
    fields = ("name", "grants", "endpoints", "description")
    readonly_fields: ClassVar = ["grants_shown", "endpoints_shown"]
    shown_instead: ClassVar = {"grants": "grants_shown", "endpoints": "endpoints_shown"}
    list_display = ("name", "grants_shown", "endpoints_shown", "description", "tokens_count", "clients_count")
    empty_text = gettext_lazy("No scope yet. A scope is a named set of grants: what a token may do.")
    search_fields = ("name", "description")

    @admin.display(description=gettext_lazy("grants"))
    def grants_shown(self, scope: Scope) -> SafeString:
        """Return the grants."""
        return columns.grants(scope.grants)

    @admin.display(description=gettext_lazy("endpoints"))
    def endpoints_shown(self, scope: Scope) -> SafeString | str:
        """Return where it counts."""
        return columns.endpoints(scope.endpoints) if scope.endpoints else _("every endpoint")

    @admin.display(description=gettext_lazy("tokens"), ordering="tokens_count")
    def tokens_count(self, scope: Any) -> int:
        """Return how many tokens have it."""
        return int(scope.tokens_count)

    @admin.display(description=gettext_lazy("clients"), ordering="clients_count")
    def clients_count(self, scope: Any) -> int:
        """Return for how many clients' sessions it counts."""
        return int(scope.clients_count)

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[Any]:
        """Return the scopes with how often each is used."""
        scopes: models.QuerySet[Any] = super().get_queryset(request)
        annotated: models.QuerySet[Any] = scopes.annotate(
            tokens_count=models.Count("tokens", distinct=True),
            clients_count=models.Count("clients", distinct=True),
        )
        return annotated

    def notices(self, row: Scope) -> Sequence[str]:
        """Return what keeps the scope from opening anything."""
        if not row.grants:
            return [columns.warning(_("This scope opens nothing: it holds no grant."))]
        if not isinstance(row.grants, list) or not all(map(is_grant, row.grants)):
            return [columns.warning(EDITED_PAST)]
        return ()

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """Write the scope, and say so when it opens nothing."""
        super().save_model(request, obj, form, change)
        if not obj.grants:
            text = _("The scope %(name)s opens nothing: it holds no grant.")
            self.message_user(request, text % {"name": obj.name}, messages.WARNING)

    def add_row(self, actor: Actor, values: dict[str, Any]) -> Scope:
        """Add a scope."""
        return changes.add_scope(actor, **values)

    def set_row(self, actor: Actor, row: Scope, values: dict[str, Any]) -> Scope:
        """Change a scope."""
        return changes.set_scope(actor, row, **values)

    def remove_row(self, actor: Actor, row: Scope) -> None:
        """Remove a scope."""
        changes.remove_scope(actor, row)
