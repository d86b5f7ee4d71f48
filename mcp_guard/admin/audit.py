"""The screen of the audit trail: to be read and exported, never to be changed."""

# ruff: noqa: ARG002  # Django prescribes the signatures of its hooks
from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any, ClassVar, Final

from asgiref.sync import sync_to_async
from django.contrib import admin
from django.contrib.admin.options import IncorrectLookupParameters
from django.core.exceptions import PermissionDenied
from django.core.handlers.asgi import ASGIRequest
from django.http import (
    HttpRequest,
    HttpResponseBadRequest,
    HttpResponseBase,
    HttpResponseNotAllowed,
    StreamingHttpResponse,
)
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy

from mcp_guard.admin import audit_columns, audit_filters, columns
from mcp_guard.admin.filters import SubjectFilter
from mcp_guard.admin.screens import Screens
from mcp_guard.audit import export
from mcp_guard.audit.state import state
from mcp_guard.models import AuditEvent

_TYPES: Final = {"csv": "text/csv; charset=utf-8", "json": "application/x-ndjson"}


class AuditEventAdmin(Screens):
    """Read what happened, and take it away as a file."""

    list_display = ("listed_at", "what_shown", "listed_subject", "who_shown")
    list_filter = (
        ("at", admin.DateFieldListFilter),
        "category",
        SubjectFilter,
        audit_filters.TagFilter,
        audit_filters.OutcomeFilter,
        audit_filters.EndpointFilter,
        audit_filters.ClientFilter,
        audit_filters.ActorFilter,
        audit_filters.SealedFilter,
    )
    empty_text = gettext_lazy("Nothing happened yet.")
    search_fields = ("subject", "actor_label", "client", "token", "address", "correlation_id", "user_agent")
    search_help_text = gettext_lazy(
        "Searches subjects, names, clients, tokens, addresses, correlation ids and user agents."
    )
    show_full_result_count = False
    list_per_page = 50
    actions = None

    class Media:
        css: ClassVar = {"all": ["mcp_guard/admin.css"]}

    @admin.display(description=gettext_lazy("at"), ordering="at")
    def listed_at(self, event: AuditEvent) -> SafeString:
        """Return when it happened, by the second, above its number in the hash chain."""
        return self.at_shown(event) + audit_columns.seal(event)

    @admin.display(description=gettext_lazy("at"))
    def at_shown(self, event: AuditEvent) -> SafeString:
        """Return when it happened, by the second."""
        at = timezone.localtime(event.at)
        shown = f"{at:%Y-%m-%d}", f"{at:%H:%M:%S}"
        return format_html('<span class="mcp-guard-at">{} <span>{}</span></span>', *shown)

    @admin.display(description=gettext_lazy("what"), ordering="tag")
    def what_shown(self, event: AuditEvent) -> SafeString:
        """Return what happened, and how it ended."""
        return audit_columns.what(event)

    @admin.display(description=gettext_lazy("subject"), ordering="subject")
    def listed_subject(self, event: AuditEvent) -> SafeString:
        """Return what the event is about, and on which endpoint."""
        where = audit_columns.note(event.endpoint) if event.endpoint else SafeString()
        return (self.subject_shown(event) + where) or audit_columns.nothing()

    @admin.display(description=gettext_lazy("subject"))
    def subject_shown(self, event: AuditEvent) -> SafeString:
        """Return what the event is about."""
        return columns.code(event.subject) if event.subject else SafeString()

    @admin.display(description=gettext_lazy("who"), ordering="actor_label")
    def who_shown(self, event: AuditEvent) -> SafeString:
        """Return who did it, and from where."""
        return audit_columns.who(event)

    @admin.display(description=gettext_lazy("seal"), ordering="seq")
    def seal_shown(self, event: AuditEvent) -> SafeString:
        """Return the number in the hash chain."""
        return audit_columns.seal(event)

    @admin.display(description=gettext_lazy("digest"))
    def digest_shown(self, event: AuditEvent) -> SafeString:
        """Return the digest in the hash chain."""
        return audit_columns.digest(event)

    @admin.display(description=gettext_lazy("difference"))
    def difference(self, event: AuditEvent) -> SafeString:
        """Return a table of the fields that differ before and after."""
        return audit_columns.difference(event)

    @admin.display(description=gettext_lazy("details"))
    def details_shown(self, event: AuditEvent) -> SafeString:
        """Return a table of what else is known."""
        return audit_columns.details(event)

    @admin.display(description=gettext_lazy("user agent"))
    def user_agent_shown(self, event: AuditEvent) -> SafeString:
        """Return what the client called itself."""
        return columns.code(event.user_agent)

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        """Return what is known of an event; what is empty is left out."""
        shown = {
            gettext_lazy("What"): ["at", "category", "tag", "outcome", "subject", "count"],
            gettext_lazy("Who"): ["actor_label", "client", "token"],
            gettext_lazy("Where"): ["endpoint", "exchange", "address", "user_agent", "correlation_id"],
        }
        columns_of = {"at": "at_shown", "subject": "subject_shown", "user_agent": "user_agent_shown"}
        empty = ("", None, 1)  # once is not worth a line
        found = [
            (
                title,
                {
                    "fields": [
                        columns_of.get(name, name) for name in names if getattr(obj, name, "") not in empty
                    ]
                },
            )
            for title, names in shown.items()
        ]
        if obj is not None and obj.revision:
            found.append((gettext_lazy("Change"), {"fields": ["difference", "revision"]}))
        if obj is not None and obj.details:
            found.append((gettext_lazy("Details"), {"fields": ["details_shown"]}))
        found.append((gettext_lazy("Hash chain"), {"fields": ["seal_shown", "digest_shown"]}))
        return [(title, options) for title, options in found if options["fields"]]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Return all that is shown."""
        return [name for _, options in self.get_fieldsets(request, obj) for name in options["fields"]]

    def get_urls(self) -> list[URLPattern]:
        """Return the list, an event, and the export."""
        view = self.admin_site.admin_view(self.export_view)
        return [path("export/", view, name="mcp_guard_auditevent_export"), *super().get_urls()]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        """Answer the list below the state of the hash chain."""
        context = {
            "chain": state(),
            "may_export": self.has_export_permission(request),
            "export_url": f"{self.url_of_export()}?{request.GET.urlencode()}",
        }
        return super().changelist_view(request, {**context, **(extra_context or {})})

    def export_view(self, request: HttpRequest) -> HttpResponseBase:
        """Answer with a file of the events that the list would show, and record that it was taken.

        Raises:
            PermissionDenied: to those who may not export events.
        """
        if not self.has_export_permission(request):
            raise PermissionDenied
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        form = "json" if request.POST.get("format") == "json" else "csv"
        try:
            chosen = self.get_changelist_instance(request).get_queryset(request)
        except IncorrectLookupParameters:
            return HttpResponseBadRequest("a filter has a wrong value", content_type="text/plain")
        texts = export.lines(chosen, form)
        user: Any = request.user
        export.record(user.get_username(), form, request.GET.urlencode(), actor_id=user.pk)
        body = _aiterate(texts) if isinstance(request, ASGIRequest) else texts
        name = f"audit-{timezone.now():%Y%m%dT%H%M%SZ}.{form if form == 'csv' else 'ndjson'}"
        headers = {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"}
        return StreamingHttpResponse(body, content_type=_TYPES[form], headers=headers)

    def url_of_export(self) -> str:
        """Return the path of the export."""
        return reverse(f"{self.admin_site.name}:mcp_guard_auditevent_export")

    def has_export_permission(self, request: HttpRequest) -> bool:
        """Return whether the user may take events away."""
        user: Any = request.user
        return bool(user.has_perm("mcp_guard.export_auditevent"))

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Return False: events are written when something happens."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Return False: what was recorded stays as it is."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Return False: what was recorded stays."""
        return False


async def _aiterate(texts: Iterator[str]) -> AsyncIterator[str]:
    """Yield the texts without holding up the event loop while each is read."""
    following = sync_to_async(lambda: next(texts, None))
    while (text := await following()) is not None:
        yield text
