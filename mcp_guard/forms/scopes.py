"""The form of a scope."""

from __future__ import annotations

from typing import Any, ClassVar

from django.utils.translation import gettext_lazy as _

from mcp_guard.forms.fields import EndpointsField, GrantsField
from mcp_guard.forms.policy import PolicyForm
from mcp_guard.models import Scope


class ScopeForm(PolicyForm):
    """Add or change a scope; its grants are typed one on each line."""

    grants = GrantsField(
        help_text=_(
            "Tick what the servers here offer; type anything else, one on each line: an MCP method, and for "
            "methods that name something its exact name or URI, as in tools/call:read_note, "
            "prompts/get:summary, resources/read:note://public/*, logging/setLevel. "
            "For endpoints with messages “http” an HTTP method, as in http:POST."
        )
    )

    endpoints = EndpointsField(
        help_text=_("Where it counts; at every endpoint where none is ticked."),
        nothing=_("No endpoint is ticked: this counts at every one."),
    )

    class Meta:  # noqa: D106 (Django prescribes it)
        model = Scope
        fields: ClassVar = ["name", "grants", "endpoints", "description"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "endpoints" in self.fields and self.instance.pk:
            self.fields["endpoints"].keep(self.instance.endpoints)  # type: ignore[attr-defined]
