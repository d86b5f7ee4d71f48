"""Tickets that have been issued and not redeemed: secrets of seconds. No policy: no revision is raised."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.utils.translation import gettext_lazy as _

from mcp_guard.policy.origin import MAX_LENGTH


class Ticket(models.Model):
    """A ticket that opens one WebSocket; whoever deletes its row has redeemed it.

    ``holder`` names the token or user it was issued to, ``sealed`` is the credential it was issued for, which
    only the ticket's text opens.
    """

    digest = models.CharField(max_length=64, unique=True, editable=False)
    endpoint = models.CharField(_("endpoint"), max_length=63)
    origin = models.CharField(_("origin"), max_length=MAX_LENGTH, blank=True)
    holder = models.CharField(_("holder"), max_length=40)
    sealed = models.TextField(editable=False)
    expires_at = models.DateTimeField(_("expires"), db_index=True)

    class Meta:
        verbose_name = _("ticket")
        verbose_name_plural = _("tickets")
        indexes: ClassVar = [models.Index(fields=["holder", "expires_at"], name="mcp_guard_ticket_holder")]

    def __str__(self) -> str:
        return f"{self.endpoint} {self.holder}"
