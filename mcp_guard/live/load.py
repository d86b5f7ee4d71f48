"""Load policy: rows become the values of a snapshot.

A row that cannot be parsed, because somebody edited it by hand, is left out and named in ``problems``:
it lets nobody in, and the operator sees it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any, NamedTuple, TypeVar

from django.db import models, router
from django.db.models.functions import Now
from django.utils import timezone

from mcp_guard.conf import Config, config
from mcp_guard.live import token_rows
from mcp_guard.live.rows import NamedGrants, NamedScope, UnparsableRow, by_owner, joined, names, seconds
from mcp_guard.live.server_rows import Serves, declared, read_servers, running
from mcp_guard.live.token_rows import has_active_field, read_tokens
from mcp_guard.live.token_table import TokenTable
from mcp_guard.models import AllowedOrigin, Change, Client, EndpointState, Revision, Scope, Token, TokenSecret
from mcp_guard.policy import scopes
from mcp_guard.policy.allowlist import Listing
from mcp_guard.policy.credential import TokenRecord
from mcp_guard.policy.origin import is_canonical
from mcp_guard.policy.scopes import Grants
from mcp_guard.policy.snapshot import EndpointPolicy, Snapshot

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
    servers, server_problems = read_servers(alias, config().servers)
    endpoints, rule_problems = _endpoints(alias, grants, servers)
    tokens, token_problems = read_tokens(alias, grants)
    found = (*problems, *rule_problems, *server_problems, *token_problems)
    is_partial = len(tokens) + len(token_problems) >= config().tokens_in_memory
    return Snapshot(
        seen.revision, seen.epoch, config().max_age, endpoints, tokens, found, is_partial, running(servers)
    )


def reload_rules(alias: str, seen: Look, known: Snapshot) -> Snapshot:
    """Return a snapshot with the origins, endpoints and servers of now and the tokens of before."""
    grants, problems = _grants(alias)
    servers, server_problems = read_servers(alias, config().servers)
    endpoints, rule_problems = _endpoints(alias, grants, servers)
    kept = tuple(problem for problem in known.problems if is_about_token(problem))
    return replace(
        known,
        revision=seen.revision,
        epoch=seen.epoch,
        endpoints=endpoints,
        problems=(*problems, *rule_problems, *server_problems, *kept),
        servers=running(servers),
    )


def reload_tokens(alias: str, seen: Look, known: Snapshot, ids: frozenset[int]) -> Snapshot:
    """Return a snapshot with some tokens as they are now and everything else as before.

    No row of a token may be a problem of the snapshot that is known: nothing tells whether it still is one.
    """
    grants, _ = _grants(alias)
    read, problems = read_tokens(alias, grants, ids)
    table = known.tokens if isinstance(known.tokens, TokenTable) else TokenTable(known.tokens.items())
    tokens = table.replaced(ids, read, config().tokens_in_memory)
    is_partial = known.is_partial or len(tokens) >= config().tokens_in_memory
    found = (*known.problems, *problems)
    return replace(
        known, revision=seen.revision, epoch=seen.epoch, tokens=tokens, problems=found, is_partial=is_partial
    )


def read_token(alias: str, digest: bytes) -> TokenRecord | None:
    """Return the record of one secret, None when there is none that counts.

    Raises:
        django.db.Error: when the database cannot be read.
    """
    return token_rows.read_token(alias, _grants(alias)[0], digest)


def is_about_token(problem: str) -> bool:
    """Return whether a problem of a snapshot is about a row of a token."""
    return problem.startswith(f"{TokenSecret._meta.verbose_name} #")


def look(alias: str) -> Look:
    """Return the current revision, its time, the epoch and the clock of the database."""
    changed_at = Change.objects.using(alias).filter(revision=models.OuterRef("n")).values("at")
    rows = Revision.objects.using(alias).filter(pk=1)
    rows = rows.annotate(clock=Now(), changed_at=models.Subquery(changed_at))
    row = rows.values_list("n", "epoch", "clock", "changed_at").first()
    if row is None:
        return Look(0, "", timezone.now().timestamp(), 0.0)
    return Look(row[0], str(row[1]), row[2].timestamp(), seconds(row[3]))


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
    endpoints = {endpoint.name: EndpointPolicy(endpoint) for endpoint in settings.described}
    return Snapshot(-1, "", settings.max_age, endpoints, {})


def _endpoints(
    alias: str, grants: NamedGrants, servers: Mapping[str, Serves | None]
) -> tuple[dict[str, EndpointPolicy], list[str]]:
    listings, problems = _listings(alias, grants)
    states = {
        state.name: seconds(state.report_only_until) for state in EndpointState.objects.using(alias).all()
    }
    endpoints = {
        endpoint.name: EndpointPolicy(
            endpoint,
            listings.get(endpoint.name, {}),
            states.get(endpoint.name, endpoint.report_only_until),
            _named(endpoint.public_scopes, grants, endpoint.name, "public", problems),
            _named(endpoint.local_scopes, grants, endpoint.name, "local", problems),
            unserved,
        )
        for endpoint, unserved in declared(servers, config())
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
    return {row.pk: found for row, found in _parsed(rows, _parse_scope, problems)}, problems


def _parse_scope(row: Scope) -> NamedScope:
    for text in names(row.grants, "grants"):
        try:
            if scopes.canonical(text) != text:
                raise UnparsableRow(f"grant {text[:80]!r} is not in its canonical form")
        except scopes.GrantError as error:
            raise UnparsableRow(f"grant {text[:80]!r}: {error}") from None
    return NamedScope(row.name, list(row.grants), frozenset(names(row.endpoints, "endpoints")))


def _named(
    names: tuple[str, ...], grants: NamedGrants, endpoint: str, which: str, problems: list[str]
) -> Grants:
    """Return what the scopes open that an endpoint names in its settings."""
    ids = {scope.name: pk for pk, scope in grants.items()}
    where = f"endpoint {endpoint}: {which} scope"
    problems += [f"{where} {name!r} does not exist" for name in names if name not in ids]
    return joined([ids[name] for name in names if name in ids], grants).at(endpoint)


def _listings(alias: str, grants: NamedGrants) -> tuple[dict[str, dict[bytes, Listing]], list[str]]:
    problems: list[str] = []
    of_client = by_owner(Client.scopes.through.objects.using(alias).values_list("client_id", "scope_id"))
    rows = AllowedOrigin.objects.using(alias).select_related("client")
    listings: dict[str, dict[bytes, Listing]] = {}
    for row, origin in _parsed(rows, _parse_origin, problems):
        if not row.active or not row.client.active:
            continue
        listing = Listing(
            row.client_id,
            row.client.name,
            joined(of_client.get(row.client_id, ()), grants),
            bool(row.cookies),
            seconds(row.expires_at),
        )
        for endpoint in row.endpoints:
            listings.setdefault(endpoint, {})[origin] = listing
    return listings, problems


def _parse_origin(row: AllowedOrigin) -> bytes:
    if not is_canonical(row.origin):
        raise UnparsableRow(f"{row.origin[:80]!r} is not an origin in its canonical form")
    names(row.endpoints, "endpoints")
    return row.origin.encode("ascii")
