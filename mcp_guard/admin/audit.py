"""The screen of the audit trail: to be read, never to be changed."""

# ruff: noqa: ARG002  # Django prescribes the signatures of its hooks
from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from django.contrib import admin
from django.http import HttpRequest
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from mcp_guard.admin import columns
from mcp_guard.admin.filters import SubjectFilter
from mcp_guard.models import AuditEvent

if TYPE_CHECKING:
    _ModelAdmin = admin.ModelAdmin[AuditEvent]
else:
    _ModelAdmin = admin.ModelAdmin


class AuditEventAdmin(_ModelAdmin):
    """Read who changed what."""

    fields = ("at", "actor_label", "tag", "subject_shown", "difference", "revision")
    list_display = ("at", "actor_label", "tag", "subject_shown", "revision")
    list_filter = (SubjectFilter,)
    empty_text = gettext_lazy("Nothing was changed yet.")
    search_fields = ("subject", "actor_label")
    date_hierarchy = "at"
    show_full_result_count = False
    actions = None

    class Media:
        css: ClassVar = {"all": ["mcp_guard/admin.css"]}

    @admin.display(description=gettext_lazy("subject"), ordering="subject")
    def subject_shown(self, event: AuditEvent) -> SafeString:
        """Return what the event is about."""
        return columns.code(event.subject)

    @admin.display(description=gettext_lazy("difference"))
    def difference(self, event: AuditEvent) -> SafeString:
        """Return a table of the fields that differ before and after."""
        rows = [(name, _shown(old), _shown(new)) for name, old, new in differing(event.before, event.after)]
        if not rows:
            return format_html("{}", _("nothing"))
        head = format_html(
            '<th scope="col">{}</th><th scope="col">{}</th><th scope="col">{}</th>',
            _("field"), _("before"), _("after"),
        )  # fmt: skip
        body = format_html_join("", '<tr><th scope="row">{}</th><td>{}</td><td>{}</td></tr>', rows)
        return format_html(
            '<table class="mcp-guard-table"><thead><tr>{}</tr></thead><tbody>{}</tbody></table>', head, body
        )

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Return False: events are written by ``mcp_guard.changes`` alone."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Return False: what was recorded stays as it is."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Return False: what was recorded stays."""
        return False


def differing(before: Any, after: Any) -> list[tuple[str, Any, Any]]:
    """Return name, old and new value of each field that differs, in the order of the names."""
    old = before if isinstance(before, dict) else {"": before}
    new = after if isinstance(after, dict) else {"": after}
    return [
        (name, old.get(name), new.get(name))
        for name in sorted({*old, *new})
        if (name in old, old.get(name)) != (name in new, new.get(name))
    ]


def _shown(value: Any) -> SafeString:
    if value is None or value in ("", []):
        return format_html("{}", columns.NOTHING)
    if isinstance(value, list):
        return format_html_join(" ", "{}", ((columns.code(item),) for item in value))
    return columns.code(value)
