"""The notes in the admin, so that one can see what a tool wrote."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.contrib import admin

from project.notes.models import Note

if TYPE_CHECKING:
    NoteModelAdmin = admin.ModelAdmin[Note]
else:  # Django's class takes no parameter at run time
    NoteModelAdmin = admin.ModelAdmin


@admin.register(Note)
class NoteAdmin(NoteModelAdmin):
    """A plain list of notes."""

    list_display = ("title", "public", "changed_at")
    list_filter = ("public",)
    search_fields = ("title", "text")
