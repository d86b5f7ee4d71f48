"""The forms of a token: issue, change, rotate."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, ClassVar

from django import forms
from django.contrib.auth import get_user_model
from django.utils import timezone
from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _

from mcp_guard import conf
from mcp_guard.changes.tokens import DEFAULT_OVERLAP, MAX_OVERLAP, latest_expiry, live_secrets
from mcp_guard.forms.fields import EndpointsField, Radios, ScopesField, refuse_invisible
from mcp_guard.forms.policy import PolicyForm
from mcp_guard.models import Token
from mcp_guard.policy.credential import TokenKind

HOUR = timedelta(hours=1)

KINDS = [
    (TokenKind.SERVER.value, _("server: for programs; refused together with an Origin")),
    (TokenKind.BROWSER.value, _("browser: for pages; only from its client's origins")),
    (TokenKind.ANY.value, _("any: both, which is weaker: a leaked one works from everywhere")),
]


class TokenForm(PolicyForm):
    """Change a token that is not revoked; its client and its user are for good."""

    kind = forms.ChoiceField(
        label=_("Kind"), choices=KINDS, widget=Radios(group=_("Kind")), initial=TokenKind.SERVER.value
    )
    endpoints = EndpointsField(help_text=_("Which endpoints accept it."))
    scopes = ScopesField(
        label=_("Scopes"),
        nothing=_("No scope is ticked: the token may do nothing."),
        help_text=_("What it may do."),
    )

    class Meta:  # noqa: D106 (Django prescribes it)
        model = Token
        fields: ClassVar = ["name", "kind", "endpoints", "scopes", "not_before", "expires_at"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "endpoints" in self.fields and self.instance.pk:
            self.fields["endpoints"].keep(self.instance.endpoints)  # type: ignore[attr-defined]
        if "expires_at" in self.fields:
            self.fields["expires_at"].help_text = self._expiry_help()

    def clean_name(self) -> Any:
        """Return the name, refusing invisible characters."""
        refuse_invisible(self.cleaned_data["name"])
        return self.cleaned_data["name"]

    def _expiry_help(self) -> str:
        days = conf.parse().token_max_days
        if self.instance.pk is None:
            return _("At most %(days)d days from now.") % {"days": days}
        latest = f"{timezone.localtime(latest_expiry(self.instance)):%Y-%m-%d %H:%M}"
        return _("At most %(days)d days after its newest secret was made: until %(latest)s.") % {
            "days": days,
            "latest": latest,
        }


class IssueForm(TokenForm):
    """Issue a token. The user is typed by name, so that no list of users has to be shown."""

    class Meta(TokenForm.Meta):  # noqa: D106 (Django prescribes it)
        fields: ClassVar = ["client", "user", *TokenForm.Meta.fields]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["kind"].required = False
        if "user" in self.fields:
            self.fields["user"] = _user_field()
        if "expires_at" in self.fields:
            config = conf.parse()
            days = min(config.token_days, config.token_max_days)
            expires = self.fields["expires_at"]
            expires.required = False
            expires.initial = timezone.now().replace(microsecond=0) + timedelta(days=days)
            expires.help_text = _("At most %(longest)d days from now; empty is %(days)d days.") % {
                "longest": config.token_max_days,
                "days": days,
            }

    def clean_kind(self) -> str:
        """Return the kind; one that was not sent is the narrowest."""
        return self.cleaned_data["kind"] or TokenKind.SERVER.value


class RotateForm(forms.Form):
    """Give a token a new secret.

    ``newest`` comes back from the page, so that what is sent twice rotates once. ``end_older`` is asked
    only where an older secret still works.
    """

    overlap = forms.IntegerField(
        label=_("Hours the old secret goes on working"),
        min_value=0,
        max_value=MAX_OVERLAP // HOUR,
        initial=DEFAULT_OVERLAP // HOUR,
        help_text=format_lazy(
            _("From 0, which ends it at once, to {longest}. Put the new one in place meanwhile."),
            longest=MAX_OVERLAP // HOUR,
        ),
    )

    end_older = forms.BooleanField(
        label=_("End the older secrets now"),
        required=False,
        help_text=_("An older secret still works: whoever uses it is refused from now on."),
    )
    newest = forms.IntegerField(widget=forms.HiddenInput)

    def __init__(self, data: Any, *, token: Token) -> None:
        secrets = list(token.secrets.all())
        super().__init__(data, initial={"newest": secrets[0].pk if secrets else 0})
        if not live_secrets(secrets, timezone.now())[1:]:
            del self.fields["end_older"]

    def asked(self) -> dict[str, Any]:
        """Return what is asked for, as ``rotate_token`` takes it."""
        cleaned = self.cleaned_data
        return {
            "overlap": self.overlap_time(),
            "newest": cleaned["newest"],
            "end_older": cleaned.get("end_older", False),
        }

    def overlap_time(self) -> timedelta:
        """Return how long the old secret goes on working."""
        return timedelta(hours=self.cleaned_data["overlap"])


def _user_field() -> forms.Field:
    users: Any = get_user_model()
    name = users.USERNAME_FIELD
    label = getattr(users._meta.get_field(name), "verbose_name", name)
    return forms.ModelChoiceField(
        users._default_manager.all(),
        to_field_name=name,
        required=False,
        label=_("User"),
        widget=forms.TextInput(attrs={"class": "vTextField", "autocomplete": "off", "spellcheck": "false"}),
        help_text=_(
            "The %(name)s of whom requests with it act for, or empty. It stops working when that user is "
            "deactivated."
        )
        % {"name": label},
        error_messages={"invalid_choice": _("there is no such user; type the name exactly")},
    )
