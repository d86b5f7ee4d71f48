"""The form of an allowed origin."""

from __future__ import annotations

from typing import Any, ClassVar

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from mcp_guard.forms.fields import EndpointsField
from mcp_guard.forms.policy import PolicyForm
from mcp_guard.models import AllowedOrigin
from mcp_guard.policy.origin import OriginError, canonical


class OriginField(forms.CharField):
    """One origin, cleaned to its canonical form.

    It has no maxlength: a browser would cut a long paste down to another, shorter origin without a word.
    """

    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault("label", _("Origin"))
        kwargs.setdefault("help_text", AllowedOrigin._meta.get_field("origin").help_text)
        attrs = {
            "class": "vTextField",
            "spellcheck": "false",
            "autocapitalize": "none",
            "autocomplete": "off",
        }
        super().__init__(widget=forms.TextInput(attrs=attrs | {"inputmode": "url"}), **kwargs)

    def to_python(self, value: Any) -> Any:
        """Return the canonical form of what was typed.

        Raises:
            ValidationError: saying what is wrong with it.
        """
        typed = super().to_python(value)
        if not typed:
            return typed
        try:
            return canonical(typed)
        except OriginError as error:
            raise ValidationError(str(error)) from None


class OriginForm(PolicyForm):
    """List an origin or change a listed one.

    ``typed`` is what was typed where it differs from what will be stored, else empty.
    """

    typed = ""

    origin = OriginField()
    endpoints = EndpointsField(help_text=_("Which endpoints its pages may call."))

    class Meta:  # noqa: D106 (Django prescribes it)
        model = AllowedOrigin
        fields: ClassVar = ["origin", "client", "endpoints", "cookies", "active", "expires_at", "note"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "endpoints" in self.fields and self.instance.pk:
            self.fields["endpoints"].keep(self.instance.endpoints)  # type: ignore[attr-defined]

    def clean_origin(self) -> Any:
        """Return the canonical form, remembering what was typed."""
        typed = str(self.data.get(self.add_prefix("origin"), "")).strip()
        self.typed = typed if typed != self.cleaned_data["origin"] else ""
        return self.cleaned_data["origin"]
