"""Changes of clients."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.core.exceptions import ValidationError

from mcp_guard.changes.record import Actor, change, check, fields
from mcp_guard.models import Client, Scope

_AUDITED = ("name", "owner", "contact", "notes", "active", "scopes")


def add_client(actor: Actor, *, name: str, scopes: Sequence[Scope] = (), **values: Any) -> Client:
    """Add a client. ``scopes`` are those of its sessions; empty lets them do nothing.

    Raises:
        ValidationError: by field.
    """
    with change(actor, "client:add") as recorded:
        client = Client(name=name, **values)
        check(client)
        client.save()
        client.scopes.set(scopes)
        recorded.subject, recorded.subject_id = client.name, str(client.pk)
        recorded.after = fields(client, *_AUDITED)
    return client


def set_client(
    actor: Actor, client: Client, *, scopes: Sequence[Scope] | None = None, **values: Any
) -> Client:
    """Change fields of a client; ``active=False`` refuses all its origins and tokens at once.

    Raises:
        ValidationError: by field.
    """
    tag = {True: "client:enable", False: "client:disable"}.get(values.get("active", ""), "client:set")
    if set(values) != {"active"} or scopes is not None:
        tag = "client:set"
    with change(actor, tag) as recorded:
        client = Client.objects.select_for_update().get(pk=client.pk)
        recorded.before = fields(client, *_AUDITED)
        for name, value in values.items():
            setattr(client, name, value)
        check(client)
        client.save()
        if scopes is not None:
            client.scopes.set(scopes)
        recorded.subject, recorded.subject_id = client.name, str(client.pk)
        recorded.after = fields(client, *_AUDITED)
    return client


def delete_client(actor: Actor, client: Client) -> None:
    """Delete a client that owns neither origins nor tokens.

    Raises:
        ValidationError: when it still owns some; disable it instead.
    """
    if client.origins.exists() or client.tokens.exists():
        raise ValidationError("the client still owns origins or tokens; disable it instead")
    with change(actor, "client:delete") as recorded:
        recorded.subject, recorded.subject_id = client.name, str(client.pk)
        recorded.before = fields(client, *_AUDITED)
        client.delete()
