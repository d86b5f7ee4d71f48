"""Write the inbox down: groups become rows of ``Refusal``, as many as the settings allow, the others rests.

All processes write under one lock, that of the row ``RefusalWindow``, so the bounds hold for all of them
together, no two make the same row, and no count is overwritten. What fails is kept in memory and tried
again.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from django.db import router, transaction
from django.db.models import Q

from mcp_guard.audit.bounded import text
from mcp_guard.audit.inbox import HOUR, HOURS, RECENT, Glimpse, Group, Key, inbox
from mcp_guard.conf import config
from mcp_guard.models import Refusal, RefusalWindow
from mcp_guard.policy.origin import MAX_LENGTH

GROUPS_PER_SECOND: Final = 50
"""How long a process waits after it wrote: a second, and another for so many groups."""

REOPENED_AFTER: Final = timedelta(minutes=1)
"""A group that is refused for so long after it was approved is open again; its listing may have expired."""

ONCE_SHARE: Final = 0.75
"""Which share of an hour's new rows what came only once may take: a flood of random origins comes so."""

_WRITTEN: Final = (
    "state", "count", "first_seen", "last_seen", "address", "user_agent", "recent", "hours",
)  # fmt: skip

_BEGINNING: Final = datetime.min.replace(tzinfo=UTC)
_END: Final = datetime.max.replace(tzinfo=UTC)

Groups = dict[Key, Group]


class Pace:
    """How often one process writes its inbox: less often when there is much in it."""

    def __init__(self) -> None:
        self._due = 0.0

    def flush_when_due(self) -> None:
        """Write the inbox if there is something in it and it is time."""
        now = time.monotonic()
        if not len(inbox) or now < self._due:
            return
        self._due = now + 1 + len(inbox) / GROUPS_PER_SECOND
        flush()


pace: Final = Pace()
"""The pace of this process."""


def flush() -> None:
    """Write the inbox now; when that fails, what was in it is there again.

    Raises:
        django.db.Error: when the database does not take it.
    """
    taken = inbox.take()
    if not taken:
        return
    try:
        write(stored(taken), datetime.now(UTC))
    except BaseException:
        inbox.put_back(taken)
        raise


def write(groups: Groups, now: datetime) -> None:
    """Add groups to their rows in one transaction."""
    alias = router.db_for_write(Refusal)
    with transaction.atomic(using=alias):
        window = locked_window(alias)
        _begin_hour(alias, window, now)
        rows = _rows(alias, {*groups, *(key.rest for key in groups)})
        new = {key: group for key, group in groups.items() if not key.is_rest and digest(key) not in rows}
        admitted = _with_room(alias, window, new, known=len(groups) - len(new))
        evicted = _evicted(alias, admitted, rows)
        rows |= _rows(alias, {key for key, _ in evicted if digest(key) not in rows})
        aside = _set_aside(alias, admitted)
        for key, group in [*evicted, *groups.items()]:
            counted = key if key not in new or key in admitted else key.rest
            row = rows.setdefault(digest(counted), _row(counted, aside))
            _add(row, group)
        _save(alias, rows.values())
        window.rows += len(admitted)
        window.save(using=alias)


def _rows(alias: str, keys: Iterable[Key]) -> dict[str, Refusal]:
    """Return the rows that there are of some keys, by their digests."""
    wanted = [digest(key) for key in keys]
    found = Refusal.objects.using(alias).filter(key__in=wanted) if wanted else ()
    return {row.key: row for row in found}


def locked_window(alias: str) -> RefusalWindow:
    """Return the one row of the window, locked until the transaction ends.

    It is written before anything is read: SQLite locks on the first write, and a later one could fail.
    """
    rows = RefusalWindow.objects.using(alias)
    if not rows.filter(pk=1).update(id=1):
        rows.get_or_create(pk=1)
        rows.filter(pk=1).update(id=1)
    return rows.get(pk=1)


def digest(key: Key) -> str:
    """Return what makes the row of a key unique."""
    return hashlib.sha256(json.dumps(key).encode()).hexdigest()


def stored(groups: Mapping[Key, Group]) -> Groups:
    """Return groups under the texts that their rows hold: cut, without token texts, and harmless."""
    found: Groups = {}
    for key, group in groups.items():
        safe = key._replace(
            origin=text(key.origin, MAX_LENGTH), host=text(key.host, 260), client=text(key.client, 80)
        )
        found.setdefault(safe, Group()).add(group)
    return found


def _begin_hour(alias: str, window: RefusalWindow, now: datetime) -> None:
    """Count new rows from zero in each hour, and prune what has not come for long.

    A process whose clock is behind writes in the later hour: no hour begins twice.
    """
    hour = int(now.timestamp() // HOUR)
    if hour > window.hour:
        window.hour, window.rows = hour, 0
    if hour > window.pruned_hour:
        window.pruned_hour = hour
        oldest = now - timedelta(days=config().refusal_days)
        Refusal.objects.using(alias).filter(last_seen__lt=oldest).exclude(_kept()).delete()


def _kept() -> Q:
    """What an operator has set aside stays: whatever comes later of it is set aside by it."""
    return Q(state=Refusal.State.NEVER) & ~Q(decided_by="")


def _with_room(alias: str, window: RefusalWindow, new: Groups, known: int) -> frozenset[Key]:
    """Return which new groups get a row of their own: those that came most often first.

    ``known`` counts the groups that have one already and stay, as what operators set aside does.
    """
    allowed = config().refusal_rows_per_hour
    found: list[Key] = []
    for key in sorted(new, key=lambda key: -new[key].count):
        limit = allowed if new[key].count > 1 else int(allowed * ONCE_SHARE)
        if window.rows + len(found) < limit:
            found.append(key)
    if not found:
        return frozenset()
    kept = Refusal.objects.using(alias).filter(_kept()).count()
    return frozenset(found[: max(0, config().refusal_rows - kept - known)])


def _evicted(alias: str, admitted: frozenset[Key], rows: Mapping[str, Refusal]) -> list[tuple[Key, Group]]:
    """Delete rows where there would be too many, and return what they counted, for the rests.

    Those that came least often go first, of these the oldest. What comes in this very flush stays.
    """
    if not admitted:
        return []
    table = Refusal.objects.using(alias).filter(is_rest=False)
    over = table.count() + len(admitted) - config().refusal_rows
    if over <= 0:
        return []
    least = table.exclude(_kept()).exclude(key__in=list(rows)).order_by("count", "last_seen")
    gone = list(least[:over])
    table.filter(pk__in=[row.pk for row in gone]).delete()
    return [(_key_of(row).rest, _group_of(row)) for row in gone]


def _set_aside(alias: str, new: Iterable[Key]) -> frozenset[tuple[str, str]]:
    """Return endpoint and origin of what operators have set aside, as far as new groups are concerned."""
    origins = {key.origin for key in new} - {""}
    if not origins:
        return frozenset()
    never = Refusal.objects.using(alias).filter(state=Refusal.State.NEVER, origin__in=origins)
    return frozenset(never.values_list("endpoint", "origin"))


def _row(key: Key, aside: frozenset[tuple[str, str]]) -> Refusal:
    state = Refusal.State.NEVER if (key.endpoint, key.origin) in aside else Refusal.State.OPEN
    values: dict[str, Any] = key._asdict()
    return Refusal(key=digest(key), state=state, first_seen=_END, last_seen=_BEGINNING, **values)


def _key_of(row: Refusal) -> Key:
    return Key(*(getattr(row, name) for name in Key._fields))


def _group_of(row: Refusal) -> Group:
    """Return what a row has counted, without the single refusals: they belong to another origin."""
    hours = {int(hour): count for hour, count in row.hours.items()}
    group = Group(row.count, row.first_seen.timestamp(), row.last_seen.timestamp())
    group.hours.update(hours)
    return group


def _add(row: Refusal, group: Group) -> None:
    """Count a group in its row."""
    last = datetime.fromtimestamp(group.last, UTC)
    if row.state == Refusal.State.APPROVED and row.decided_at and last > row.decided_at + REOPENED_AFTER:
        row.state = Refusal.State.OPEN
    row.count += group.count
    first = datetime.fromtimestamp(group.first, UTC)
    row.first_seen = min(row.first_seen, first)
    row.last_seen = max(row.last_seen, last)
    row.hours = _summed(row.hours, group.hours)
    if group.latest:
        row.address = text(group.latest[-1].address, 45)
        row.user_agent = text(group.latest[-1].user_agent, 200)
    shown = [_shown(glimpse, is_rest=row.is_rest) for glimpse in reversed(group.latest)]
    row.recent = [*shown, *row.recent][:RECENT]


def _summed(hours: Mapping[str, int], more: Mapping[int, int]) -> dict[str, int]:
    """Return the requests by hour since the epoch, the latest hours only."""
    found = dict(hours)
    for hour, count in more.items():
        found[str(hour)] = found.get(str(hour), 0) + count
    return {hour: found[hour] for hour in sorted(found, key=int)[-HOURS:]}


def _shown(glimpse: Glimpse, *, is_rest: bool) -> dict[str, str]:
    """Return one refusal as a row holds it; one of a rest says its origin and host, too."""
    found = {
        "id": glimpse.correlation_id,
        "at": datetime.fromtimestamp(glimpse.at, UTC).isoformat(timespec="milliseconds"),
        "address": text(glimpse.address, 45),
    }
    if is_rest:
        found |= {"origin": text(glimpse.origin, MAX_LENGTH), "host": text(glimpse.host, 260)}
    return found


def _save(alias: str, rows: Iterable[Refusal]) -> None:
    changed = list(rows)
    for row in changed:
        row.pk = None  # the key tells it; an id besides could be in conflict, too
    Refusal.objects.using(alias).bulk_create(
        changed, update_conflicts=True, unique_fields=["key"], update_fields=_WRITTEN
    )
