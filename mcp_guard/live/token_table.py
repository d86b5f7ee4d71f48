"""The tokens of a snapshot, in columns: a hundred thousand records would cost memory and stall the collector.

A table never changes. The next one shares the columns and appends to them, so a change of one token copies
the index alone; an older snapshot does not look beyond its own index.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Mapping
from typing import Final, NamedTuple

from mcp_guard.policy.credential import TokenKind, TokenRecord
from mcp_guard.policy.scopes import Grants

COMPACTED_FROM: Final = 2
"""From how many times as many rows as tokens on the columns are made anew."""

_REVOKED, _USER_ACTIVE = 1, 2
_NOBODY = -1


class _Shared(NamedTuple):
    """What many tokens have in common; kept once."""

    client_id: int
    client: str
    client_active: bool
    kind: TokenKind
    endpoints: frozenset[str]
    grants: Grants


class _Columns:
    """One row for each secret that was read; rows are appended, never changed."""

    def __init__(self) -> None:
        self.token_ids = array("q")
        self.secret_ids = array("q")
        self.user_ids = array("q")
        self.not_before = array("d")
        self.expires_at = array("d")
        self.flags = array("B")
        self.shared = array("L")
        self.kept: list[_Shared] = []
        self._positions: dict[_Shared, int] = {}

    def append(self, record: TokenRecord) -> int:
        """Add a record and return its row."""
        shared = _Shared(
            record.client_id,
            record.client,
            record.client_active,
            record.kind,
            record.endpoints,
            record.grants,
        )
        position = self._positions.setdefault(shared, len(self.kept))
        if position == len(self.kept):
            self.kept.append(shared)
        self.secret_ids.append(record.secret_id)
        self.user_ids.append(_NOBODY if record.user_id is None else record.user_id)
        self.not_before.append(record.not_before)
        self.expires_at.append(record.expires_at)
        self.flags.append(_REVOKED * record.revoked + _USER_ACTIVE * record.user_active)
        self.shared.append(position)
        self.token_ids.append(record.token_id)
        return len(self.token_ids) - 1

    def record(self, row: int) -> TokenRecord:
        """Return the record of a row."""
        client_id, client, client_active, kind, endpoints, grants = self.kept[self.shared[row]]
        flags, user_id = self.flags[row], self.user_ids[row]
        return TokenRecord(
            self.token_ids[row],
            client_id,
            client,
            client_active,
            None if user_id == _NOBODY else user_id,
            bool(flags & _USER_ACTIVE),
            kind,
            endpoints,
            grants,
            self.not_before[row],
            self.expires_at[row],
            bool(flags & _REVOKED),
            self.secret_ids[row],
        )


class TokenTable(Mapping[bytes, TokenRecord]):
    """Records by the SHA-256 of the token text."""

    def __init__(self, pairs: Iterable[tuple[bytes, TokenRecord]] = ()) -> None:
        self._columns = _Columns()
        self._rows = {digest: self._columns.append(record) for digest, record in pairs}

    def __getitem__(self, digest: bytes) -> TokenRecord:
        return self._columns.record(self._rows[digest])

    def get(self, digest: bytes, default: TokenRecord | None = None) -> TokenRecord | None:  # type: ignore[override]
        """Return the record, ``default`` where there is none."""
        row = self._rows.get(digest)
        return default if row is None else self._columns.record(row)

    def __contains__(self, digest: object) -> bool:
        return digest in self._rows

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._rows)

    def __len__(self) -> int:
        return len(self._rows)

    def replaced(self, ids: frozenset[int], records: Mapping[bytes, TokenRecord], most: int) -> TokenTable:
        """Return a table with these records in place of all secrets of some tokens.

        It holds ``most`` secrets at most, those of the newest tokens.
        """
        token_ids = self._columns.token_ids
        rows = {digest: row for digest, row in self._rows.items() if token_ids[row] not in ids}
        table = TokenTable()
        if len(token_ids) < COMPACTED_FROM * (len(rows) + len(records)) + len(records):
            table._columns = self._columns
        else:
            rows = {digest: table._columns.append(self._columns.record(row)) for digest, row in rows.items()}
        for digest, record in records.items():
            rows[digest] = table._columns.append(record)
        table._rows = rows
        table._drop_oldest(len(rows) - most)
        return table

    def _drop_oldest(self, count: int) -> None:
        if count > 0:
            token_ids = self._columns.token_ids
            oldest = sorted(self._rows, key=lambda digest: token_ids[self._rows[digest]])
            for digest in oldest[:count]:
                del self._rows[digest]
