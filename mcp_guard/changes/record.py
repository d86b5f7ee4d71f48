"""The transaction around a change: the revision is raised first, the audit event written last."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any, Final, NamedTuple

from django.core.exceptions import ValidationError
from django.db import IntegrityError, models, router, transaction

from mcp_guard.audit import events
from mcp_guard.live.listen import noted, notify
from mcp_guard.models import AuditEvent, Change, Revision
from mcp_guard.writing import policy_write

KEPT_CHANGES: Final = 10_000
"""How many change records are kept."""

PRUNED_EVERY: Final = 500
"""How many changes lie between two prunings."""


class Actor(NamedTuple):
    """Who changes policy: an operator's user, or a command, run from an account of the machine."""

    label: str
    user_id: int | None = None
    account: str = ""

    @classmethod
    def of_user(cls, user: Any) -> Actor:
        """Return the actor for a logged-in user."""
        return cls(user.get_username(), user.pk)

    @classmethod
    def of_command(cls, name: str, account: str = "") -> Actor:
        """Return the actor for a command run on the machine."""
        return cls(f"command {name} by {account}" if account else f"command {name}", account=account)

    @property
    def person(self) -> list[str]:
        """Who it is apart from what was run, as JSON: a key that tells accounts apart, and a name."""
        if self.user_id is None:
            return [f"account {self.account}", self.account]
        return [f"user {self.user_id}", self.label]


@dataclass(slots=True)
class Recorded:
    """What a change says of itself while it runs."""

    subject: str = ""
    subject_id: str = ""
    before: dict[str, Any] = field(default_factory=dict)
    after: dict[str, Any] = field(default_factory=dict)


@contextmanager
def change(actor: Actor, tag: str) -> Iterator[Recorded]:
    """Run one change of policy.

    Raising the revision comes first: the row lock it takes makes revisions visible in the order of
    their commits, which no sequence does. Readers are told after the commit.

    Raises:
        ValidationError: when somebody else wrote the same between the checks and this write.
    """
    alias = router.db_for_write(Revision)
    try:
        with transaction.atomic(using=alias), policy_write():
            revision = raise_revision(alias)
            notify(alias)
            recorded = Recorded()
            yield recorded
            _record(alias, revision, actor, tag, recorded)
            prune(alias, revision)
            announce(alias)
            noted(alias)
    except IntegrityError:
        raise ValidationError("somebody changed the same at this moment; look again and repeat it") from None


@contextmanager
def decision(actor: Actor, tag: str) -> Iterator[Recorded]:
    """Run what an operator says that changes no policy: no revision, but one transaction and one event."""
    alias = router.db_for_write(AuditEvent)
    with transaction.atomic(using=alias):
        recorded = Recorded()
        yield recorded
        _record_event(alias, 0, actor, tag, recorded)


def _record(alias: str, revision: int, actor: Actor, tag: str, recorded: Recorded) -> None:
    Change.objects.using(alias).create(
        revision=revision, subject=tag.partition(":")[0], subject_id=recorded.subject_id[:80]
    )
    _record_event(alias, revision, actor, tag, recorded)


def _record_event(alias: str, revision: int, actor: Actor, tag: str, recorded: Recorded) -> None:
    event = AuditEvent.objects.using(alias).create(
        category=_category(tag),
        actor_id=actor.user_id,
        actor_label=actor.label[:150],
        tag=tag,
        subject=recorded.subject[:320],
        before=recorded.before,
        after=recorded.after,
        revision=revision,
    )
    transaction.on_commit(partial(events.recorded, event), using=alias, robust=True)


def _category(tag: str) -> AuditEvent.Category:
    is_about_tokens = tag.startswith("token:") or tag == "client:revoke-tokens"
    return AuditEvent.Category.TOKEN if is_about_tokens else AuditEvent.Category.POLICY


def raise_revision(alias: str) -> int:
    """Raise the revision by one inside the running transaction and return it."""
    if not Revision.objects.using(alias).filter(pk=1).update(n=models.F("n") + 1):
        Revision.objects.using(alias).get_or_create(pk=1)
        Revision.objects.using(alias).filter(pk=1).update(n=models.F("n") + 1)
    return Revision.objects.using(alias).values_list("n", flat=True).get(pk=1)


def announce(alias: str) -> None:
    """Tell this process's holder once the transaction is committed."""
    from mcp_guard.live.holder import holder  # noqa: PLC0415 (the holder loads models)

    if holder.inline:
        holder.expire()
    transaction.on_commit(holder.expire, using=alias, robust=True)


def prune(alias: str, revision: int) -> None:
    """Forget the oldest change records now and then; a process that would need one reads everything."""
    if revision % PRUNED_EVERY == 0:
        Change.objects.using(alias).filter(revision__lte=revision - KEPT_CHANGES).delete()


def fields(row: models.Model, *names: str) -> dict[str, Any]:
    """Return the named fields of a row as JSON values; a many-to-many field as its sorted names."""
    found: dict[str, Any] = {}
    for name in names:
        value = getattr(row, name)
        if isinstance(value, models.Manager):
            value = sorted(str(item) for item in value.all())
        elif isinstance(value, datetime):
            value = value.isoformat()
        elif isinstance(value, models.Model):
            value = str(value)
        found[name] = value
    return found


def check(row: models.Model, **errors: list[str]) -> None:
    """Run a row's own checks together with ``errors`` by field.

    Raises:
        ValidationError: with all of them, by field.
    """
    found: dict[str, list[Any]] = {name: list(texts) for name, texts in errors.items() if texts}
    try:
        row.full_clean(exclude=list(found))
    except ValidationError as error:
        for name, texts in error.error_dict.items():
            found.setdefault(name, []).extend(texts)
    if found:
        raise ValidationError(found)
