"""Read tokens: a record for each secret, by its SHA-256.

There may be a hundred thousand, so rows are taken as plain values, and what many of them have in common
(endpoints, grants, names of clients) is kept once.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from itertools import islice
from typing import Any, Final

from django.contrib.auth import get_user_model
from django.db import models
from django.utils import timezone

from mcp_guard.conf import config
from mcp_guard.live.refresher import progress
from mcp_guard.live.rows import NamedGrants, UnparsableRow, by_owner, joined, names, seconds
from mcp_guard.live.token_table import TokenTable
from mcp_guard.models import Token, TokenSecret
from mcp_guard.policy.credential import TokenKind, TokenRecord
from mcp_guard.policy.scopes import Grants

REMEMBERED: Final = timedelta(days=30)
"""How long a revoked or expired token is still told apart from an unknown one."""

CHUNK: Final = 900
"""How many rows are fetched at a time; a query takes no more values than a thousand."""

_FIELDS: Final = (
    "pk",
    "digest",
    "expires_at",
    "token_id",
    "token__name",
    "token__client_id",
    "token__client__name",
    "token__client__active",
    "token__user_id",
    "token__kind",
    "token__endpoints",
    "token__not_before",
    "token__expires_at",
    "token__revoked_at",
)

Row = dict[str, Any]


def has_active_field() -> bool:
    """Return whether the project's users can be deactivated in the database; for some it is an attribute."""
    return any(field.name == "is_active" for field in get_user_model()._meta.get_fields())


def read_tokens(
    alias: str, grants: NamedGrants, ids: frozenset[int] | None = None
) -> tuple[TokenTable, list[str]]:
    """Return the records of all tokens, or of some, and which rows could not be parsed."""
    secrets = _secrets(alias)
    if ids is not None:
        secrets = secrets.filter(token_id__in=ids)
    else:
        secrets = secrets.order_by("-pk")[: config().tokens_in_memory]
    problems: list[str] = []
    return TokenTable(_records(alias, secrets, _Reading(grants), problems)), problems


def _records(
    alias: str, secrets: models.QuerySet[TokenSecret], reading: _Reading, problems: list[str]
) -> Iterator[tuple[bytes, TokenRecord]]:
    pairs = Token.scopes.through.objects.using(alias)
    for rows in _chunks(secrets):
        progress()
        ids = {row["token_id"] for row in rows}
        reading.scopes = by_owner(pairs.filter(token_id__in=ids).values_list("token_id", "scope_id"))
        for row in rows:
            try:
                yield _digest(row), reading.record(row)
            except UnparsableRow as error:
                name = TokenSecret._meta.verbose_name
                token = f"{row['token__name']} (#{row['token_id']})"
                problems.append(f"{name} #{row['pk']}: of {token}: {error}")


def read_token(alias: str, grants: NamedGrants, digest: bytes) -> TokenRecord | None:
    """Return the record of one secret, None when there is none that counts.

    Raises:
        django.db.Error: when the database cannot be read.
    """
    found = _secrets(alias).filter(digest=digest.hex()).values_list("token_id", flat=True).first()
    if found is None:
        return None
    tokens, _ = read_tokens(alias, grants, frozenset({found}))
    return tokens.get(digest)


class _Reading:
    """One reading of tokens, which keeps once what many of them have in common."""

    def __init__(self, grants: NamedGrants) -> None:
        self.scopes: dict[int, list[int]] = {}
        self._grants = grants
        self._joined: dict[tuple[int, ...], Grants] = {}
        self._endpoints: dict[tuple[str, ...], frozenset[str]] = {}
        self._clients: dict[str, str] = {}

    def record(self, row: Row) -> TokenRecord:
        ends, expires_at = seconds(row["expires_at"]), seconds(row["token__expires_at"])
        client = row["token__client__name"]
        return TokenRecord(
            row["token_id"],
            row["token__client_id"],
            self._clients.setdefault(client, client),
            bool(row["token__client__active"]),
            row["token__user_id"],
            row["token__user_id"] is not None and bool(row.get("token__user__is_active", True)),
            _kind(row),
            self._endpoints_of(row),
            self._grants_of(row["token_id"]),
            seconds(row["token__not_before"]),
            min(ends, expires_at) if ends else expires_at,
            row["token__revoked_at"] is not None,
            row["pk"],
        )

    def _endpoints_of(self, row: Row) -> frozenset[str]:
        key = tuple(names(row["token__endpoints"], "endpoints"))
        return self._endpoints.setdefault(key, frozenset(key))

    def _grants_of(self, token_id: int) -> Grants:
        key = tuple(self.scopes.get(token_id, ()))
        if key not in self._joined:
            self._joined[key] = joined(key, self._grants)
        return self._joined[key]


def _secrets(alias: str) -> models.QuerySet[TokenSecret]:
    """Return the secrets that are told apart from unknown ones."""
    since = timezone.now() - REMEMBERED
    rows: models.QuerySet[TokenSecret] = (
        TokenSecret.objects.using(alias)
        .filter(token__expires_at__gt=since)
        .exclude(token__revoked_at__lt=since)
        .exclude(expires_at__lt=since)
    )
    return rows


def _chunks(secrets: models.QuerySet[TokenSecret]) -> Iterator[list[Row]]:
    fields: tuple[str, ...] = (*_FIELDS, "token__user__is_active") if has_active_field() else _FIELDS
    rows = secrets.values_list(*fields).iterator(CHUNK)
    while True:
        chunk: list[Row] = [dict(zip(fields, row, strict=True)) for row in islice(rows, CHUNK)]
        if not chunk:
            return
        yield chunk


def _digest(row: Row) -> bytes:
    try:
        digest = bytes.fromhex(row["digest"])
    except ValueError as error:
        raise UnparsableRow(str(error)) from None
    if len(digest) != 32:
        raise UnparsableRow("the digest has not 32 bytes")
    return digest


def _kind(row: Row) -> TokenKind:
    try:
        return TokenKind(row["token__kind"])
    except ValueError as error:
        raise UnparsableRow(str(error)) from None
