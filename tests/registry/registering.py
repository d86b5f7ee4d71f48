"""Two people, and a server that both of them know."""

from __future__ import annotations

from typing import Any, Final

from django.contrib.auth import get_user_model

from mcp_guard import approval, changes
from mcp_guard.changes import Actor
from mcp_guard.live.server_rows import registration_of
from mcp_guard.models import RegisteredServer

ADA: Final = Actor("ada", 1)
BEN: Final = Actor("ben", 2)
EVE: Final = Actor("eve", 3)


def people() -> None:
    """Make the accounts that history refers to."""
    for person in (ADA, BEN, EVE):
        get_user_model().objects.create(pk=person.user_id, username=person.label)


def add(name: str = "files", **values: Any) -> RegisteredServer:
    """Return a server that Ada registered; nobody has approved it."""
    values.setdefault("executable", "/usr/bin/env")
    return changes.add_server(ADA, name=name, **values)


def approve(row: RegisteredServer, actor: Actor = BEN) -> RegisteredServer:
    """Return the server after somebody approved it as it stands."""
    return changes.approve_server(actor, row, digest=digest(row))


def approved(name: str = "files", **values: Any) -> RegisteredServer:
    """Return a server that Ada registered and Ben approved."""
    return approve(add(name, **values))


def digest(row: RegisteredServer) -> str:
    """Return what names the command as it stands."""
    return approval.digest(registration_of(row).asked())
