"""The form of a check: a request that nobody sent, to see what would become of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from mcp_guard import conf
from mcp_guard.endpoints import endpoints_of
from mcp_guard.explain.question import Door, Question, ShownToken
from mcp_guard.forms.fields import Radios
from mcp_guard.models import Client, TokenSecret
from mcp_guard.policy.endpoint import Endpoint, Messages
from mcp_guard.policy.scopes import HTTP, MAX_LENGTH, GrantError, Operation, canonical, over_http
from mcp_guard.token_state import token_state

if TYPE_CHECKING:
    _SecretBase = forms.ModelChoiceField[TokenSecret]
else:
    _SecretBase = forms.ModelChoiceField

DOORS = [
    (Door.REQUEST.value, _("HTTP request")),
    (Door.PREFLIGHT.value, _("preflight of an HTTP request, as a browser sends it")),
    (Door.HANDSHAKE.value, _("WebSocket, the token in its handshake")),
    (Door.MESSAGE.value, _("WebSocket, the token in its first message, as a page sends it")),
]


class SecretField(_SecretBase):
    """One secret of the client's tokens: told apart by its mask, looked up by its digest."""

    def __init__(self, client: Client) -> None:
        secrets = TokenSecret.objects.filter(token__client=client)
        super().__init__(
            secrets.select_related("token__client", "token__user").order_by("token__name", "-created_at"),
            required=False,
            label=_("Token"),
            empty_label=_("none is presented"),
        )

    def label_from_instance(self, obj: TokenSecret) -> str:
        """Return the token's name, the mask and the state."""
        now = timezone.now()
        has_ended = obj.expires_at is not None and obj.expires_at <= now
        state = _("rotated away") if has_ended else token_state(obj.token, now).value
        return f"{obj.token}, {obj.mask}, {obj.token.kind}, {state}"


class CheckForm(forms.Form):
    """What would be asked, from which origin, with which token of the client.

    A text of a token is never typed here: the rows know its digest, which is all that the gate looks up.
    """

    endpoint = forms.ChoiceField(label=_("Endpoint"))
    door = forms.ChoiceField(
        label=_("Door"), choices=DOORS, widget=Radios(group=_("Door")), initial=Door.REQUEST.value
    )
    origin = forms.CharField(
        label=_("Origin"),
        required=False,
        max_length=300,
        strip=False,
        help_text=_("As the browser sends it, byte for byte. Empty: a program that sends none."),
        widget=forms.TextInput(
            attrs={
                "list": "mcp-guard-origins",
                "autocomplete": "off",
                "spellcheck": "false",
                "class": "vTextField",
            }
        ),
    )
    grant = forms.CharField(
        label=_("Asks for"),
        required=False,
        max_length=MAX_LENGTH,
        help_text=_("A tool or anything else, written like a grant: tools/call:read_note. May stay empty."),
        widget=forms.TextInput(
            attrs={
                "list": "mcp-guard-grants",
                "autocomplete": "off",
                "spellcheck": "false",
                "class": "vTextField",
            }
        ),
    )

    field_order = ("endpoint", "door", "origin", "token", "grant")

    def __init__(self, *args: Any, client: Client, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["token"] = SecretField(client)
        self.order_fields(self.field_order)
        self.fields["endpoint"].choices = [  # type: ignore[attr-defined]
            (name, f"{name} ({endpoint.profile.value})")
            for name, endpoint in sorted(endpoints_of(conf.parse()).items())
        ]

    def clean(self) -> dict[str, Any]:
        """Return the values with the operation that is asked for."""
        values: dict[str, Any] = super().clean() or {}
        if values.get("door") == Door.PREFLIGHT.value and not values.get("origin"):
            self.add_error("origin", _("a preflight has an Origin"))
        if "endpoint" in values and "grant" in values:
            try:
                values["operation"] = _operation(values["grant"], conf.endpoint(values["endpoint"]))
            except (GrantError, ValidationError) as error:
                self.add_error("grant", str(error) if isinstance(error, GrantError) else error)
        return values

    def question(self) -> Question:
        """Return the question of a valid form."""
        values = self.cleaned_data
        secret, operation = values["token"], values["operation"]
        return Question(
            conf.endpoint(values["endpoint"]),
            values["origin"] or None,
            None if secret is None else ShownToken.of_digest(bytes.fromhex(secret.digest)),
            method=operation.name if operation is not None and operation.method == HTTP else None,
            door=Door(values["door"]),
            operation=operation,
        )


def _operation(text: str, endpoint: Endpoint) -> Operation | None:
    """Return what a text asks for; None when it is empty.

    Raises:
        GrantError: when it is no grant.
        ValidationError: when it opens several things, or is for other messages than the endpoint's.
    """
    if not text.strip():
        return over_http("POST") if endpoint.messages is Messages.HTTP else None
    method, _colon, name = canonical(text).partition(":")
    if name.endswith("/*"):
        raise ValidationError(_("name one thing; /* is for grants"))
    if (method == HTTP) is not (endpoint.messages is Messages.HTTP):
        raise ValidationError(_("the messages of this endpoint are: %s") % endpoint.messages.value)
    return over_http(name) if method == HTTP else Operation(method, name or None)
