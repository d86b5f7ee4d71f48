"""The order of changes, and who made them."""

from __future__ import annotations

import uuid
from typing import ClassVar

from django.conf import settings
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _


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


class AuditEvent(models.Model):
    """What an operator did: who, what, before and after. Never changed afterwards."""

    at = models.DateTimeField(_("at"), default=timezone.now, db_index=True)
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
    revision = models.PositiveBigIntegerField(_("revision"))

    class Meta:
        verbose_name = _("audit event")
        verbose_name_plural = _("audit events")
        ordering = ("-at", "-pk")

    def __str__(self) -> str:
        return f"{self.tag} {self.subject}"


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
