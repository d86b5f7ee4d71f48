"""Load policy: rows become the values of a snapshot.

A row that cannot be parsed, because somebody edited it by hand, is left out and named in ``problems``:
it lets nobody in, and the operator sees it.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple, TypeVar

from django.contrib.auth import get_user_model
from django.db import models, router
from django.db.models.functions import Now
from django.utils import timezone

from mcp_guard.conf import Config, config
from mcp_guard.models import AllowedOrigin, Change, Client, EndpointState, Revision, Scope, Token, TokenSecret
from mcp_guard.policy import scopes
from mcp_guard.policy.allowlist import Listing
from mcp_guard.policy.credential import TokenKind, TokenRecord
from mcp_guard.policy.origin import is_canonical
from mcp_guard.policy.scopes import NO_GRANTS, Grants
from mcp_guard.policy.snapshot import EndpointPolicy, Snapshot

REMEMBERED: Final = timedelta(days=30)
"""How long a revoked or expired token is still told apart from an unknown one."""

NamedGrants = dict[int, tuple[str, list[str]]]
"""Name and grants of each scope, by its id."""

T = TypeVar("T")


class Look(NamedTuple):
    """One look at the revision; ``clock`` is the database's, in seconds since the epoch.

    ``changed_at`` is when the revision was raised, 0 when its record is gone.
    """

    revision: int
    epoch: str
    clock: float
    changed_at: float

    def is_same(self, other: Look) -> bool:
        """Return whether nothing has changed between two looks, not even to a restored backup."""
        return self._replace(clock=0.0) == other._replace(clock=0.0)


class UnparsableRow(ValueError):
    """A row holds what no form would have let in."""


def load() -> Snapshot:
    """Return the policy as the database has it now.

    Raises:
        django.db.Error: when the database cannot be read.
    """
    alias = router.db_for_write(Revision)
    return load_at(alias, look(alias))


def load_at(alias: str, seen: Look) -> Snapshot:
    """Return the policy as the database has it now, under the revision that was seen before.

    What is committed while the rows are read makes the snapshot newer than its number says; the next look
    at the revision then reads it again.

    Raises:
        django.db.Error: when the database cannot be read.
    """
    grants, problems = _grants(alias)
    endpoints, rule_problems = _endpoints(alias, grants)
    tokens, token_problems = read_tokens(alias, grants)
    found = (*problems, *rule_problems, *token_problems)
    is_partial = len(tokens) + len(token_problems) >= config().tokens_in_memory
    return Snapshot(seen.revision, seen.epoch, config().max_age, endpoints, tokens, found, is_partial)


def reload_rules(alias: str, seen: Look, known: Snapshot) -> Snapshot:
    """Return a snapshot with the origins and endpoints of now and the tokens of before."""
    grants, problems = _grants(alias)
    endpoints, rule_problems = _endpoints(alias, grants)
    kept = tuple(problem for problem in known.problems if is_about_token(problem))
    found = (*problems, *rule_problems, *kept)
    return replace(known, revision=seen.revision, epoch=seen.epoch, endpoints=endpoints, problems=found)


def reload_tokens(alias: str, seen: Look, known: Snapshot, ids: frozenset[int]) -> Snapshot:
    """Return a snapshot with some tokens as they are now and everything else as before.

    No row of a token may be a problem of the snapshot that is known: nothing tells whether it still is one.
    """
    grants, _ = _grants(alias)
    read, problems = read_tokens(alias, grants, ids)
    tokens = {digest: record for digest, record in known.tokens.items() if record.token_id not in ids}
    tokens.update(read)
    is_partial = known.is_partial or len(tokens) >= config().tokens_in_memory
    _drop_oldest(tokens, len(tokens) - config().tokens_in_memory)
    found = (*known.problems, *problems)
    return Snapshot(seen.revision, seen.epoch, known.max_age, known.endpoints, tokens, found, is_partial)


def is_about_token(problem: str) -> bool:
    """Return whether a problem of a snapshot is about a row of a token."""
    return problem.startswith(f"{TokenSecret._meta.verbose_name} #")


def _drop_oldest(tokens: dict[bytes, TokenRecord], count: int) -> None:
    for digest in heapq.nsmallest(count, tokens, key=lambda digest: tokens[digest].token_id):
        del tokens[digest]


def look(alias: str) -> Look:
    """Return the current revision, its time, the epoch and the clock of the database."""
    changed_at = Change.objects.using(alias).filter(revision=models.OuterRef("n")).values("at")
    rows = Revision.objects.using(alias).filter(pk=1)
    rows = rows.annotate(clock=Now(), changed_at=models.Subquery(changed_at))
    row = rows.values_list("n", "epoch", "clock", "changed_at").first()
    if row is None:
        return Look(0, "", timezone.now().timestamp(), 0.0)
    return Look(row[0], str(row[1]), row[2].timestamp(), _seconds(row[3]))


def has_active_field() -> bool:
    """Return whether the project's users can be deactivated in the database; for some it is an attribute."""
    return any(field.name == "is_active" for field in get_user_model()._meta.get_fields())


def inactive_users(alias: str) -> frozenset[int]:
    """Return the ids of deactivated users that tokens act for.

    Deactivating a user is no change of policy, so no revision tells of it.
    """
    if not has_active_field():
        return frozenset()
    ids = Token.objects.using(alias).filter(user__is_active=False).values_list("user_id", flat=True)
    return frozenset(ids)


def empty(settings: Config) -> Snapshot:
    """Return a snapshot that lets nobody in: what holds until the first load."""
    endpoints = {name: EndpointPolicy(endpoint) for name, endpoint in settings.endpoints.items()}
    return Snapshot(-1, "", settings.max_age, endpoints, {})


def _endpoints(alias: str, grants: NamedGrants) -> tuple[dict[str, EndpointPolicy], list[str]]:
    listings, problems = _listings(alias, grants)
    states = {
        state.name: _seconds(state.report_only_until) for state in EndpointState.objects.using(alias).all()
    }
    endpoints = {
        name: EndpointPolicy(
            endpoint,
            listings.get(name, {}),
            states.get(name, endpoint.report_only_until),
            _public(endpoint.public_scopes, grants, f"endpoint {name}", problems),
        )
        for name, endpoint in config().endpoints.items()
    }
    return endpoints, problems


def _parsed(rows: Iterable[Any], parse: Callable[[Any], T], problems: list[str]) -> Iterable[tuple[Any, T]]:
    for row in rows:
        try:
            yield row, parse(row)
        except UnparsableRow as error:
            problems.append(f"{row._meta.verbose_name} #{row.pk}: {error}")


def _grants(alias: str) -> tuple[NamedGrants, list[str]]:
    problems: list[str] = []
    rows = Scope.objects.using(alias).all()
    return {row.pk: (row.name, found) for row, found in _parsed(rows, _parse_grants, problems)}, problems


def _parse_grants(row: Scope) -> list[str]:
    for text in _names(row.grants, "grants"):
        try:
            if scopes.canonical(text) != text:
                raise UnparsableRow(f"grant {text[:80]!r} is not in its canonical form")
        except scopes.GrantError as error:
            raise UnparsableRow(f"grant {text[:80]!r}: {error}") from None
    return list(row.grants)


def _public(names: tuple[str, ...], grants: NamedGrants, where: str, problems: list[str]) -> Grants:
    by_name = dict(grants.values())
    problems += [f"{where}: public scope {name!r} does not exist" for name in names if name not in by_name]
    return scopes.compile_grants([g for name in names for g in by_name.get(name, [])])


def _joined(ids: Iterable[int], grants: NamedGrants) -> Grants:
    found = [grant for pk in ids if pk in grants for grant in grants[pk][1]]
    return scopes.compile_grants(found) if found else NO_GRANTS


def _listings(alias: str, grants: NamedGrants) -> tuple[dict[str, dict[bytes, Listing]], list[str]]:
    problems: list[str] = []
    of_client = _scope_ids(Client.scopes.through.objects.using(alias).values_list("client_id", "scope_id"))
    rows = AllowedOrigin.objects.using(alias).select_related("client")
    listings: dict[str, dict[bytes, Listing]] = {}
    for row, origin in _parsed(rows, _parse_origin, problems):
        if not row.active or not row.client.active:
            continue
        listing = Listing(
            row.client_id,
            row.client.name,
            _joined(of_client.get(row.client_id, ()), grants),
            bool(row.cookies),
            _seconds(row.expires_at),
        )
        for endpoint in row.endpoints:
            listings.setdefault(endpoint, {})[origin] = listing
    return listings, problems


def _parse_origin(row: AllowedOrigin) -> bytes:
    if not is_canonical(row.origin):
        raise UnparsableRow(f"{row.origin[:80]!r} is not an origin in its canonical form")
    _names(row.endpoints, "endpoints")
    return row.origin.encode("ascii")


def read_tokens(
    alias: str, grants: NamedGrants, ids: frozenset[int] | None = None
) -> tuple[dict[bytes, TokenRecord], list[str]]:
    """Return the records of all tokens, or of some, by the SHA-256 of each secret."""
    problems: list[str] = []
    pairs = Token.scopes.through.objects.using(alias)
    rows = _secrets(alias)
    if ids is not None:
        pairs, rows = pairs.filter(token_id__in=ids), rows.filter(token_id__in=ids)
    else:
        rows = rows.order_by("-pk")[: config().tokens_in_memory]
    of_token = _scope_ids(pairs.values_list("token_id", "scope_id"))

    def record(secret: TokenSecret) -> tuple[bytes, TokenRecord]:
        return _parse_token(secret, _joined(of_token.get(secret.token_id, ()), grants))

    return dict(found for _, found in _parsed(rows.iterator(2000), record, problems)), problems


def read_token(alias: str, digest: bytes) -> TokenRecord | None:
    """Return the record of one secret, None when there is none that counts.

    Raises:
        django.db.Error: when the database cannot be read.
    """
    secret = _secrets(alias).filter(digest=digest.hex()).first()
    if secret is None:
        return None
    read, _ = read_tokens(alias, _grants(alias)[0], frozenset({secret.token_id}))
    return read.get(digest)


def _secrets(alias: str) -> models.QuerySet[TokenSecret]:
    """Return the secrets that are told apart from unknown ones."""
    since = timezone.now() - REMEMBERED
    rows: models.QuerySet[TokenSecret] = (
        TokenSecret.objects.using(alias)
        .filter(token__expires_at__gt=since)
        .exclude(token__revoked_at__lt=since)
        .exclude(expires_at__lt=since)
        .select_related("token__client", "token__user")
    )
    return rows


def _parse_token(secret: TokenSecret, grants: Grants) -> tuple[bytes, TokenRecord]:
    token = secret.token
    try:
        digest = bytes.fromhex(secret.digest)
        kind = TokenKind(token.kind)
    except ValueError as error:
        raise UnparsableRow(f"of {token}: {error}") from None
    if len(digest) != 32:
        raise UnparsableRow(f"of {token}: the digest has not 32 bytes")
    expires_at = token.expires_at if secret.expires_at is None else min(secret.expires_at, token.expires_at)
    return digest, TokenRecord(
        token.pk,
        token.client_id,
        token.client.name,
        bool(token.client.active),
        token.user_id,
        token.user is not None and bool(token.user.is_active),
        kind,
        frozenset(_names(token.endpoints, "endpoints")),
        grants,
        _seconds(token.not_before),
        _seconds(expires_at),
        token.revoked_at is not None,
    )


def _scope_ids(pairs: Iterable[tuple[int, int]]) -> dict[int, list[int]]:
    found: dict[int, list[int]] = {}
    for owner, scope in pairs:
        found.setdefault(owner, []).append(scope)
    return found


def _names(value: object, what: str) -> list[str]:
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise UnparsableRow(f"{what} is not a list of names")
    return value


def _seconds(moment: datetime | None) -> float:
    return 0.0 if moment is None else moment.timestamp()
