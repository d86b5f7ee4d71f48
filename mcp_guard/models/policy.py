"""The rows of policy: scopes, clients, origins, tokens and what is switched on an endpoint."""

from __future__ import annotations

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from mcp_guard.models.base import PolicyModel, clean_grants, clean_names, clean_origin
from mcp_guard.policy.credential import TokenKind
from mcp_guard.policy.origin import MAX_LENGTH


class Scope(PolicyModel):
    """A named set of grants."""

    name = models.SlugField(_("name"), max_length=80, unique=True, allow_unicode=False)
    grants = models.JSONField(
        _("grants"),
        default=list,
        blank=True,
        validators=[clean_grants],
        help_text=_("What it opens; empty opens nothing."),
    )
    endpoints = models.JSONField(
        _("endpoints"),
        default=list,
        blank=True,
        help_text=_("Where it counts; at every endpoint where none is named."),
    )
    description = models.CharField(_("description"), max_length=200, blank=True)

    class Meta:
        verbose_name = _("scope")
        verbose_name_plural = _("scopes")
        ordering = ("name",)

    def __str__(self) -> str:
        return self.name


class Client(PolicyModel):
    """A party that is let in: a partner's frontend, an agent, a team."""

    name = models.SlugField(_("name"), max_length=80, unique=True)
    owner = models.CharField(_("owner"), max_length=120, blank=True)
    contact = models.CharField(_("contact"), max_length=200, blank=True)
    notes = models.TextField(_("notes"), blank=True)
    active = models.BooleanField(
        _("active"), default=True, help_text=_("Off refuses all its origins and tokens at once.")
    )
    scopes = models.ManyToManyField(
        Scope,
        verbose_name=_("scopes of its sessions"),
        blank=True,
        related_name="clients",
        help_text=_("What a user with a session may do from one of its origins; empty is nothing."),
    )
    created_at = models.DateTimeField(_("created"), default=timezone.now, editable=False)

    class Meta:
        verbose_name = _("client")
        verbose_name_plural = _("clients")
        ordering = ("name",)
        permissions: ClassVar = [("check_client", "Can check what would be let in")]

    def __str__(self) -> str:
        return self.name


class AllowedOrigin(PolicyModel):
    """An origin whose pages may call some endpoints, on behalf of its client."""

    origin = models.CharField(
        _("origin"),
        max_length=MAX_LENGTH,
        unique=True,
        validators=[clean_origin],
        help_text=_("Scheme, host and, unless it is the scheme's own, port: https://app.example.com"),
    )
    client = models.ForeignKey(
        Client, verbose_name=_("client"), on_delete=models.PROTECT, related_name="origins"
    )
    endpoints = models.JSONField(
        _("endpoints"),
        default=list,
        blank=True,
        validators=[clean_names],
        help_text=_("Which endpoints its pages may call; empty is none."),
    )
    cookies = models.BooleanField(
        _("cookies"),
        default=False,
        help_text=_("Its pages may act with a user's session cookie, where the profile allows it."),
    )
    active = models.BooleanField(_("active"), default=True)
    expires_at = models.DateTimeField(_("expires"), null=True, blank=True)
    note = models.CharField(_("note"), max_length=200, blank=True)
    created_at = models.DateTimeField(_("created"), default=timezone.now, editable=False)

    class Meta:
        verbose_name = _("allowed origin")
        verbose_name_plural = _("allowed origins")
        ordering = ("origin",)

    def __str__(self) -> str:
        return self.origin


class Token(PolicyModel):
    """What a client presents; its secrets are in ``TokenSecret``, as digests only."""

    client = models.ForeignKey(
        Client, verbose_name=_("client"), on_delete=models.PROTECT, related_name="tokens"
    )
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("user"),
        null=True,
        blank=True,
        on_delete=models.CASCADE,
        related_name="mcp_guard_tokens",
        help_text=_("Whom requests with it act for; it stops working when the user is deactivated."),
    )
    name = models.CharField(_("name"), max_length=80)
    kind = models.CharField(
        _("kind"),
        max_length=10,
        choices=[(kind.value, kind.value) for kind in TokenKind],
        default=TokenKind.SERVER.value,
        help_text=_(
            "server: never together with an Origin; browser: only from its client's origins; "
            "any: both, which is weaker."
        ),
    )
    endpoints = models.JSONField(
        _("endpoints"),
        default=list,
        blank=True,
        validators=[clean_names],
        help_text=_("Which endpoints accept it; empty is none."),
    )
    scopes = models.ManyToManyField(
        Scope,
        verbose_name=_("scopes"),
        blank=True,
        related_name="tokens",
        help_text=_("What it may do; empty is nothing."),
    )
    not_before = models.DateTimeField(_("not before"), null=True, blank=True)
    expires_at = models.DateTimeField(_("expires"))
    revoked_at = models.DateTimeField(_("revoked"), null=True, blank=True, editable=False)
    created_at = models.DateTimeField(_("created"), default=timezone.now, editable=False)

    class Meta:
        verbose_name = _("token")
        verbose_name_plural = _("tokens")
        ordering = ("client__name", "name", "pk")
        permissions: ClassVar = [("revoke_token", "Can revoke token")]

    def __str__(self) -> str:
        return f"{self.name} (#{self.pk})"


class TokenSecret(PolicyModel):
    """One secret of a token: up to two are live while it is rotated."""

    token = models.ForeignKey(Token, on_delete=models.CASCADE, related_name="secrets")
    digest = models.CharField(max_length=64, unique=True, help_text=_("SHA-256 in hexadecimal"))
    mask = models.CharField(max_length=20)
    created_at = models.DateTimeField(default=timezone.now)
    expires_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name = _("token secret")
        verbose_name_plural = _("token secrets")
        ordering = ("-created_at", "-pk")

    def __str__(self) -> str:
        return self.mask


class EndpointState(PolicyModel):
    """What an operator switched on an endpoint, over its settings."""

    name = models.CharField(_("endpoint"), max_length=63, primary_key=True)
    report_only_until = models.DateTimeField(
        _("report only until"),
        null=True,
        blank=True,
        help_text=_("Until then unlisted origins are let in and reported; empty enforces."),
    )

    class Meta:
        verbose_name = _("endpoint")
        verbose_name_plural = _("endpoints")
        ordering = ("name",)

    def __str__(self) -> str:
        return self.name
