"""What processes saw: refusals, uses of tokens and grants, counts. No policy: no revision is raised for it.

Every table here is bounded by those who write it, so nothing that a stranger sends can grow the database.
"""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from mcp_guard.models.policy import Token, TokenSecret
from mcp_guard.policy.origin import MAX_LENGTH


class Refusal(models.Model):
    """Refusals that are alike: same endpoint, exchange, reason, origin, host and client."""

    class State(models.TextChoices):
        """What an administrator said of it."""

        OPEN = "open", _("open")
        APPROVED = "approved", _("approved")
        NEVER = "never", _("never")

    class Outcome(models.TextChoices):
        """What became of the requests."""

        REFUSED = "refused", _("refused")
        WOULD_REFUSE = "would_refuse", _("let in by report-only")

    key = models.CharField(max_length=64, unique=True, editable=False)
    endpoint = models.CharField(_("endpoint"), max_length=63, db_index=True)
    exchange = models.CharField(_("exchange"), max_length=12)
    reason = models.CharField(_("reason"), max_length=40)
    outcome = models.CharField(_("outcome"), max_length=12, choices=Outcome.choices, default=Outcome.REFUSED)
    origin = models.CharField(_("origin"), max_length=MAX_LENGTH, blank=True, db_index=True)
    host = models.CharField(_("host"), max_length=260, blank=True)
    client = models.CharField(_("client"), max_length=80, blank=True)
    is_rest = models.BooleanField(
        _("those without a row of their own"),
        default=False,
        help_text=_("Counts exactly what came when no more rows could be made."),
    )
    state = models.CharField(_("state"), max_length=10, choices=State.choices, default=State.OPEN)
    decided_by = models.CharField(_("decided by"), max_length=150, blank=True)
    decided_at = models.DateTimeField(_("decided"), null=True, blank=True)
    count = models.PositiveBigIntegerField(_("requests"), default=0)
    first_seen = models.DateTimeField(_("first seen"), default=timezone.now, db_index=True)
    last_seen = models.DateTimeField(_("last seen"), default=timezone.now, db_index=True)
    address = models.CharField(_("client address"), max_length=45, blank=True)
    user_agent = models.CharField(_("user agent"), max_length=200, blank=True)
    recent = models.JSONField(
        _("latest"), default=list, help_text=_("The latest few, each with its correlation id.")
    )
    hours = models.JSONField(_("requests by hour"), default=dict)

    class Meta:
        verbose_name = _("refusal")
        verbose_name_plural = _("refusals")
        ordering = ("-last_seen", "-pk")
        indexes: ClassVar = [models.Index(fields=["state", "-last_seen"], name="mcp_guard_refusals_by_state")]
        permissions: ClassVar = [("approve_refusal", "Can approve or set aside refusal")]

    def __str__(self) -> str:
        return f"{self.reason} {self.origin or self.host}".strip()


class RefusalWindow(models.Model):
    """The one row that counts new rows of refusals in an hour; who writes refusals holds its lock.

    ``hour`` is counted since the epoch, as ``pruned_hour`` is, in which old rows were pruned last.
    """

    id = models.PositiveSmallIntegerField(primary_key=True, default=1, editable=False)
    hour = models.PositiveBigIntegerField(default=0)
    rows = models.PositiveIntegerField(default=0)
    pruned_hour = models.PositiveBigIntegerField(default=0)

    class Meta:
        verbose_name = _("window of refusals")
        constraints: ClassVar = [
            models.CheckConstraint(condition=models.Q(id=1), name="mcp_guard_one_refusal_window")
        ]

    def __str__(self) -> str:
        return str(self.rows)


class TokenUse(models.Model):
    """From where one secret of a token was used on one endpoint; written at most once a minute."""

    token = models.ForeignKey(Token, verbose_name=_("token"), on_delete=models.CASCADE, related_name="uses")
    secret = models.ForeignKey(
        TokenSecret, verbose_name=_("secret"), on_delete=models.CASCADE, related_name="uses"
    )
    endpoint = models.CharField(_("endpoint"), max_length=63)
    address = models.CharField(_("client address"), max_length=45, blank=True)
    user_agent = models.CharField(_("user agent"), max_length=200, blank=True)
    first_at = models.DateTimeField(_("first used"), default=timezone.now)
    last_at = models.DateTimeField(_("last used"), default=timezone.now, db_index=True)

    class Meta:
        verbose_name = _("use of a token")
        verbose_name_plural = _("uses of tokens")
        ordering = ("-last_at", "-pk")
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["secret", "endpoint", "address", "user_agent"], name="mcp_guard_one_token_use"
            )
        ]

    def __str__(self) -> str:
        return f"{self.endpoint} {self.address}"


class GrantUse(models.Model):
    """When a token last made use of one of its grants."""

    token = models.ForeignKey(
        Token, verbose_name=_("token"), on_delete=models.CASCADE, related_name="grant_uses"
    )
    grant = models.CharField(_("grant"), max_length=320)
    last_at = models.DateTimeField(_("last used"), default=timezone.now)

    class Meta:
        verbose_name = _("use of a grant")
        verbose_name_plural = _("uses of grants")
        ordering = ("grant",)
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["token", "grant"], name="mcp_guard_one_grant_use")
        ]

    def __str__(self) -> str:
        return self.grant


class Tally(models.Model):
    """How many requests had one outcome on one endpoint and exchange in a minute, an hour or a day."""

    class Period(models.TextChoices):
        """How long a tally counts."""

        MINUTE = "minute", _("minute")
        HOUR = "hour", _("hour")
        DAY = "day", _("day")

    class Outcome(models.TextChoices):
        """What became of what is counted; what report-only let in counts as admitted, too."""

        ADMITTED = "admitted", _("let in")
        REFUSED = "refused", _("refused")
        WOULD_REFUSE = "would_refuse", _("let in by report-only")
        PREFLIGHT = "preflight", _("preflights granted")

    period = models.CharField(max_length=6, choices=Period.choices)
    start = models.DateTimeField()
    endpoint = models.CharField(max_length=63)
    exchange = models.CharField(max_length=12)
    outcome = models.CharField(max_length=12)
    count = models.PositiveBigIntegerField(default=0)

    class Meta:
        verbose_name = _("tally")
        verbose_name_plural = _("tallies")
        ordering = ("start",)
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["period", "start", "endpoint", "exchange", "outcome"], name="mcp_guard_one_tally"
            )
        ]

    def __str__(self) -> str:
        return f"{self.period} {self.start:%Y-%m-%d %H:%M} {self.endpoint} {self.outcome}"
