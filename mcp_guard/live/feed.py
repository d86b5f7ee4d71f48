"""Follow the changes of policy: read again what the change records name, or everything when in doubt.

The records of a process that follows are contiguous and begin with the one it knows. A gap (they were
pruned), a smaller revision or a known revision with another time (the database was restored from a backup
and went on) means that nothing of what is in memory can be trusted.
"""

from __future__ import annotations

from typing import Final

from mcp_guard.live import load
from mcp_guard.live.load import Look
from mcp_guard.models import Change, Token
from mcp_guard.policy.snapshot import Snapshot

MOST: Final = 500
"""From how many changes on everything is read again: it is cheaper then."""

MOST_TOKENS: Final = 500
"""From how many tokens on all of them are read again; a query takes no more values than a thousand."""

_RULES: Final = frozenset({"origin", "endpoint", "server"})
_TOKENS: Final = _RULES | {"token", "client"}


def follow(alias: str, known: Snapshot | None, before: Look | None, seen: Look) -> Snapshot:
    """Return the policy at the revision that was seen, from the one that is known.

    Raises:
        django.db.Error: when the database cannot be read.
    """
    if known is None or before is None:
        return load.load_at(alias, seen)
    changes = changes_between(alias, before, seen)
    if changes is None:
        return load.load_at(alias, seen)
    subjects = {subject for subject, _ in changes}
    if subjects <= _RULES:
        return load.reload_rules(alias, seen, known)
    if not subjects <= _TOKENS or any(map(load.is_about_token, known.problems)):
        return load.load_at(alias, seen)
    ids = _tokens(alias, changes)
    if len(ids) > MOST_TOKENS:
        return load.load_at(alias, seen)
    if subjects != {"token"}:
        known = load.reload_rules(alias, seen, known)
    return load.reload_tokens(alias, seen, known, ids)


def _tokens(alias: str, changes: list[tuple[str, str]]) -> frozenset[int]:
    """Return the tokens that changes are about: their own, and those of clients that have changed."""
    own = {int(pk) for subject, pk in changes if subject == "token"}
    clients = {int(pk) for subject, pk in changes if subject == "client"}
    if not clients:
        return frozenset(own)
    rows = Token.objects.using(alias).filter(client_id__in=clients).values_list("pk", flat=True)
    return frozenset(own | set(rows[: MOST_TOKENS + 1]))


def changes_between(alias: str, before: Look, seen: Look) -> list[tuple[str, str]] | None:
    """Return subject and id of each change between two looks, None when they are not all known."""
    count = seen.revision - before.revision
    if seen.epoch != before.epoch or not 0 < count <= MOST:
        return None
    rows = Change.objects.using(alias).filter(revision__range=(before.revision, seen.revision))
    found = list(rows.values_list("revision", "at", "subject", "subject_id"))
    if before.revision:
        if not found or (found[0][0], found[0][1].timestamp()) != (before.revision, before.changed_at):
            return None
        found = found[1:]
    if [row[0] for row in found] != list(range(before.revision + 1, seen.revision + 1)):
        return None
    return [(row[2], row[3]) for row in found]
