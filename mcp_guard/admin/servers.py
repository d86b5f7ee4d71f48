"""The screen of registered servers: register, change, approve, switch off, remove."""

# ruff: noqa: ARG002, FBT001  # Django prescribes the signatures of its hooks
from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, ClassVar

from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.db import models
from django.http import HttpRequest, HttpResponseBase
from django.urls import URLPattern, path
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from mcp_guard import changes
from mcp_guard.admin import columns, server_page
from mcp_guard.admin.policy import PolicyAdmin
from mcp_guard.admin.server_columns import ServerColumns
from mcp_guard.changes import Actor
from mcp_guard.conf import parse
from mcp_guard.forms import ApproveServerForm, ServerForm
from mcp_guard.models import RegisteredServer
from mcp_guard.server_state import ServerState, server_state
from mcp_guard.servers.runs import running


class RegisteredServerAdmin(ServerColumns, PolicyAdmin):
    """Register servers; what one runs is approved by somebody else."""

    form = ServerForm
    list_display = ("name", "state_shown", "processes_shown", "command_shown", "level_shown", "description")
    list_filter = ("enabled", "level")
    search_fields = ("name", "executable", "description")
    actions = ("disable", "enable")
    empty_text = gettext_lazy("No server is registered: nothing runs.")
    shown_instead: ClassVar = {
        "arguments": "arguments_shown",
        "environment": "environment_shown",
        "writable": "writable_shown",
        "readable": "readable_shown",
        "hosts": "hosts_shown",
        "level": "level_shown",
    }
    fieldsets: ClassVar = [
        (None, {"fields": ["name", "description", "enabled", "shared", "idle_seconds"]}),
        (
            gettext_lazy("What runs"),
            {
                "fields": ["executable", "arguments", "folder", "environment", "run_as"],
                "description": gettext_lazy("Fixed for everybody: nothing of a request is ever added to it."),
            },
        ),
        (
            gettext_lazy("What it may do"),
            {
                "fields": [
                    "level", "memory_mb", "cpu_percent", "cpu_seconds", "processes", "open_files", "file_mb",
                    "tmp_mb", "writable", "readable", "hosts", "kill",
                ],
            },
        ),
    ]  # fmt: skip

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        """Return the list, with the number of processes on each row, asked for once."""
        found = super().get_changelist_instance(request)
        counted = Counter(run.server for run in running())
        for row in found.result_list:
            row.running = counted[row.name]
        return found

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        """Return what is computed, and the name of a server that has one."""
        return (*self.shown_instead.values(), *(() if obj is None else ("name",)))

    def has_approve_permission(self, request: HttpRequest) -> bool:
        """Return whether the user may approve what somebody else registered."""
        user: Any = request.user
        return bool(user.has_perm("mcp_guard.approve_registeredserver"))

    def notices(self, row: RegisteredServer) -> Sequence[str]:
        """Return what keeps a server from running: its row, and this machine."""
        return [columns.warning(text) for text in server_page.notices(row)]

    def render_change_form(self, request: HttpRequest, context: Any, *args: Any, **kwargs: Any) -> Any:
        """Render the form with what of it is approved, and a link to the approval for who may do that."""
        row = context.get("original")
        if row is not None:
            context["server"] = found = server_page.server_page(row)
            context["may_approve"] = self.has_approve_permission(request) and not found.is_as_approved
        return super().render_change_form(request, context, *args, **kwargs)

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """Write the server, and say so when it waits for somebody else."""
        super().save_model(request, obj, form, change)
        if server_state(obj, parse().servers) is ServerState.NOT_APPROVED:
            text = _("The server %(name)s serves nobody until somebody else approves what it runs.")
            self.message_user(request, text % {"name": obj.name}, messages.WARNING)

    def get_urls(self) -> list[URLPattern]:
        """Return Django's views and the one that approves."""
        view, name = self.admin_site.admin_view(self.approve_view), "mcp_guard_registeredserver_approve"
        return [path("<int:object_id>/approve/", view, name=name), *super().get_urls()]

    def approve_view(self, request: HttpRequest, object_id: int) -> HttpResponseBase:
        """Show exactly what would run; a POST approves that, and nothing that was changed since."""
        row = self.found(request, str(object_id), permitted=self.has_approve_permission(request))
        errors: Sequence[str] = ()
        if request.method == "POST":
            form = ApproveServerForm(request.POST)
            shown = form.cleaned_data["digest"] if form.is_valid() else ""
            try:
                changes.approve_server(Actor.of_user(request.user), row, digest=shown)
            except ValidationError as error:
                errors = error.messages
            else:
                return self._approved(request, row)
        return self._ask(request, row, errors)

    @admin.action(description=gettext_lazy("Disable selected servers"), permissions=["change"])
    def disable(self, request: HttpRequest, queryset: models.QuerySet[Any]) -> None:
        """Stop servers, and refuse everybody who asks for them."""
        self._switch(request, queryset.filter(enabled=True), enabled=False)

    @admin.action(description=gettext_lazy("Enable selected servers"), permissions=["change"])
    def enable(self, request: HttpRequest, queryset: models.QuerySet[Any]) -> None:
        """Let servers run again."""
        self._switch(request, queryset.filter(enabled=False), enabled=True)

    def add_row(self, actor: Actor, values: dict[str, Any]) -> RegisteredServer:
        """Register a server."""
        return changes.add_server(actor, **values)

    def set_row(self, actor: Actor, row: RegisteredServer, values: dict[str, Any]) -> RegisteredServer:
        """Change a server."""
        return changes.set_server(actor, row, **values)

    def remove_row(self, actor: Actor, row: RegisteredServer) -> None:
        """Remove a server."""
        changes.remove_server(actor, row)

    def _ask(self, request: HttpRequest, row: RegisteredServer, errors: Sequence[str]) -> HttpResponseBase:
        found = server_page.server_page(row)
        if not errors:
            errors = self._errors(request, row, found)
        context = {
            "title": _("Approve what %s runs") % row,
            "original": row,
            "server": found,
            "errors": errors,
            "back": self.back(request, row).url,
        }
        return self.page(request, "registeredserver/approve.html", context)

    def _errors(
        self, request: HttpRequest, row: RegisteredServer, found: server_page.ServerPage
    ) -> Sequence[str]:
        """Return what keeps this user from approving it."""
        if found.problem:
            return [found.problem]
        return changes.server_approval_errors(Actor.of_user(request.user), row, found.digest)

    def _approved(self, request: HttpRequest, row: RegisteredServer) -> HttpResponseBase:
        self.log_change(request, row, "Approved.")
        text = _("What the server %(name)s runs is approved, in every process.")
        self.message_user(request, text % {"name": row.name}, messages.SUCCESS)
        return self.back(request, row)

    def _switch(self, request: HttpRequest, rows: Any, *, enabled: bool) -> None:
        count = 0
        for row in rows:
            changes.set_server(Actor.of_user(request.user), row, enabled=enabled)
            self.log_change(request, row, "Enabled." if enabled else "Disabled.")
            count += 1
        if enabled:
            text = ngettext("%d server is enabled.", "%d servers are enabled.", count)
        else:
            text = ngettext("%d server is disabled.", "%d servers are disabled.", count)
        self.message_user(request, text % count, messages.SUCCESS)
