"""The form of a scope."""

from __future__ import annotations

from typing import ClassVar

from django.utils.translation import gettext_lazy as _

from mcp_guard.forms.fields import GrantsField
from mcp_guard.forms.policy import PolicyForm
from mcp_guard.models import Scope


class ScopeForm(PolicyForm):
    """Add or change a scope; its grants are typed one on each line."""

    grants = GrantsField(
        help_text=_(
            "One on each line: an MCP method, and for methods that name something its exact name or URI, as "
            "in tools/call:read_note, prompts/get:summary, resources/read:note://public/*, logging/setLevel. "
            "For endpoints with messages “http” an HTTP method, as in http:POST."
        )
    )

    class Meta:  # noqa: D106 (Django prescribes it)
        model = Scope
        fields: ClassVar = ["name", "grants", "description"]
