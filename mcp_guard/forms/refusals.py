"""The form that approves the origin of a refusal: sent once to see what it writes, once more to write it."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Final

from django import forms
from django.core.exceptions import ValidationError
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from mcp_guard import conf
from mcp_guard.changes import Approval
from mcp_guard.changes.refusals import asks_allowlist
from mcp_guard.endpoints import endpoints_of
from mcp_guard.forms.fields import EndpointsField, Radios
from mcp_guard.models import AllowedOrigin, Client, Refusal

WEEK: Final = "week"
GOOD: Final = "good"
LIFETIMES: Final = [(WEEK, _("for 7 days")), (GOOD, _("for good"))]


class ApproveForm(forms.Form):
    """For whom, on which endpoints, and for how long an origin is listed.

    ``shown`` and ``expires_at`` come back from the page that showed what would be written.
    """

    client = forms.ModelChoiceField(
        Client.objects.filter(active=True),
        label=_("Client"),
        empty_label=_("choose a client"),
        widget=forms.Select(attrs={"autofocus": True}),
        help_text=_("On whose behalf its pages call. An origin belongs to one client."),
    )
    endpoints = EndpointsField(help_text=_("Which endpoints its pages may call."))
    cookies = forms.BooleanField(
        label=_("Cookies"),
        required=False,
        help_text=_("Its pages may act with a user's session cookie, where the profile takes one."),
    )
    lifetime = forms.ChoiceField(
        label=_("How long"), choices=LIFETIMES, initial=WEEK, widget=Radios(group=_("How long"))
    )
    shown = forms.JSONField(required=False, widget=forms.HiddenInput)
    expires_at = forms.CharField(required=False, widget=forms.HiddenInput)

    def __init__(self, data: Any, *, refusal: Refusal) -> None:
        owner = AllowedOrigin.objects.filter(origin=refusal.origin).values_list("client", flat=True).first()
        known = owner or Client.objects.filter(name=refusal.client).values_list("pk", flat=True).first()
        super().__init__(data, initial={"client": known, "endpoints": [refusal.endpoint]})
        asking = {
            name: endpoint
            for name, endpoint in sorted(endpoints_of(conf.parse()).items())
            if asks_allowlist(endpoint)
        }
        offered = [(name, f"{name} ({endpoint.profile.value})") for name, endpoint in asking.items()]
        self.fields["endpoints"].choices = offered  # type: ignore[attr-defined]
        if not any(endpoint.profile.reads_cookies for endpoint in asking.values()):
            del self.fields["cookies"]

    def clean_expires_at(self) -> datetime | None:
        """Return the moment that was shown, None when none was."""
        text = self.cleaned_data["expires_at"]
        try:
            moment = datetime.fromisoformat(text) if text else None
        except ValueError:
            moment = None
        if text and (moment is None or timezone.is_naive(moment)):
            raise ValidationError(_("this is not a moment with a time zone"))
        return moment

    @property
    def is_confirmed(self) -> bool:
        """Whether what would be written was shown, and is to be written now."""
        return bool(self.cleaned_data["shown"])

    def asked(self) -> Approval:
        """Return what is asked for; seven days end when they ended on the page that showed them."""
        cleaned = self.cleaned_data
        expires_at = None
        if cleaned["lifetime"] == WEEK:
            shown = cleaned["expires_at"] if self.is_confirmed else None
            expires_at = shown or timezone.now().replace(microsecond=0) + timedelta(days=7)
        return Approval(cleaned["client"], cleaned["endpoints"], cleaned.get("cookies", False), expires_at)
