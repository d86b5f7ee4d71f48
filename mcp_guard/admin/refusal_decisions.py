"""What can be said of refusals on their screen: approve for a client, never, open again."""

# ruff: noqa: ARG002  # Django prescribes the signatures of its hooks
from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.core.exceptions import ValidationError
from django.db import models
from django.http import HttpRequest, HttpResponseBase
from django.urls import URLPattern, path
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from mcp_guard import changes
from mcp_guard.admin import columns, refusal_columns
from mcp_guard.admin.policy import PolicyAdmin, listed
from mcp_guard.changes import Actor
from mcp_guard.changes.refusals import Plan
from mcp_guard.doubts import lookalikes
from mcp_guard.forms import ApproveForm
from mcp_guard.forms.policy import add_refusal
from mcp_guard.models import AllowedOrigin, Refusal


class RefusalDecisions(PolicyAdmin):
    """The views and actions that write; all of them ask for the permission ``approve_refusal``."""

    def has_approve_permission(self, request: HttpRequest) -> bool:
        """Return whether the user may approve refusals and set them aside."""
        user: Any = request.user
        return bool(user.has_perm("mcp_guard.approve_refusal"))

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Return False: rows are written by the processes that refuse."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Return False: what was counted stays; decisions have views of their own."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Return False: what was counted stays until it is pruned."""
        return False

    def get_urls(self) -> list[URLPattern]:
        """Return Django's views and those that decide."""
        wrap, name = self.admin_site.admin_view, "mcp_guard_refusal_"
        return [
            path("<int:object_id>/approve/", wrap(self.approve_view), name=f"{name}approve"),
            path("<int:object_id>/never/", wrap(self.never_view), name=f"{name}never"),
            path("<int:object_id>/reopen/", wrap(self.reopen_view), name=f"{name}reopen"),
            *super().get_urls(),
        ]

    def render_change_form(self, request: HttpRequest, context: Any, *args: Any, **kwargs: Any) -> Any:
        """Render the page with links to what may be said of this one."""
        row = context.get("original")
        if row is not None and self.has_approve_permission(request):
            is_open = row.state == Refusal.State.OPEN
            context["may_approve"] = not changes.refusal_errors(row)
            context["may_set_aside"] = is_open and not row.is_rest
            context["may_reopen"] = not is_open
        return super().render_change_form(request, context, *args, **kwargs)

    def approve_view(self, request: HttpRequest, object_id: int) -> HttpResponseBase:
        """Ask for whom and for how long; a first POST shows what it would write, a second one writes that."""
        row = self.found(request, str(object_id), permitted=self.has_approve_permission(request))
        form = ApproveForm(request.POST if request.method == "POST" else None, refusal=row)
        if request.method == "POST" and form.is_valid():
            try:
                if form.is_confirmed:
                    return self._approve(request, row, form)
                return self._show(request, row, form, changes.plan_approval(row, form.asked()))
            except ValidationError as error:
                add_refusal(form, error)
        return self._page(request, row, "approve.html", form=form, errors=changes.refusal_errors(row))

    def never_view(self, request: HttpRequest, object_id: int) -> HttpResponseBase:
        """Ask before an origin is set aside; a POST does it."""
        row = self.found(request, str(object_id), permitted=self.has_approve_permission(request))
        if request.method == "POST":
            self._say(request, [row], changes.set_refusal_aside)
            return self.back(request, row)
        return self._ask(request, [row], _NEVER | {"title": _("Set %s aside") % row, "original": row})

    def reopen_view(self, request: HttpRequest, object_id: int) -> HttpResponseBase:
        """Ask before a decision is taken back; a POST does it."""
        row = self.found(request, str(object_id), permitted=self.has_approve_permission(request))
        if request.method == "POST":
            self._say(request, [row], changes.reopen_refusal)
            return self.back(request, row)
        return self._ask(request, [row], _REOPEN | {"title": _("Open %s again") % row, "original": row})

    @admin.action(description=gettext_lazy("Never: set selected refusals aside"), permissions=["approve"])
    def never_selected(self, request: HttpRequest, queryset: models.QuerySet[Any]) -> HttpResponseBase | None:
        """Ask before origins are set aside; the second POST, with ``confirmed``, does it."""
        rows = queryset.exclude(state=Refusal.State.NEVER).filter(is_rest=False)
        return self._selected(request, rows, changes.set_refusal_aside, "never_selected", _NEVER)

    @admin.action(description=gettext_lazy("Open selected refusals again"), permissions=["approve"])
    def reopen_selected(
        self, request: HttpRequest, queryset: models.QuerySet[Any]
    ) -> HttpResponseBase | None:
        """Ask before decisions are taken back; the second POST, with ``confirmed``, does it."""
        rows = queryset.exclude(state=Refusal.State.OPEN)
        return self._selected(request, rows, changes.reopen_refusal, "reopen_selected", _REOPEN)

    def _selected(
        self, request: HttpRequest, rows: Any, say: _Say, action: str, texts: dict[str, Any]
    ) -> HttpResponseBase | None:
        if "confirmed" in request.POST:
            self._say(request, rows, say)
            return None
        context = {
            "title": texts["submit"],
            "action": action,
            "selected": request.POST.getlist(ACTION_CHECKBOX_NAME),
            "select_across": request.POST.get("select_across", "0"),
        }
        return self._ask(request, rows, texts | context)

    def _approve(self, request: HttpRequest, row: Refusal, form: ApproveForm) -> HttpResponseBase:
        actor, shown = Actor.of_user(request.user), form.cleaned_data["shown"]
        origin = changes.approve_refusal(actor, row, form.asked(), shown=shown)
        self.log_change(request, row, f"Approved for {origin.client}.")
        text = _("%(origin)s is listed for %(client)s on %(names)s, in every process.")
        values = {"origin": origin, "client": origin.client, "names": ", ".join(origin.endpoints)}
        self.message_user(request, text % values, messages.SUCCESS)
        return self.back(request, row)

    def _show(self, request: HttpRequest, row: Refusal, form: ApproveForm, plan: Plan) -> HttpResponseBase:
        asked = form.asked()
        sent = {
            "client": [asked.client.pk],
            "endpoints": asked.endpoints,
            "cookies": ["on"] if asked.cookies else [],
            "lifetime": [form.cleaned_data["lifetime"]],
            "expires_at": [asked.expires_at.isoformat()] if asked.expires_at else [],
        }
        pairs = [(name, value) for name, values in sent.items() for value in values]
        shown = form["shown"].field.prepare_value(plan.after)
        return self._page(request, row, "preview.html", sent=pairs, shown=shown, **_differences(plan))

    def _page(self, request: HttpRequest, row: Refusal, template: str, **context: Any) -> HttpResponseBase:
        common = {
            "title": _("Approve %s") % row.origin,
            "original": row,
            "who": refusal_columns.who(row),
            "warnings": refusal_columns.warnings(lookalikes().warnings(row.origin)),
        }
        return self.page(request, f"refusal/{template}", common | context)

    def _ask(self, request: HttpRequest, rows: Any, context: dict[str, Any]) -> HttpResponseBase:
        shown, more = listed(f"{row.origin or row.reason} · {row.endpoint}" for row in rows)
        back = self.back(request, context.get("original")).url
        return self.page(request, "confirm.html", {"rows": shown, "more": more, "back": back, **context})

    def _say(self, request: HttpRequest, rows: Iterable[Refusal], say: _Say) -> None:
        """Say it of each row; what cannot be said of one is told, and the others go on."""
        count = 0
        for row in rows:
            try:
                count += say(Actor.of_user(request.user), row)
            except ValidationError as error:
                self.message_user(request, "; ".join(error.messages), messages.ERROR)
                continue
            self.log_change(request, row, "Set aside." if say is changes.set_refusal_aside else "Opened.")
        text = ngettext("%d group is decided on.", "%d groups are decided on.", count)
        if count:
            self.message_user(request, text % count, messages.SUCCESS)


_Say = Callable[[Actor, Refusal], int]

_NEVER: dict[str, Any] = {
    "question": gettext_lazy(
        "Each of these stays refused, as it is now, and leaves the list: with it everything else of the same "
        "origin on the same endpoint, also what comes later. Nothing is listed or unlisted by this."
    ),
    "nothing": gettext_lazy("None of these can be set aside."),
    "submit": gettext_lazy("Never: set aside"),
}

_REOPEN: dict[str, Any] = {
    "question": gettext_lazy(
        "These stand in the list of open ones again. What is listed stays listed: take it off the allowlist "
        "to refuse it."
    ),
    "nothing": gettext_lazy("All of these are open."),
    "submit": gettext_lazy("Open again"),
}


def _differences(plan: Plan) -> dict[str, Any]:
    """Return each field of the row with what it holds before and after, as people read it."""
    before = plan.before or {}
    fields = [
        {
            "name": getattr(AllowedOrigin._meta.get_field(name), "verbose_name", name),
            "before": _shown(name, before.get(name)),
            "after": _shown(name, value),
            "differs": plan.before is not None and before.get(name) != value,
        }
        for name, value in plan.after.items()
    ]
    return {"fields": fields, "is_new": plan.before is None}


def _shown(name: str, value: Any) -> Any:
    if name == "expires_at":
        return columns.moment(value) if value else _("never")
    if isinstance(value, bool):
        return _("yes") if value else _("no")
    if isinstance(value, list):
        return columns.endpoints(value)
    return columns.code(value) if value else columns.NOTHING
