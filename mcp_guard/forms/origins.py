"""The form of an allowed origin."""

from __future__ import annotations

from typing import Any, ClassVar

from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from mcp_guard.forms.fields import EndpointsField
from mcp_guard.forms.policy import PolicyForm
from mcp_guard.models import AllowedOrigin
from mcp_guard.policy.origin import OriginError, canonical


class OriginForm(PolicyForm):
    """List an origin or change a listed one.

    ``typed`` is what was typed where it differs from what will be stored, else empty.
    """

    typed = ""

    endpoints = EndpointsField(help_text=_("Which endpoints its pages may call."))

    class Meta:  # noqa: D106 (Django prescribes it)
        model = AllowedOrigin
        fields: ClassVar = ["origin", "client", "endpoints", "cookies", "active", "expires_at", "note"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "endpoints" in self.fields and self.instance.pk:
            self.fields["endpoints"].keep(self.instance.endpoints)  # type: ignore[attr-defined]
        if "origin" in self.fields:
            attrs = self.fields["origin"].widget.attrs
            # A browser would cut a long paste down to another, shorter origin without a word.
            attrs.pop("maxlength", None)
            attrs.update(spellcheck="false", autocapitalize="none", autocomplete="off", inputmode="url")

    def clean_origin(self) -> str:
        """Return the canonical form of what was typed."""
        typed = self.cleaned_data["origin"].strip()
        try:
            stored = canonical(typed)
        except OriginError as error:
            raise ValidationError(str(error)) from None
        self.typed = typed if typed != stored else ""
        return stored
