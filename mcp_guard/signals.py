"""Keep writes that go around ``mcp_guard.changes`` from going unseen.

A fixture that is loaded, a cascade from a deleted user, a many-to-many field that is set by hand: each of
them either raises the revision in the same transaction, or is refused.
"""

from __future__ import annotations

from typing import Any

from django.contrib.auth import get_user_model
from django.db import models
from django.db.models.signals import m2m_changed, post_delete, post_save, pre_delete

from mcp_guard.changes.record import announce, raise_revision
from mcp_guard.changes.tokens import delete_user_tokens
from mcp_guard.models import Change, Client, PolicyModel, Token
from mcp_guard.writing import is_policy_write, refuse_outside


def connect() -> None:
    """Connect the receivers; called once, when the app is ready."""
    pre_delete.connect(_delete_tokens, sender=get_user_model(), dispatch_uid="mcp_guard.user")
    for through in (Client.scopes.through, Token.scopes.through):
        m2m_changed.connect(
            _refuse_many_to_many, sender=through, dispatch_uid=f"mcp_guard.{through.__name__}"
        )
    for model in PolicyModel.__subclasses__():
        post_save.connect(_raise_for_fixture, sender=model, dispatch_uid="mcp_guard")
        post_delete.connect(
            _raise_for_cascade, sender=model, dispatch_uid=f"mcp_guard.delete.{model.__name__}"
        )


def _delete_tokens(instance: Any, **_: Any) -> None:
    """Delete a user's tokens before the user, so that the cascade finds none."""
    delete_user_tokens(instance)


def _refuse_many_to_many(action: str, **_: Any) -> None:
    if action.startswith("pre_"):
        refuse_outside("a scope list set by hand")


def _raise_for_fixture(instance: models.Model, raw: bool, using: str, **_: Any) -> None:  # noqa: FBT001 (Django's)
    if raw and not is_policy_write():
        _raise(instance, using)


def _raise_for_cascade(instance: models.Model, using: str, **_: Any) -> None:
    if not is_policy_write():
        _raise(instance, using)


def _raise(instance: models.Model, using: str) -> None:
    revision = raise_revision(using)
    subject = instance._meta.model_name or ""
    Change.objects.using(using).create(
        revision=revision, subject=subject[:20], subject_id=str(instance.pk)[:80]
    )
    announce(using)
