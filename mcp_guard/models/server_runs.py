"""What the processes of registered servers did, as each process of the portal last said; no policy."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.utils.translation import gettext_lazy as _


class ServerRun(models.Model):
    """The latest process that a server had for one party in one process of the portal, and its words.

    ``process`` is the heartbeat's. The rows are bounded by what a process of the portal remembers, and go
    with its heartbeat.
    """

    class State(models.TextChoices):
        """What it does."""

        STARTING = "starting", _("starting")
        RUNNING = "running", _("running")
        STOPPING = "stopping", _("stopping")
        ENDED = "ended", _("ended")

    process = models.UUIDField(editable=False)
    host = models.CharField(_("host"), max_length=120)
    portal_pid = models.PositiveIntegerField(_("process of the portal"))
    server = models.CharField(_("server"), max_length=63, db_index=True)
    party = models.CharField(_("works for"), max_length=160)
    key = models.CharField(max_length=120, editable=False)
    state = models.CharField(_("state"), max_length=10, choices=State.choices)
    pid = models.PositiveIntegerField(_("process"), default=0)
    started_at = models.DateTimeField(_("started"), null=True)
    starts = models.PositiveIntegerField(_("starts"), default=0)
    failures = models.PositiveIntegerField(_("failures in a row"), default=0)
    calls = models.PositiveBigIntegerField(_("calls"), default=0)
    open_calls = models.PositiveIntegerField(_("open calls"), default=0)
    end = models.CharField(_("last end"), max_length=20, blank=True)
    detail = models.CharField(_("what is known of it"), max_length=500, blank=True)
    violation = models.CharField(_("violation"), max_length=20, blank=True)
    tail = models.TextField(_("standard error"), blank=True)
    seen_at = models.DateTimeField(_("last seen"), db_index=True)

    class Meta:
        verbose_name = _("process of a registered server")
        verbose_name_plural = _("processes of registered servers")
        ordering = ("server", "party", "host", "portal_pid")
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["process", "key"], name="mcp_guard_one_server_run")
        ]

    def __str__(self) -> str:
        return f"{self.server} ({self.party})"
