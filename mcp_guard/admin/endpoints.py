"""The screen of the endpoints: all that the settings declare, with report-only and enforce."""

# ruff: noqa: ARG002  # Django prescribes the signatures of its hooks
from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import messages
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied, ValidationError
from django.http import Http404, HttpRequest, HttpResponseBase, HttpResponseNotAllowed, HttpResponseRedirect
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.formats import localize
from django.utils.translation import gettext as _

from mcp_guard import changes
from mcp_guard.admin import status
from mcp_guard.admin.dashboard import may_see_any
from mcp_guard.admin.endpoint_rows import EndpointRow, rows
from mcp_guard.admin.policy import PolicyAdmin
from mcp_guard.changes import Actor
from mcp_guard.forms import ReportOnlyForm
from mcp_guard.forms.policy import add_refusal
from mcp_guard.report_only import DAYS, would_refuse

if TYPE_CHECKING:
    from mcp_guard.models import EndpointState


class EndpointStateAdmin(PolicyAdmin):
    """Look at endpoints and switch them between report-only and enforce."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Return False: endpoints are declared in the settings."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Return False: endpoints are declared in the settings."""
        return False

    def get_urls(self) -> list[URLPattern]:
        """Return the list, the page of one endpoint, its two switches, the dashboard and the status page.

        Django's own views of adding, changing and deleting rows are left out.
        """
        wrap, name = self.admin_site.admin_view, "mcp_guard_endpointstate_"
        return [
            path("", wrap(self.changelist_view), name=f"{name}changelist"),
            path("dashboard/", wrap(self.dashboard_view), name="mcp_guard_dashboard"),
            path("status/", wrap(self.status_view), name="mcp_guard_status"),
            path("<path:object_id>/change/", wrap(self.endpoint_view), name=f"{name}change"),
            path("<path:object_id>/report-only/", wrap(self.report_only_view), name=f"{name}report_only"),
            path("<path:object_id>/enforce/", wrap(self.enforce_view), name=f"{name}enforce"),
        ]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        """Show all endpoints, with or without a row."""
        _require(permitted=self.has_view_or_change_permission(request))
        found = rows(timezone.now())
        context = {
            "title": _("Endpoints"),
            "declared": [row for row in found if row.declared is not None],
            "undeclared": [row for row in found if row.declared is None],
            **(extra_context or {}),
        }
        return self.page(request, "endpointstate/list.html", context)

    def endpoint_view(self, request: HttpRequest, object_id: str) -> HttpResponseBase:
        """Show one endpoint and its two switches."""
        _require(permitted=self.has_view_or_change_permission(request))
        return self._page(request, self._row(object_id), ReportOnlyForm())

    def report_only_view(self, request: HttpRequest, object_id: str) -> HttpResponseBase:
        """Let unlisted origins in until a moment, by POST."""
        _require(permitted=self.has_change_permission(request))
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        row, form = self._row(object_id), ReportOnlyForm(request.POST)
        if not form.is_valid():
            return self._page(request, row, form)
        until = form.cleaned_data["until"]
        try:
            state = changes.report_only(Actor.of_user(request.user), row.name, until=until)
        except ValidationError as error:
            add_refusal(form, error)
            return self._page(request, row, form)
        shown = localize(timezone.localtime(until))
        text = _("Until %(until)s the endpoint %(name)s lets unlisted origins in and reports them.")
        return self._done(request, state, text % {"name": row.name, "until": shown}, messages.WARNING)

    def enforce_view(self, request: HttpRequest, object_id: str) -> HttpResponseBase:
        """Refuse unlisted origins again, by POST."""
        _require(permitted=self.has_change_permission(request))
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        row = self._row(object_id)
        try:
            state = changes.enforce(Actor.of_user(request.user), row.name)
        except ValidationError as error:
            form = ReportOnlyForm({})
            form.errors.clear()
            add_refusal(form, error)
            return self._page(request, row, form)
        text = _("The endpoint %(name)s refuses unlisted origins.") % {"name": row.name}
        return self._done(request, state, text, messages.SUCCESS)

    def dashboard_view(self, request: HttpRequest) -> HttpResponseBase:
        """Show what the index of the app shows, for sites with an index of their own."""
        _require(permitted=may_see_any(request.user))
        return self.page(request, "dashboard.html", {"title": _("MCP guard")})

    def status_view(self, request: HttpRequest) -> HttpResponseBase:
        """Show the revision, the rows that cannot be used, and the processes."""
        _require(permitted=self.has_view_or_change_permission(request))
        context = {"title": _("Status of the policy"), "status": status.current(timezone.now())}
        return self.page(request, "status.html", context)

    def _row(self, object_id: str) -> EndpointRow:
        name = unquote(object_id)
        for row in rows(timezone.now()):
            if row.name == name:
                return row
        raise Http404

    def _page(self, request: HttpRequest, row: EndpointRow, form: ReportOnlyForm) -> HttpResponseBase:
        context = {
            "title": _("Endpoint %s") % row.name,
            "row": row,
            "form": form,
            "media": self.media + form.media,
            "may_change": self.has_change_permission(request) and row.asks_allowlist,
            **self._would_refuse(request, row),
        }
        return self.page(request, "endpointstate/endpoint.html", context)

    def _would_refuse(self, request: HttpRequest, row: EndpointRow) -> dict[str, Any]:
        """Return what enforcing would refuse, for who may see refusals, where the allowlist is asked."""
        user: Any = request.user
        may_see = any(user.has_perm(f"mcp_guard.{verb}_refusal") for verb in ("view", "change", "approve"))
        if not row.asks_allowlist:
            return {}
        return {
            "may_see_refusals": may_see,
            "would_refuse": would_refuse(row.name, row.now) if may_see else None,
            "days": DAYS,
            "may_approve": user.has_perm("mcp_guard.approve_refusal"),
            "may_list": user.has_perm("mcp_guard.add_allowedorigin"),
        }

    def _done(self, request: HttpRequest, state: EndpointState, text: str, level: int) -> HttpResponseBase:
        self.log_change(request, state, text)
        self.message_user(request, text, level)
        return HttpResponseRedirect(self.url_of("changelist"))


def _require(*, permitted: bool) -> None:
    if not permitted:
        raise PermissionDenied
