"""Rows whose changes raise the revision, and the checks of what an operator typed into them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar

from django.core.exceptions import ValidationError
from django.db import models
from django.utils.translation import gettext_lazy as _

from mcp_guard.policy import origin as origins
from mcp_guard.policy import scopes
from mcp_guard.writing import refuse_outside


class PolicyQuerySet(models.QuerySet[Any]):
    """A queryset whose bulk writes are refused outside of ``mcp_guard.changes``."""

    def update(self, **kwargs: Any) -> int:
        refuse_outside("QuerySet.update()")
        return super().update(**kwargs)

    def delete(self) -> tuple[int, dict[str, int]]:
        refuse_outside("QuerySet.delete()")
        return super().delete()

    def bulk_create(self, objs: Iterable[Any], *args: Any, **kwargs: Any) -> list[Any]:
        refuse_outside("QuerySet.bulk_create()")
        return super().bulk_create(objs, *args, **kwargs)

    def bulk_update(self, objs: Iterable[Any], *args: Any, **kwargs: Any) -> int:
        refuse_outside("QuerySet.bulk_update()")
        return super().bulk_update(objs, *args, **kwargs)


class PolicyModel(models.Model):
    """A row whose changes raise the revision."""

    objects: ClassVar[models.Manager[Any]] = PolicyQuerySet.as_manager()

    class Meta:
        abstract = True

    def save(self, *args: Any, **kwargs: Any) -> None:
        refuse_outside(f"{type(self).__name__}.save()")
        super().save(*args, **kwargs)

    def delete(self, *args: Any, **kwargs: Any) -> tuple[int, dict[str, int]]:
        refuse_outside(f"{type(self).__name__}.delete()")
        return super().delete(*args, **kwargs)


def clean_origin(text: str) -> None:
    """Refuse what is not one origin, saying why."""
    try:
        origins.canonical(text)
    except origins.OriginError as error:
        raise ValidationError(str(error)) from None


def clean_names(value: object) -> None:
    """Refuse what is not a list of distinct names."""
    if not isinstance(value, list) or not all(isinstance(item, str) and item for item in value):
        raise ValidationError(_("this is not a list of names"))
    if len(set(value)) != len(value):
        raise ValidationError(_("a name stands in the list twice"))


def clean_grants(value: object) -> None:
    """Refuse a list with something that is no grant, saying which and why."""
    clean_names(value)
    for text in value if isinstance(value, list) else []:
        try:
            scopes.canonical(text)
        except scopes.GrantError as error:
            raise ValidationError(f"{text[:80]}: {error}") from None
