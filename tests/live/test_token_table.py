"""The table of tokens is a mapping of records, whatever became of it before."""

from __future__ import annotations

import gc
from hashlib import sha256

from hypothesis import given
from hypothesis import strategies as st

from mcp_guard.live.token_table import COMPACTED_FROM, TokenTable
from mcp_guard.policy.credential import TokenKind, TokenRecord
from mcp_guard.policy.scopes import compile_grants

MOST = 10_000
GRANTS = compile_grants(["tools/call:read"])
moments = st.floats(0, 4e9)
ids = st.integers(1, 40)
records = st.builds(
    TokenRecord,
    token_id=ids,
    client_id=st.integers(1, 3),
    client=st.sampled_from(["a", "b"]),
    client_active=st.booleans(),
    user_id=st.none() | st.integers(0, 2**62),
    user_active=st.booleans(),
    kind=st.sampled_from(TokenKind),
    endpoints=st.frozensets(st.sampled_from(["notes", "tools"])),
    grants=st.just(GRANTS),
    not_before=moments,
    expires_at=moments,
    revoked=st.booleans(),
    secret_id=st.integers(0, 2**62),
)
digests = st.integers(0, 60).map(lambda number: sha256(b"%d" % number).digest())
tables = st.dictionaries(digests, records, max_size=30)


def record(token_id: int, secret_id: int = 0) -> TokenRecord:
    kind, endpoints = TokenKind.ANY, frozenset({"notes"})
    return TokenRecord(
        token_id, 1, "a", True, None, False, kind, endpoints, GRANTS, 0.0, 1.0, False, secret_id
    )


def digest(number: int) -> bytes:
    return sha256(b"%d" % number).digest()


@given(tables)
def test_it_holds_what_was_put_in(expected):
    table = TokenTable(expected.items())
    assert dict(table) == expected
    assert all(table.get(key) == value for key, value in expected.items())
    assert table.get(b"unknown") is None
    assert (b"unknown" in table, len(table)) == (False, len(expected))


@given(tables, st.lists(st.tuples(st.frozensets(ids, max_size=5), tables), max_size=8))
def test_changes_one_after_the_other_come_out_and_leave_older_tables_alone(first, changes):
    table, expected = TokenTable(first.items()), dict(first)
    history = []
    for removed, added in changes:
        history.append((table, dict(expected)))
        table = table.replaced(removed, added, MOST)
        expected = {key: value for key, value in expected.items() if value.token_id not in removed}
        expected.update(added)
        assert dict(table) == expected
    assert all(dict(old) == then for old, then in history)


def test_the_oldest_tokens_make_room():
    table = TokenTable((digest(n), record(n)) for n in range(10))
    fewer = table.replaced(frozenset(), {digest(10): record(10)}, 4)
    assert {one.token_id for one in fewer.values()} == {7, 8, 9, 10}
    assert len(table) == 10


def test_rows_that_nobody_needs_do_not_pile_up():
    table = TokenTable((digest(n), record(n)) for n in range(100))
    for turn in range(1_000):
        table = table.replaced(frozenset({5}), {digest(5): record(5, turn)}, MOST)
    assert table.get(digest(5)) == record(5, 999)
    assert len(table._columns.token_ids) <= COMPACTED_FROM * 101 + 1


def test_the_collector_has_nothing_to_walk_over():
    table = TokenTable((digest(n), record(n)) for n in range(1_000))
    gc.collect()
    assert not gc.is_tracked(table._rows)
