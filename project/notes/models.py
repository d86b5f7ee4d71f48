"""The notes that the demo's MCP servers read and write."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _


class Note(models.Model):
    """A short text with a title."""

    title = models.CharField(_("title"), max_length=200)
    text = models.TextField(_("text"), blank=True)
    public = models.BooleanField(
        _("public"), default=False, help_text=_("Anyone may read it through the public mount.")
    )
    changed_at = models.DateTimeField(_("changed"), auto_now=True)

    class Meta:
        verbose_name = _("note")
        verbose_name_plural = _("notes")
        ordering = ("-changed_at", "-pk")

    def __str__(self) -> str:
        return self.title
