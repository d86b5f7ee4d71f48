"""The form of a client."""

from __future__ import annotations

from typing import Any, ClassVar

from django.utils.translation import gettext_lazy as _

from mcp_guard.forms.fields import ScopesField, refuse_invisible
from mcp_guard.forms.policy import PolicyForm
from mcp_guard.models import Client


class ClientForm(PolicyForm):
    """Add or change a client."""

    scopes = ScopesField(
        label=_("Scopes of its sessions"),
        nothing=_("No scope is ticked: sessions from its origins may do nothing. Tokens have their own."),
        help_text=_("What a user with a session may do from one of its origins."),
    )

    class Meta:  # noqa: D106 (Django prescribes it)
        model = Client
        fields: ClassVar = ["name", "owner", "contact", "notes", "active", "scopes"]

    def clean_owner(self) -> Any:
        """Return the owner, refusing invisible characters."""
        refuse_invisible(self.cleaned_data["owner"])
        return self.cleaned_data["owner"]
