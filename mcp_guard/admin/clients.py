"""The screen of clients."""

# ruff: noqa: ARG002  # Django prescribes the signatures of its hooks
from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from django.contrib import admin, messages
from django.db import models
from django.db.models.functions import Coalesce
from django.http import HttpRequest, HttpResponseBase
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from mcp_guard import changes
from mcp_guard.admin import columns
from mcp_guard.admin.client_page import MOST, asked, client_page, usual_endpoint
from mcp_guard.admin.policy import PolicyAdmin, listed
from mcp_guard.changes import Actor
from mcp_guard.explain.explanation import explain
from mcp_guard.forms import CheckForm, ClientForm
from mcp_guard.models import AllowedOrigin, Client, Token


class ClientAdmin(PolicyAdmin):
    """Add, change, disable and delete clients; revoke all tokens of one."""

    form = ClientForm
    typed = ("name", "active", "owner", "contact", "notes", "scopes")
    readonly_fields: ClassVar = ["scopes_shown", "origins_count", "tokens_count"]
    shown_instead: ClassVar = {"scopes": "scopes_shown"}
    list_display = ("name", "active", "owner", "origins_count", "tokens_count", "scopes_shown")
    list_filter = ("active",)
    empty_text = gettext_lazy("No client yet. Begin here: origins and tokens belong to a client.")
    search_fields = ("name", "owner", "contact")
    actions = ("disable", "enable")

    @admin.display(description=gettext_lazy("scopes of its sessions"))
    def scopes_shown(self, client: Client) -> SafeString:
        """Return the scopes of its sessions."""
        return columns.scopes(client.scopes.all())

    @admin.display(description=gettext_lazy("origins"), ordering="origins_count")
    def origins_count(self, client: Any) -> SafeString:
        """Return how many origins it owns, as a link to them."""
        return self._link(client, "allowedorigin", client.origins_count)

    @admin.display(description=gettext_lazy("live tokens"), ordering="tokens_count")
    def tokens_count(self, client: Any) -> SafeString:
        """Return how many of its tokens are neither revoked nor expired, as a link to all of them."""
        return self._link(client, "token", client.tokens_count)

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[Any]:
        """Return the clients with what they own."""
        live = Token.objects.filter(revoked_at=None, expires_at__gt=timezone.now())
        clients: models.QuerySet[Any] = super().get_queryset(request).prefetch_related("scopes")
        origins = _count(AllowedOrigin.objects.all())
        annotated: models.QuerySet[Any] = clients.annotate(origins_count=origins, tokens_count=_count(live))
        return annotated

    def get_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        """Return the fields of the form and, of an existing client, what it owns."""
        return self.typed if obj is None else (*self.typed, "origins_count", "tokens_count")

    def notices(self, row: Client) -> Sequence[str]:
        """Return that a disabled client is refused."""
        if row.active:
            return ()
        return [columns.warning(_("This client is disabled: all its origins and tokens are refused."))]

    def render_change_form(self, request: HttpRequest, context: Any, *args: Any, **kwargs: Any) -> Any:
        """Render the form with a link to the revocation of all tokens, for who may do that."""
        context["may_revoke"] = self.has_revoke_permission(request)
        context["may_check"] = self.has_check_permission(request)
        client = context.get("original")
        context["known"] = client_page(request, client, timezone.now()) if client is not None else None
        return super().render_change_form(request, context, *args, **kwargs)

    @admin.action(description=gettext_lazy("Disable selected clients"), permissions=["change"])
    def disable(self, request: HttpRequest, queryset: models.QuerySet[Any]) -> None:
        """Switch clients off, and with them all their origins and tokens."""
        self._switch(request, queryset.filter(active=True), active=False)

    @admin.action(description=gettext_lazy("Enable selected clients"), permissions=["change"])
    def enable(self, request: HttpRequest, queryset: models.QuerySet[Any]) -> None:
        """Switch clients on again."""
        self._switch(request, queryset.filter(active=False), active=True)

    def get_urls(self) -> list[URLPattern]:
        """Return Django's views, the one that revokes all tokens of a client, and the check."""
        wrap = self.admin_site.admin_view
        name = "mcp_guard_client_revoke_tokens"
        return [
            path("<int:object_id>/revoke-tokens/", wrap(self.revoke_view), name=name),
            path("<int:object_id>/check/", wrap(self.check_view), name="mcp_guard_client_check"),
            *super().get_urls(),
        ]

    def has_check_permission(self, request: HttpRequest) -> bool:
        """Return whether the user may ask what would be let in."""
        user: Any = request.user
        return bool(user.has_perm("mcp_guard.check_client"))

    def check_view(self, request: HttpRequest, object_id: int) -> HttpResponseBase:
        """Ask what to check; a POST answers it step by step and changes nothing."""
        client = self.found(request, str(object_id), permitted=self.has_check_permission(request))
        form = CheckForm(
            request.POST if request.method == "POST" else None,
            client=client,
            initial={"endpoint": usual_endpoint(client)},
        )
        found = explain(form.question(), timezone.now()) if form.is_bound and form.is_valid() else None
        context = {
            "title": _("Check what %s would be let in to") % client,
            "original": client,
            "form": form,
            "found": found,
            "origins": client.origins.values_list("origin", flat=True)[:MOST],
            "asked": asked(client),
        }
        return self.page(request, "client/check.html", context)

    def revoke_view(self, request: HttpRequest, object_id: int) -> HttpResponseBase:
        """Ask before all tokens of a client are revoked; a POST revokes them."""
        client = self.found(request, str(object_id), permitted=self.has_revoke_permission(request))
        if request.method == "POST":
            count = changes.revoke_client_tokens(Actor.of_user(request.user), client)
            self.log_change(request, client, f"Revoked {count} tokens.")
            text = ngettext("%d token is revoked.", "%d tokens are revoked.", count) % count
            self.message_user(request, text, messages.SUCCESS)
            return self.back(request, client)
        rows, more = listed(client.tokens.filter(revoked_at=None))
        context = {
            "title": _("Revoke all tokens of %s") % client,
            "original": client,
            "question": _(
                "These tokens stop working at once and for good, and their open sockets are closed."
            ),
            "nothing": _("This client has no token that is not revoked."),
            "rows": rows,
            "more": more,
            "submit": _("Revoke all its tokens"),
            "back": self.back(request, client).url,
        }
        return self.page(request, "confirm.html", context)

    def add_row(self, actor: Actor, values: dict[str, Any]) -> Client:
        """Add a client."""
        return changes.add_client(actor, **values)

    def set_row(self, actor: Actor, row: Client, values: dict[str, Any]) -> Client:
        """Change a client."""
        return changes.set_client(actor, row, **values)

    def remove_row(self, actor: Actor, row: Client) -> None:
        """Delete a client that owns nothing."""
        changes.delete_client(actor, row)

    def _switch(self, request: HttpRequest, queryset: models.QuerySet[Any], *, active: bool) -> None:
        clients = list(queryset)
        for client in clients:
            changes.set_client(Actor.of_user(request.user), client, active=active)
            self.log_change(request, client, "Enabled." if active else "Disabled.")
        count = len(clients)
        if active:
            text = ngettext("%d client is enabled.", "%d clients are enabled.", count)
        else:
            text = ngettext("%d client is disabled.", "%d clients are disabled.", count)
        self.message_user(request, text % count, messages.SUCCESS)

    def _link(self, client: Client, model: str, count: int) -> SafeString:
        url = reverse(f"{self.admin_site.name}:mcp_guard_{model}_changelist")
        return format_html('<a href="{}?client__id__exact={}">{}</a>', url, client.pk, count)


def _count(owned: models.QuerySet[Any]) -> Coalesce:
    """Return how many of these rows each client owns, as one subquery: joins would multiply the counts."""
    of_client = owned.filter(client=models.OuterRef("pk")).order_by().values("client")
    counted = models.Subquery(of_client.annotate(n=models.Count("pk")).values("n"))
    return Coalesce(counted, 0, output_field=models.IntegerField())
