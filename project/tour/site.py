"""Set the demo site up: its database, an administrator, a client with an origin, scopes and tokens."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.db import connections

from mcp_guard import changes
from mcp_guard.changes import Actor
from mcp_guard.models import AllowedOrigin, Client, Scope
from project.notes.models import Note

ADMINISTRATOR: Final = "demo"
PARTNER: Final = "partner"
LISTED_ORIGIN: Final = "https://partner.example"
FOREIGN_ORIGIN: Final = "https://evil.example"

READ: Final = ("tools/call:search_notes", "tools/call:read_note", "resources/read:note://public/*")
WRITE: Final = ("tools/call:write_note", "tools/call:summarize_notes", "prompts/get:summary")
DELETE: Final = ("tools/call:delete_note",)

_ACTOR = Actor.of_command("demo")


@dataclass(frozen=True, slots=True)
class Site:
    """What was set up. The secrets exist here and on the screen, nowhere else."""

    password: str = field(repr=False)
    server_token: str = field(repr=False)
    browser_token: str = field(repr=False)
    lost_token: str = field(repr=False)
    lost_token_id: int


def recreate(file: Path) -> None:
    """Start over with an empty SQLite file, for this process and all its connections."""
    connections.close_all()
    for suffix in ("", "-wal", "-shm"):
        file.with_name(file.name + suffix).unlink(missing_ok=True)
    file.parent.mkdir(parents=True, exist_ok=True)
    connections.settings["default"]["NAME"] = str(file)
    connections["default"].settings_dict["NAME"] = str(file)


def set_up() -> Site:
    """Migrate, and write what the tour needs; what is there already is used.

    Tokens and sessions of the client may read and write, and not delete: an administrator can change that.
    """
    call_command("migrate", verbosity=0, interactive=False)
    read = _scope("notes-read", READ, "Search and read notes")
    write = _scope("notes-write", WRITE, "Write and summarize notes")
    _scope("notes-delete", DELETE, "Delete notes")
    client = Client.objects.filter(name=PARTNER).first() or changes.add_client(
        _ACTOR, name=PARTNER, scopes=[read, write], notes="Made by the demo."
    )
    if not AllowedOrigin.objects.filter(origin=LISTED_ORIGIN).exists():
        changes.list_origin(
            _ACTOR, origin=LISTED_ORIGIN, client=client, endpoints=["notes", "notes-view"], cookies=True
        )
    _write_notes()
    lost = _token(client, "lost laptop", "browser", [read])
    return Site(
        password=_administrator(),
        server_token=_token(client, "agent", "server", [read, write]).text,
        browser_token=_token(client, "frontend", "browser", [read, write]).text,
        lost_token=lost.text,
        lost_token_id=lost.token.pk,
    )


def _scope(name: str, grants: Sequence[str], description: str) -> Scope:
    found: Scope | None = Scope.objects.filter(name=name).first()
    return found or changes.add_scope(_ACTOR, name=name, grants=grants, description=description)


def _token(client: Client, name: str, kind: str, scopes: Sequence[Scope]) -> changes.IssuedSecret:
    return changes.issue_token(
        _ACTOR, client=client, name=name, kind=kind, endpoints=["notes", "notes-view"], scopes=scopes
    )


def _administrator() -> str:
    """Return the new password of the demo's own administrator, who may exist from an earlier start."""
    users = get_user_model()._default_manager
    password = secrets.token_urlsafe(12)
    user = users.filter(username=ADMINISTRATOR).first() or users.create_superuser(ADMINISTRATOR)
    user.set_password(password)
    user.save()
    return password


def _write_notes() -> None:
    if Note.objects.exists():
        return
    Note.objects.create(title="Opening hours", text="Monday to Friday, nine to five.", public=True)
    Note.objects.create(title="Shopping list", text="Tea, milk, two lemons.")
    Note.objects.create(title="Release plan", text="Freeze on Tuesday, tag on Thursday.")
