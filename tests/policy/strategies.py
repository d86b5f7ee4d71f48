"""Exchanges near those of the table: a row with a few things changed, and now and then anything at all."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from mcp_guard.policy.credential import (
    AMBIGUOUS_CREDENTIAL,
    DEAD_SESSION,
    MALFORMED_CREDENTIAL,
    MISTYPED_TOKEN,
    NO_CREDENTIAL,
    QUERY_CREDENTIAL,
    UNKNOWN_TOKEN,
    IssuedToken,
    LiveSession,
    UnreadSession,
)
from mcp_guard.policy.facts import Exchange, RequestFacts, RequestHead
from mcp_guard.policy.headers import JOINED, SINGLE
from mcp_guard.presented import present
from tests import table
from tests.policy.core import NOW, SNAPSHOT, look_up, read

_NAMES = sorted({*SINGLE, *JOINED, b"x-mcp-auth-token"})
_SEEN: dict[bytes, set[bytes]] = {name: {b""} for name in _NAMES}
for _row in table.ROWS.values():
    for _name, _value in _row.exchange.headers:
        _SEEN.setdefault(_name.lower().encode(), set()).add(_value.encode("latin-1"))
_VALUES = {
    name: st.one_of(st.sampled_from(sorted(seen)), st.binary(max_size=40)) for name, seen in _SEEN.items()
}

credentials = st.one_of(
    st.sampled_from(
        [
            AMBIGUOUS_CREDENTIAL,
            DEAD_SESSION,
            MALFORMED_CREDENTIAL,
            MISTYPED_TOKEN,
            NO_CREDENTIAL,
            QUERY_CREDENTIAL,
            UNKNOWN_TOKEN,
            UnreadSession("key of a session"),
            LiveSession("key of a session", 1),
        ]
    ),
    st.sampled_from(sorted(SNAPSHOT.tokens.values())).map(IssuedToken),
)
_CHANGES: dict[str, st.SearchStrategy[Any]] = {
    "exchange": st.sampled_from(Exchange),
    "method": st.sampled_from(["GET", "HEAD", "POST", "DELETE", "OPTIONS", "PUT", "post", ""]),
    "scheme": st.sampled_from(["http", "https", "ws", "wss", ""]),
    "peer": st.sampled_from(["203.0.113.9", "10.0.0.1", "", "nonsense"]),
    "root_path": st.sampled_from(["", "/evil"]),
    "malformed": st.sampled_from([None, "second origin"]),
}


@st.composite
def heads(draw: Any, row: Any = None) -> RequestHead:
    """Return the head of a row, with up to two headers and up to one other thing changed."""
    row = row or draw(st.sampled_from([*table.ROWS.values()]))
    head = read(row.exchange, SNAPSHOT.endpoints[row.endpoint].endpoint)
    headers = dict(head.headers)
    for name in draw(st.lists(st.sampled_from(_NAMES), max_size=2)):
        value = draw(st.none() | _VALUES[name])
        headers.pop(name, None)
        if value is not None:
            headers[name] = value
    head = head._replace(headers=headers)
    for field in draw(st.lists(st.sampled_from([*_CHANGES]), max_size=1)):
        head = head._replace(**{field: draw(_CHANGES[field])})
    return head


@st.composite
def facts(draw: Any) -> RequestFacts:
    """Return what a decision is about: mostly what a row is about, at its time or half days around it."""
    row = draw(st.sampled_from([*table.ROWS.values()]))
    head = draw(heads(row))
    name = draw(st.sampled_from([row.endpoint] * 3 + [*SNAPSHOT.endpoints, "unheard-of"]))
    endpoint = SNAPSHOT.endpoints[row.endpoint].endpoint
    credential = draw(st.one_of(st.just(look_up(present(head, endpoint))), credentials))
    now = NOW + draw(st.sampled_from([0, 0, 0, 1, -1, 2, 29, 30, 40])) * 43200.0
    return RequestFacts(name, head, credential, now, draw(st.sampled_from([0.0, 0.0, 0.0, 9.9, 11.0])))
