"""The order of changes, and who made them."""

from __future__ import annotations

import uuid
from typing import Any, ClassVar

from django.conf import settings
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from mcp_guard.sealing import refuse_unless_sealing


class Revision(models.Model):
    """The one row that orders all changes of policy; ``epoch`` tells a restored database from its own."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=1, editable=False)
    n = models.PositiveBigIntegerField(default=0)
    epoch = models.UUIDField(default=uuid.uuid4)

    class Meta:
        verbose_name = _("revision")
        constraints: ClassVar = [
            models.CheckConstraint(condition=models.Q(id=1), name="mcp_guard_one_revision")
        ]

    def __str__(self) -> str:
        return str(self.n)


class Change(models.Model):
    """One raise of the revision: what it was about, for processes that follow."""

    revision = models.PositiveBigIntegerField(primary_key=True)
    subject = models.CharField(max_length=20)
    subject_id = models.CharField(max_length=80)
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        verbose_name = _("change")
        verbose_name_plural = _("changes")
        ordering = ("revision",)

    def __str__(self) -> str:
        return f"{self.revision}: {self.subject} {self.subject_id}"


class AuditQuerySet(models.QuerySet[Any]):
    """A queryset that adds events and changes none, except while they are sealed or pruned."""

    def update(self, **kwargs: Any) -> int:
        refuse_unless_sealing("QuerySet.update()")
        return super().update(**kwargs)

    def delete(self) -> tuple[int, dict[str, int]]:
        refuse_unless_sealing("QuerySet.delete()")
        return super().delete()


class AuditEvent(models.Model):
    """One thing that happened: who, what, before and after. Never changed afterwards, only sealed."""

    class Category(models.TextChoices):
        """What kind of thing an event is about."""

        POLICY = "policy", _("change of policy")
        TOKEN = "token", _("token")
        SOCKET = "socket", _("socket")
        AUTHENTICATION = "authentication", _("authentication")
        REFUSAL = "refusal", _("refusals")
        CALL = "call", _("tool call")
        SERVER = "server", _("registered server")
        AUDIT = "audit", _("audit")

    at = models.DateTimeField(_("at"), default=timezone.now, db_index=True)
    category = models.CharField(
        _("category"), max_length=20, choices=Category.choices, default=Category.POLICY, db_index=True
    )
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("actor"),
        null=True,
        on_delete=models.SET_NULL,
        related_name="+",
        editable=False,
    )
    actor_label = models.CharField(_("who"), max_length=150)
    tag = models.CharField(_("what"), max_length=40, db_index=True)
    subject = models.CharField(_("subject"), max_length=320)
    before = models.JSONField(_("before"), default=dict)
    after = models.JSONField(_("after"), default=dict)
    revision = models.PositiveBigIntegerField(_("revision"), default=0)
    outcome = models.CharField(_("outcome"), max_length=40, blank=True)
    endpoint = models.CharField(_("endpoint"), max_length=63, blank=True)
    exchange = models.CharField(_("exchange"), max_length=12, blank=True)
    client = models.CharField(_("client"), max_length=80, blank=True)
    token = models.CharField(_("token"), max_length=100, blank=True)
    address = models.CharField(_("client address"), max_length=45, blank=True)
    user_agent = models.CharField(_("user agent"), max_length=200, blank=True)
    correlation_id = models.CharField(_("correlation id"), max_length=16, blank=True, db_index=True)
    count = models.PositiveBigIntegerField(_("times"), default=1)
    details = models.JSONField(_("details"), default=dict)
    seq = models.PositiveBigIntegerField(_("number"), null=True, unique=True, editable=False)
    digest = models.CharField(_("digest"), max_length=64, blank=True, editable=False)

    objects: ClassVar[models.Manager[Any]] = AuditQuerySet.as_manager()

    class Meta:
        verbose_name = _("audit event")
        verbose_name_plural = _("audit events")
        ordering = ("-at", "-pk")
        permissions: ClassVar = [("export_auditevent", "Can export audit event")]
        indexes: ClassVar = [
            models.Index(fields=["id"], condition=models.Q(seq=None), name="mcp_guard_unsealed")
        ]

    def __str__(self) -> str:
        return f"{self.tag} {self.subject}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        if not self._state.adding:
            refuse_unless_sealing("AuditEvent.save()")
        super().save(*args, **kwargs)

    def delete(self, *args: Any, **kwargs: Any) -> tuple[int, dict[str, int]]:
        refuse_unless_sealing("AuditEvent.delete()")
        return super().delete(*args, **kwargs)


class AuditSeal(models.Model):
    """The one row that holds both ends of the hash chain: the newest event in it and the newest pruned."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=1, editable=False)
    seq = models.PositiveBigIntegerField(default=0)
    digest = models.CharField(max_length=64, blank=True)
    pruned_seq = models.PositiveBigIntegerField(default=0)
    pruned_digest = models.CharField(max_length=64, blank=True)
    mac = models.CharField(max_length=64, blank=True)
    sealed_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name = _("audit seal")
        constraints: ClassVar = [
            models.CheckConstraint(condition=models.Q(id=1), name="mcp_guard_one_audit_seal")
        ]

    def __str__(self) -> str:
        return str(self.seq)


class Shipment(models.Model):
    """How far the sealed events were shipped to one destination."""

    destination = models.CharField(_("destination"), max_length=80, primary_key=True)
    seq = models.PositiveBigIntegerField(_("shipped up to"), default=0)
    shipped_at = models.DateTimeField(_("shipped"), null=True)
    failures = models.PositiveIntegerField(_("failures in a row"), default=0)
    last_error = models.CharField(_("last error"), max_length=200, blank=True)
    next_at = models.DateTimeField(_("next attempt"), null=True)
    leased_by = models.CharField(max_length=32, blank=True, editable=False)
    leased_until = models.DateTimeField(null=True, editable=False)

    class Meta:
        verbose_name = _("shipment")
        verbose_name_plural = _("shipments")

    def __str__(self) -> str:
        return self.destination


class ProcessState(models.Model):
    """How one process was when it last said so; a heartbeat, no policy."""

    id = models.UUIDField(primary_key=True, editable=False)
    host = models.CharField(_("host"), max_length=120)
    pid = models.PositiveIntegerField(_("process"))
    started_at = models.DateTimeField(_("started"))
    seen_at = models.DateTimeField(_("last seen"), db_index=True)
    revision = models.PositiveBigIntegerField(_("revision"))
    age = models.FloatField(_("age of its policy in seconds"))
    source = models.CharField(_("refreshed by"), max_length=20)
    connections = models.JSONField(_("open connections by client"), default=dict)

    class Meta:
        verbose_name = _("process")
        verbose_name_plural = _("processes")
        ordering = ("host", "pid")

    def __str__(self) -> str:
        return f"{self.host}:{self.pid}"
