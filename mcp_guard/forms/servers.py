"""The form of a registered server, and that of its approval."""

from __future__ import annotations

from typing import Any, ClassVar, Final

from django import forms
from django.utils.translation import gettext_lazy as _

from mcp_guard import conf
from mcp_guard.forms.fields import Radios, refuse_invisible
from mcp_guard.forms.lines import LinesField
from mcp_guard.forms.policy import PolicyForm
from mcp_guard.models import RegisteredServer
from mcp_guard.policy.registration import Level

LISTS: Final = ("arguments", "environment", "writable", "readable", "hosts")
"""Fields that hold one text on each line."""

PLACEHOLDERS: Final = {
    "arguments": "--root\n/srv/files",
    "environment": "API_KEY=file:/run/secrets/files-api-key",
    "writable": "/srv/files/out",
    "readable": "/opt/mcp/venv",
    "hosts": "api.example.com:443",
}

LEVELS: Final = [
    (Level.REQUIRED.value, _("required: namespaces, a filter of system calls, and Landlock where there is")),
    (Level.LANDLOCK.value, _("landlock: limits, a filter of system calls and Landlock, without namespaces")),
    (Level.UNCONFINED.value, _("unconfined: nothing keeps it from what the portal's own user may do")),
]


class ServerForm(PolicyForm):
    """Register a server or change one; its name is for good."""

    level = forms.ChoiceField(
        label=_("Confinement"),
        choices=LEVELS,
        widget=Radios(group=_("Confinement")),
        initial=Level.REQUIRED.value,
    )

    class Meta:  # noqa: D106 (Django prescribes it)
        model = RegisteredServer
        fields: ClassVar = [
            "name", "description", "enabled",
            "executable", "arguments", "folder", "environment", "run_as", "shared", "idle_seconds",
            "level", "memory_mb", "cpu_percent", "cpu_seconds", "processes", "open_files", "file_mb",
            "tmp_mb", "writable", "readable", "hosts", "kill",
        ]  # fmt: skip

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in LISTS:
            if name in self.fields:
                self._make_lines(name)
        for name in ("executable", "folder", "name"):
            if name in self.fields:
                attrs = {"spellcheck": "false", "autocapitalize": "none", "autocomplete": "off"}
                self.fields[name].widget.attrs.update(attrs)
        if "level" in self.fields:
            loosest = conf.parse().servers.level
            self.fields["level"].help_text = _("SERVERS_LEVEL lets it be as loose as: %(level)s.") % {
                "level": loosest.value
            }

    def clean_description(self) -> Any:
        """Return the description, refusing invisible characters."""
        refuse_invisible(self.cleaned_data["description"])
        return self.cleaned_data["description"]

    def _make_lines(self, name: str) -> None:
        stored: Any = RegisteredServer._meta.get_field(name)
        self.fields[name] = LinesField(
            label=str(stored.verbose_name).capitalize(),
            help_text=_("%(about)s One on each line.") % {"about": stored.help_text},
            validators=stored.validators,
        )
        self.fields[name].widget.attrs["placeholder"] = PLACEHOLDERS[name]


class ApproveServerForm(forms.Form):
    """Approve what a server is registered with; the digest comes back from the page that showed it."""

    digest = forms.CharField(widget=forms.HiddenInput, max_length=64)
