"""Changes of the allowlist."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.utils import timezone

from mcp_guard.changes.record import Actor, change, check, fields
from mcp_guard.conf import config
from mcp_guard.endpoints import endpoints_of
from mcp_guard.models import AllowedOrigin, Client
from mcp_guard.policy.origin import OriginError, canonical

_AUDITED = ("origin", "client", "endpoints", "cookies", "active", "expires_at", "note")


def list_origin(
    actor: Actor, *, origin: str, client: Client, endpoints: Sequence[str] = (), **values: Any
) -> AllowedOrigin:
    """List an origin in its canonical form, on behalf of a client.

    Raises:
        ValidationError: by field; for ``origin`` it says what is wrong with what was typed.
    """
    with change(actor, "origin:list") as recorded:
        row = AllowedOrigin(origin=origin, client=client, endpoints=list(endpoints), **values)
        _write(row)
        recorded.subject, recorded.subject_id = row.origin, str(row.pk)
        recorded.after = fields(row, *_AUDITED)
    return row


def set_origin(actor: Actor, row: AllowedOrigin, **values: Any) -> AllowedOrigin:
    """Change fields of a listed origin.

    Raises:
        ValidationError: by field.
    """
    with change(actor, "origin:set") as recorded:
        row = AllowedOrigin.objects.select_for_update().get(pk=row.pk)
        recorded.before = fields(row, *_AUDITED)
        for name, value in values.items():
            setattr(row, name, value)
        _write(row)
        recorded.subject, recorded.subject_id = row.origin, str(row.pk)
        recorded.after = fields(row, *_AUDITED)
    return row


def unlist_origin(actor: Actor, row: AllowedOrigin) -> None:
    """Take an origin off the allowlist; its pages are refused from now on."""
    with change(actor, "origin:unlist") as recorded:
        recorded.subject, recorded.subject_id = row.origin, str(row.pk)
        recorded.before = fields(row, *_AUDITED)
        row.delete()


def endpoint_errors(names: Sequence[str]) -> list[str]:
    """Return what is wrong with names of endpoints: those that the settings do not declare."""
    declared = endpoints_of(config())
    known = ", ".join(sorted(declared)) or "none"
    return [f"there is no endpoint “{name}”; declared are: {known}" for name in names if name not in declared]


def expiry_errors(expires_at: datetime | None) -> list[str]:
    """Return what is wrong with an expiry: one that has passed."""
    if expires_at is not None and expires_at <= timezone.now():
        return ["this moment has passed"]
    return []


def _write(row: AllowedOrigin) -> None:
    try:
        row.origin = canonical(row.origin)
        origin_errors = []
    except OriginError as error:
        origin_errors = [str(error)]
    check(
        row,
        origin=origin_errors,
        endpoints=endpoint_errors(row.endpoints),
        expires_at=expiry_errors(row.expires_at) if _is_new(row) else [],
    )
    row.save()


def _is_new(row: AllowedOrigin) -> bool:
    """Whether the expiry was typed now; one that has passed meanwhile must not block other edits."""
    stored = AllowedOrigin.objects.filter(pk=row.pk).values_list("expires_at", flat=True).first()
    return stored != row.expires_at
