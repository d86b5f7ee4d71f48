"""The screen of tokens: issue, change, rotate, revoke, delete.

A token text leaves this module in one place only, ``show_once``: in the body of the answer to the POST
that made it. Messages, sessions, redirects and the admin's history never see it.
"""

# ruff: noqa: ARG002, FBT001, FBT002  # Django prescribes the signatures of its hooks
from __future__ import annotations

from typing import Any, ClassVar

from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import models
from django.forms import Media, Script
from django.http import HttpRequest, HttpResponseBase
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from mcp_guard import changes
from mcp_guard.admin.filters import EndpointFilter, TokenStateFilter, UseFilter
from mcp_guard.admin.policy import PolicyAdmin, adopt, listed
from mcp_guard.admin.token_columns import TokenColumns
from mcp_guard.admin.token_review import review
from mcp_guard.admin.use_columns import UseColumns
from mcp_guard.changes import Actor, IssuedSecret
from mcp_guard.forms import IssueForm, RotateForm, TokenForm
from mcp_guard.forms.policy import add_refusal
from mcp_guard.models import Token
from mcp_guard.token_uses import with_uses


class TokenAdmin(TokenColumns, UseColumns, PolicyAdmin):
    """Issue tokens and end them."""

    form = TokenForm
    names_endpoints = True
    autocomplete_fields = ("client",)
    shown_instead: ClassVar = {"endpoints": "endpoints_shown", "scopes": "scopes_shown", "kind": "kind_shown"}
    list_display = (
        "name", "client", "state_shown", "last_used_shown", "expires_at", "kind_shown", "endpoints_shown",
        "scopes_shown", "secrets_shown",
    )  # fmt: skip
    list_filter = (TokenStateFilter, UseFilter, EndpointFilter, "kind")
    empty_text = gettext_lazy("No token yet. Issue one for a client; its text is shown once.")
    search_fields = ("name", "client__name", "secrets__mask")
    search_help_text = gettext_lazy("Searches names, clients and the last six characters of secrets.")
    date_hierarchy = "expires_at"
    actions = ("revoke_selected",)

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[Any]:
        """Return the tokens with everything the list shows of them."""
        tokens = super().get_queryset(request)
        return with_uses(tokens.select_related("client", "user").prefetch_related("secrets", "scopes"))

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        """Return what nobody edits: whose token it is, once it is issued, and what is computed."""
        computed = (
            "state_shown", "secrets_used_shown", "last_used_shown", "used_by_shown", "grants_shown",
            "endpoints_shown", "scopes_shown", "kind_shown",
        )  # fmt: skip
        return computed if obj is None else ("client", "user", "created_at", *computed)

    def get_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        """Return the fields of the issue form, or those of an issued token."""
        typed = ("name", "kind", "endpoints", "scopes", "not_before", "expires_at")
        if obj is None:
            return ("client", "user", *typed)
        known = ("state_shown", "secrets_used_shown", "last_used_shown", "client", "user", "created_at")
        return (*known, *typed, "used_by_shown", "grants_shown")

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        """Return the issue form for a token that is none yet."""
        return super().get_form(
            request, obj, change, **{"form": TokenForm if change else IssueForm, **kwargs}
        )

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Return whether the user may change tokens; a revoked one stays as it is for everybody."""
        return super().has_change_permission(request, obj) and (obj is None or obj.revoked_at is None)

    def render_change_form(self, request: HttpRequest, context: Any, *args: Any, **kwargs: Any) -> Any:
        """Render the form with links to what this user may do with the token besides."""
        token = context.get("original")
        is_open = token is not None and token.revoked_at is None
        context["may_rotate"] = is_open and self.has_change_permission(request)
        context["may_revoke"] = is_open and self.has_revoke_permission(request)
        return super().render_change_form(request, context, *args, **kwargs)

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> Any:
        """Answer the issue form."""
        return super().add_view(request, form_url, {"title": _("Issue a token"), **(extra_context or {})})

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """Issue or change the token; the text of a new one waits on the row for ``response_add``."""
        if change:
            super().save_model(request, obj, form, change)
            return
        issued = changes.issue_token(Actor.of_user(request.user), **form.values())
        adopt(obj, issued.token)
        obj.issued = issued

    def response_add(self, request: HttpRequest, obj: Any, post_url_continue: Any = None) -> Any:
        """Show the text of the token that this very request issued."""
        return self.show_once(request, obj.issued, title=_("Token issued"))

    def show_once(self, request: HttpRequest, issued: IssuedSecret, **context: Any) -> TemplateResponse:
        """Return the only page that ever holds the text of a token; nothing may keep it or pass it on."""
        script = Script("mcp_guard/issued.js", defer=True)
        context |= {
            "original": issued.token,
            "issued": issued,
            "notices": self.notices(issued.token),
            "media": self.media + Media(js=[script]),  # type: ignore[list-item] # stubs know only str
        }
        response = self.page(request, "token/issued.html", context)
        response["Cache-Control"] = "no-store, private"
        response["Referrer-Policy"] = "no-referrer"
        return response

    def get_urls(self) -> list[URLPattern]:
        """Return Django's views and those that review, rotate and revoke."""
        wrap = self.admin_site.admin_view
        return [
            path("review/", wrap(self.review_view), name="mcp_guard_token_review"),
            path("<int:object_id>/rotate/", wrap(self.rotate_view), name="mcp_guard_token_rotate"),
            path("<int:object_id>/revoke/", wrap(self.revoke_view), name="mcp_guard_token_revoke"),
            *super().get_urls(),
        ]

    def review_view(self, request: HttpRequest) -> HttpResponseBase:
        """Show the tokens that want to be looked at."""
        if not self.has_view_or_change_permission(request):
            raise PermissionDenied
        context = {"title": _("Review tokens"), "review": review(timezone.now())}
        return self.page(request, "token/review.html", context)

    def rotate_view(self, request: HttpRequest, object_id: int) -> HttpResponseBase:
        """Ask how long the old secret goes on working; a POST rotates and shows the new one once."""
        token = self.found(request, str(object_id), permitted=self.has_change_permission(request))
        form = RotateForm(request.POST if request.method == "POST" else None, token=token)
        if request.method == "POST" and form.is_valid():
            try:
                issued = changes.rotate_token(Actor.of_user(request.user), token, **form.asked())
            except ValidationError as error:
                add_refusal(form, error)
            else:
                self.log_change(request, token, "Rotated.")
                hours = form.cleaned_data["overlap"]
                return self.show_once(request, issued, title=_("Token rotated"), old_secret_hours=hours)
        context = {
            "title": _("Rotate %s") % token,
            "original": token,
            "form": form,
            "secrets": self.secrets_used_shown(token),
            "used_by": self.used_by_shown(token),
        }
        return self.page(request, "token/rotate.html", context)

    def revoke_view(self, request: HttpRequest, object_id: int) -> HttpResponseBase:
        """Ask before a token is revoked; a POST revokes it."""
        token = self.found(request, str(object_id), permitted=self.has_revoke_permission(request))
        if request.method == "POST":
            self._revoke(request, [token])
            return self.back(request, token)
        return self._ask(request, [token], {"title": _("Revoke %s") % token, "original": token})

    @admin.action(description=gettext_lazy("Revoke selected tokens"), permissions=["revoke"])
    def revoke_selected(
        self, request: HttpRequest, queryset: models.QuerySet[Any]
    ) -> HttpResponseBase | None:
        """Ask before tokens are revoked; the second POST, with ``confirmed``, revokes them."""
        if "confirmed" in request.POST:
            self._revoke(request, queryset.filter(revoked_at=None))
            return None
        context = {
            "title": _("Revoke selected tokens"),
            "action": "revoke_selected",
            "selected": request.POST.getlist(ACTION_CHECKBOX_NAME),
            "select_across": request.POST.get("select_across", "0"),
        }
        return self._ask(request, queryset.filter(revoked_at=None), context)

    def add_row(self, actor: Actor, values: dict[str, Any]) -> Token:
        """Refuse: issuing gives back a text, which ``save_model`` alone handles."""
        raise NotImplementedError

    def set_row(self, actor: Actor, row: Token, values: dict[str, Any]) -> Token:
        """Change a token."""
        return changes.set_token(actor, row, **values)

    def remove_row(self, actor: Actor, row: Token) -> None:
        """Delete a token."""
        changes.delete_token(actor, row)

    def _ask(self, request: HttpRequest, tokens: Any, context: dict[str, Any]) -> TemplateResponse:
        rows, more = listed(tokens)
        texts = {
            "question": _("What is revoked stops working at once and for good; open sockets are closed."),
            "nothing": _("None of these tokens is live."),
            "submit": _("Revoke"),
        }
        back = self.back(request, context.get("original")).url
        return self.page(
            request, "confirm.html", {"rows": rows, "more": more, "back": back, **texts, **context}
        )

    def _revoke(self, request: HttpRequest, tokens: Any) -> None:
        count = 0
        for token in tokens:
            changes.revoke_token(Actor.of_user(request.user), token)
            self.log_change(request, token, "Revoked.")
            count += 1
        text = ngettext("%d token is revoked.", "%d tokens are revoked.", count)
        self.message_user(request, text % count, messages.SUCCESS)
