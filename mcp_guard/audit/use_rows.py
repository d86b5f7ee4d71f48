"""Write down which tokens and grants were used: bounded rows for each token, and no revision."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

from django.db import router, transaction

from mcp_guard.models import GrantUse, Token, TokenSecret, TokenUse

MOST_USES: Final = 30
"""How many rows of uses one token has; the oldest make room, but the newest of each secret stays."""

MOST_GRANTS: Final = 1_000
"""How many rows of grants one token has; the oldest make room."""


class TokenUsed(NamedTuple):
    """From where one secret of a token was used on an endpoint; texts fit their columns."""

    token_id: int
    secret_id: int
    endpoint: str
    address: str
    user_agent: str


class GrantUsed(NamedTuple):
    """One grant of a token that opened something."""

    token_id: int
    grant: str


def write(tokens: Mapping[TokenUsed, float], grants: Mapping[GrantUsed, float]) -> None:
    """Write when each was last used, in seconds since the epoch; what was deleted meanwhile is left out.

    Raises:
        django.db.Error: when the database does not take all of it; then nothing of it is written.
    """
    alias = router.db_for_write(TokenUse)
    with transaction.atomic(using=alias):
        if tokens:
            _write_tokens(alias, tokens)
        if grants:
            _write_grants(alias, grants)


def _write_tokens(alias: str, used: Mapping[TokenUsed, float]) -> None:
    secrets = TokenSecret.objects.using(alias).filter(pk__in={each.secret_id for each in used})
    living = set(secrets.values_list("pk", "token_id"))
    used = {each: at for each, at in used.items() if (each.secret_id, each.token_id) in living}
    objects = TokenUse.objects.using(alias)
    rows = list(objects.filter(token_id__in={each.token_id for each in used}))
    known = {
        TokenUsed(row.token_id, row.secret_id, row.endpoint, row.address, row.user_agent): row for row in rows
    }
    fresh = [
        TokenUse(**each._asdict(), first_at=_moment(at), last_at=_moment(at))
        for each, at in sorted(used.items())
        if each not in known
    ]
    _save(objects, _later((known.get(each), at) for each, at in used.items()), fresh)
    for token_id in _crowded([*rows, *fresh], MOST_USES):
        _evict_uses(objects.filter(token_id=token_id))


def _write_grants(alias: str, used: Mapping[GrantUsed, float]) -> None:
    tokens = Token.objects.using(alias).filter(pk__in={each.token_id for each in used})
    living = set(tokens.values_list("pk", flat=True))
    used = {each: at for each, at in used.items() if each.token_id in living}
    objects = GrantUse.objects.using(alias)
    rows = list(objects.filter(token_id__in=living))
    known = {GrantUsed(row.token_id, row.grant): row for row in rows}
    fresh = [
        GrantUse(**each._asdict(), last_at=_moment(at))
        for each, at in sorted(used.items())
        if each not in known
    ]
    _save(objects, _later((known.get(each), at) for each, at in used.items()), fresh)
    for token_id in _crowded([*rows, *fresh], MOST_GRANTS):
        of_token = objects.filter(token_id=token_id)
        newest_first = of_token.order_by("-last_at", "-pk").values_list("pk", flat=True)
        _delete(of_token, list(newest_first[MOST_GRANTS:]))


def _evict_uses(of_token: Any) -> None:
    """Delete the oldest rows of a token that are too many, but never the newest of a secret."""
    rows = list(of_token.order_by("-last_at", "-pk").values_list("pk", "secret_id"))
    newest = {secret_id: pk for pk, secret_id in reversed(rows)}.values()
    others = [pk for pk, _ in rows if pk not in newest]
    _delete(of_token, others[max(MOST_USES - len(newest), 0) :])


def _delete(of_token: Any, keys: list[int]) -> None:
    """Delete rows, except those that another process is about to write: waiting for it might be for ever."""
    free = of_token.select_for_update(skip_locked=True).filter(pk__in=keys)
    of_token.filter(pk__in=list(free.values_list("pk", flat=True))).delete()


def _later(used: Iterable[tuple[Any, float]]) -> list[Any]:
    """Return the rows that were used later than they say, with the new moment."""
    later = []
    for row, at in used:
        if row is not None and row.last_at < _moment(at):
            row.last_at = _moment(at)
            later.append(row)
    return later


def _save(objects: Any, later: list[Any], fresh: list[Any]) -> None:
    """Write new moments and new rows.

    Another process may write the same rows meanwhile: both say the same to the minute, and both lock rows
    in the same order, so that neither waits for the other for ever.
    """
    locked = objects.select_for_update().filter(pk__in=[row.pk for row in later]).order_by("pk")
    held = set(locked.values_list("pk", flat=True)) if later else set()
    objects.bulk_update([row for row in later if row.pk in held], ["last_at"])
    objects.bulk_create(fresh, ignore_conflicts=True)


def _crowded(rows: list[Any], most: int) -> list[int]:
    """Return the tokens that have more rows than so many."""
    return sorted(
        token_id for token_id, count in Counter(row.token_id for row in rows).items() if count > most
    )


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
