"""Changes of scopes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.core.exceptions import ValidationError

from mcp_guard.changes.origins import endpoint_errors
from mcp_guard.changes.record import Actor, change, check, fields
from mcp_guard.models import Scope
from mcp_guard.policy.scopes import GrantError, canonical

_AUDITED = ("name", "grants", "endpoints", "description")


def add_scope(
    actor: Actor,
    *,
    name: str,
    grants: Sequence[str] = (),
    endpoints: Sequence[str] = (),
    description: str = "",
) -> Scope:
    """Add a scope; without grants it opens nothing, without endpoints it counts at every one.

    Raises:
        ValidationError: by field.
    """
    with change(actor, "scope:add") as recorded:
        scope = Scope(name=name, grants=list(grants), endpoints=list(endpoints), description=description)
        _write(scope)
        recorded.subject, recorded.subject_id = scope.name, str(scope.pk)
        recorded.after = fields(scope, *_AUDITED)
    return scope


def set_scope(actor: Actor, scope: Scope, **values: Any) -> Scope:
    """Change fields of a scope; tokens that have it gain or lose at once.

    Raises:
        ValidationError: by field.
    """
    with change(actor, "scope:set") as recorded:
        scope = Scope.objects.select_for_update().get(pk=scope.pk)
        recorded.before = fields(scope, *_AUDITED)
        for name, value in values.items():
            setattr(scope, name, value)
        _write(scope)
        recorded.subject, recorded.subject_id = scope.name, str(scope.pk)
        recorded.after = fields(scope, *_AUDITED)
    return scope


def remove_scope(actor: Actor, scope: Scope) -> None:
    """Remove a scope; tokens and clients that had it lose its grants."""
    with change(actor, "scope:remove") as recorded:
        recorded.subject, recorded.subject_id = scope.name, str(scope.pk)
        recorded.before = fields(scope, *_AUDITED)
        scope.delete()


def grant_errors(grants: Sequence[str]) -> list[str]:
    """Return what is wrong with each of the grants that an operator typed."""
    errors = []
    for text in grants:
        try:
            canonical(text)
        except GrantError as error:
            errors.append(f"{text[:80]!r}: {error}")
    return errors


def _write(scope: Scope) -> None:
    errors = grant_errors(scope.grants)
    if not errors:
        scope.grants = list(dict.fromkeys(canonical(text) for text in scope.grants))
    scope.endpoints = list(dict.fromkeys(scope.endpoints))
    check(scope, grants=errors, endpoints=endpoint_errors(scope.endpoints))
    try:
        scope.save()
    except ValueError as error:
        raise ValidationError({"grants": [str(error)]}) from None
