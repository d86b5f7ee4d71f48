"""The demo's servers as mounted applications; who is let in is said in the settings and the admin."""

from __future__ import annotations

from typing import Final

from mcp_guard.mcp import mount
from project.notes.server import notes, public_notes

over_asgi: Final = mount(notes, endpoint="notes")
in_django: Final = mount(notes, endpoint="notes-view")
in_public: Final = mount(public_notes, endpoint="public")

MOUNTS: Final = (over_asgi, in_django, in_public)
