"""Local endpoints: who is on this machine, under which name it was reached, and the nonce."""

from __future__ import annotations

from typing import Any, Final

from mcp_guard.policy.facts import UNIX_SOCKET
from tests.rows.exchanges import (
    bearer,
    call,
    cookie,
    fetch_site,
    get,
    handshake,
    nonce,
    origin,
    post,
    preflight,
)
from tests.rows.outcomes import (
    CHALLENGED,
    INVALID_TOKEN,
    PRIVATE,
    REFUSED,
    Admits,
    Grants,
    Opens,
    Refuses,
    RefusesHandshake,
    Who,
    insufficient_scope,
    lists,
    page,
)
from tests.rows.row import Row, on
from tests.rows.world import (
    ADAS_SESSION,
    ANY,
    BROWSER,
    NONCE,
    NONCES_TICKET,
    OLD_NONCE,
    OLD_NONCES_TICKET,
    SERVER,
    TOOL_PAGE,
    UNLISTED,
)

_HERE: Final = {"peer": "127.0.0.1", "port": 8765, "host": "127.0.0.1:8765"}
_CALL: Final = ("tools/call",)
_ONE: Final = (call(),)
_MACHINE: Final = Who("(this machine)")
_LISTED_HEADERS: Final = (
    "accept, authorization, content-type, last-event-id, mcp-method, mcp-name, mcp-protocol-version, "
    "mcp-session-id, x-mcp-nonce"
)


def _post(*headers: Any, **values: Any) -> Any:
    return post(*headers, **{**_HERE, **values})


def _open(*headers: Any, **values: Any) -> Any:
    return handshake(*headers, **{**_HERE, **values})


_BY_NONCE: Final = Admits(_MACHINE, PRIVATE)
_FAR: Final = Refuses(403, "peer_not_local", REFUSED)
_MISDIRECTED: Final = Refuses(421, "host_not_allowed", REFUSED)
_WRONG: Final = Refuses(401, "nonce_wrong", INVALID_TOKEN)
_NONE: Final = Refuses(401, "credential_missing", CHALLENGED)
_TWO: Final = Refuses(400, "credential_ambiguous", REFUSED)

PEERS: Final = on(
    "local",
    *(
        (f"a peer at {peer}", _post(nonce(NONCE), peer=peer), _BY_NONCE)
        for peer in ("127.0.0.1", "127.255.1.2", "::1", "::ffff:127.0.0.1")
    ),
    *(
        (f"a peer at {peer or 'nowhere'}", _post(nonce(NONCE), peer=peer), _FAR)
        for peer in (
            "192.168.1.7",
            "198.51.100.7",
            "::ffff:192.168.1.7",
            "::ffff:128.0.0.1",
            "fe80::1",
            "0.0.0.0",
            "::",
            "128.0.0.1",
            "localhost",
            "",
        )
    ),
    (
        "a far peer's handshake",
        _open(nonce(NONCE), peer="192.168.1.7"),
        RefusesHandshake("peer_not_local", 4403),
    ),
    (
        "a near peer's handshake of another version",
        _open(nonce(NONCE), version="12"),
        RefusesHandshake("websocket_version", 4403),
    ),
    (
        "a peer on a unix socket",
        _post(nonce(NONCE), peer="", port=UNIX_SOCKET, host="localhost"),
        _BY_NONCE,
    ),
    (
        "a peer behind a unix socket that the server takes for another",
        _post(nonce(NONCE), peer="198.51.100.7", port=UNIX_SOCKET, host="localhost"),
        _FAR,
    ),
    (
        "a peer that asks for another of this machine",
        _post(nonce(NONCE), ("X-Forwarded-For", "127.0.0.1, ::1")),
        _BY_NONCE,
    ),
    (
        "a peer that asks for somebody else",
        _post(nonce(NONCE), ("X-Forwarded-For", "203.0.113.9, 127.0.0.1")),
        _FAR,
    ),
)

HOSTS: Final = on(
    "local",
    *(
        (f"the host {host}", _post(nonce(NONCE), host=host), _BY_NONCE)
        for host in ("localhost:8765", "127.0.0.1:8765", "[::1]:8765")
    ),
    *(
        (f"the host {host}", _post(nonce(NONCE), host=host), _MISDIRECTED)
        for host in (
            "localhost",
            "localhost:",
            "localhost:8766",
            "localhost:08765",
            "LOCALHOST:8765",
            "[::1]",
            "127.0.0.2:8765",
            "127.1:8765",
            "0.0.0.0:8765",
            "attacker.test:8765",
            "localhost.attacker.test:8765",
            "api.example.com",
        )
    ),
    (
        "the host of another port's handshake",
        _open(nonce(NONCE), host="127.0.0.1:8766"),
        RefusesHandshake("host_not_allowed", 4403),
    ),
    ("a port that the server does not tell", _post(nonce(NONCE), port=0), _MISDIRECTED),
)

CREDENTIALS: Final = [
    *on(
        "local",
        ("nothing", _post(), _NONE),
        (
            "nothing, on a page that is listed",
            _post(origin(TOOL_PAGE)),
            Refuses(401, "credential_missing", CHALLENGED | page(TOOL_PAGE)),
        ),
        (
            "a cookie",
            _post(origin(TOOL_PAGE), cookie(ADAS_SESSION)),
            Refuses(401, "credential_missing", CHALLENGED | page(TOOL_PAGE)),
        ),
        ("a token", _post(bearer(SERVER)), Admits(Who("acme", None, "server"), PRIVATE)),
        (
            "a token on a page",
            _post(origin(TOOL_PAGE), bearer(BROWSER)),
            Admits(Who("acme", None, "browser"), PRIVATE | page(TOOL_PAGE)),
        ),
        (
            "the nonce on a page that is listed",
            _post(origin(TOOL_PAGE), nonce(NONCE)),
            Admits(_MACHINE, PRIVATE | page(TOOL_PAGE)),
        ),
        (
            "the nonce on a page of this machine that is not",
            _post(origin("http://localhost:3001"), nonce(NONCE)),
            Refuses(403, "origin_not_listed", REFUSED),
        ),
        (
            "the nonce on a stranger's page",
            _post(origin(UNLISTED), nonce(NONCE)),
            Refuses(403, "origin_not_listed", REFUSED),
        ),
        (
            "the nonce on a page without Origin",
            _post(nonce(NONCE), fetch_site("cross-site")),
            Refuses(403, "fetch_site_foreign", REFUSED),
        ),
        ("an earlier nonce", _post(nonce(OLD_NONCE)), _WRONG),
        *(
            (f"a nonce that is {what}", _post(nonce(value)), _WRONG)
            for what, value in {
                "empty": "",
                "in capitals": NONCE.upper(),
                "cut off": NONCE[:-1],
                "too long": NONCE + "0",
                "a list": f"{NONCE}, {NONCE}",
                "not in ASCII": "é" * 32,
            }.items()
        ),
        ("the nonce and a token", _post(nonce(NONCE), bearer(ANY)), _TWO),
        ("a wrong nonce and a token", _post(nonce(OLD_NONCE), bearer(ANY)), _TWO),
        ("a nonce in a URL", get(query=f"nonce={NONCE}", **_HERE), _NONE),
        (
            "the nonce for a tool that local_scopes grant",
            _post(nonce(NONCE), body=call("read_note")),
            _BY_NONCE,
        ),
        (
            "the nonce for another tool",
            _post(nonce(NONCE), body=call("write_note")),
            Refuses(403, "scope_insufficient", insufficient_scope("tools/call:write_note")),
        ),
        (
            "a preflight",
            preflight(TOOL_PAGE, asks="x-mcp-nonce", **_HERE),
            Grants(lists(TOOL_PAGE, headers=_LISTED_HEADERS)),
        ),
        ("a stranger's preflight", preflight(UNLISTED, **_HERE), Refuses(403, "origin_not_listed", REFUSED)),
    ),
    *on(
        "local-bare",
        (
            "the nonce without local_scopes",
            _post(nonce(NONCE), body=call("read_note")),
            Refuses(403, "scope_insufficient", insufficient_scope("tools/call:read_note")),
        ),
        (
            "the nonce for what is free",
            _post(nonce(NONCE), body='{"jsonrpc":"2.0","id":1,"method":"tools/list"}'),
            _BY_NONCE,
        ),
    ),
    *on(
        "partner",
        ("the nonce where no endpoint is local", post(nonce(NONCE)), _NONE),
        (
            "the nonce is nothing beside a token",
            post(nonce(NONCE), bearer(SERVER)),
            Admits(Who("acme", None, "server"), PRIVATE),
        ),
    ),
]

REQUIRED: Final = on(
    "local-strict",
    (
        "the nonce and a token",
        _post(nonce(NONCE), bearer(SERVER)),
        Admits(Who("acme", None, "server"), PRIVATE),
    ),
    ("a token alone", _post(bearer(SERVER)), Refuses(401, "nonce_missing", CHALLENGED)),
    ("the nonce alone", _post(nonce(NONCE)), _NONE),
    ("nothing at all", _post(), Refuses(401, "nonce_missing", CHALLENGED)),
    ("an earlier nonce and a token", _post(nonce(OLD_NONCE), bearer(SERVER)), _WRONG),
    (
        "the name with another port than the one that is said",
        _post(nonce(NONCE), bearer(SERVER), host="127.0.0.1:8766", port=8766),
        _MISDIRECTED,
    ),
    (
        "the name with the port that is said, whichever is listened on",
        _post(nonce(NONCE), bearer(SERVER), port=9000),
        Admits(Who("acme", None, "server"), PRIVATE),
    ),
    (
        "a socket with the nonce and a token in its message",
        _open(nonce(NONCE), messages=(call(token=ANY),)),
        Opens(Who("acme", None, "any"), _CALL, awaits_message=True),
    ),
    ("a socket without the nonce", _open(origin(TOOL_PAGE)), RefusesHandshake("nonce_missing", 4401)),
    (
        "a socket with two nonces in its URL",
        _open(query=f"nonce=00&nonce={NONCE}"),
        RefusesHandshake("credential_malformed", 4401),
    ),
)

SOCKETS: Final = [
    *on(
        "local",
        ("a socket with the nonce", _open(nonce(NONCE), messages=_ONE), Opens(_MACHINE, _CALL)),
        (
            "a socket: the nonce on a page",
            _open(origin(TOOL_PAGE), nonce(NONCE), messages=_ONE),
            Opens(_MACHINE, _CALL),
        ),
        ("a socket: an earlier nonce", _open(nonce(OLD_NONCE)), RefusesHandshake("nonce_wrong", 4401)),
        (
            "a socket: the nonce and a token",
            _open(nonce(NONCE), bearer(ANY)),
            RefusesHandshake("credential_ambiguous", 4400),
        ),
        (
            "a socket: the nonce in the URL, by default",
            _open(query=f"nonce={NONCE}"),
            RefusesHandshake("credential_malformed", 4401),
        ),
        (
            "a socket: a ticket that was asked for with the nonce",
            _open(origin(TOOL_PAGE), query=f"ticket={NONCES_TICKET.text}", messages=_ONE),
            Opens(_MACHINE, _CALL),
        ),
        (
            "a socket: a ticket that was asked for with an earlier nonce",
            _open(origin(TOOL_PAGE), query=f"ticket={OLD_NONCES_TICKET.text}"),
            RefusesHandshake("ticket_unusable", 4401),
        ),
        (
            "a socket: the nonce and a ticket",
            _open(origin(TOOL_PAGE), nonce(NONCE), query=f"ticket={NONCES_TICKET.text}"),
            RefusesHandshake("credential_ambiguous", 4400),
        ),
        (
            "a socket: a nonce, and a token in a message",
            _open(nonce(NONCE), messages=(call(), call(token=ANY))),
            Opens(_MACHINE, _CALL, closes=("principal_changed", 4401)),
        ),
    ),
    *on(
        "local-query",
        (
            "a socket: the nonce in the URL",
            _open(origin(TOOL_PAGE), query=f"v=1&nonce={NONCE}", messages=_ONE),
            Opens(_MACHINE, _CALL),
        ),
        (
            "a socket: an earlier nonce in the URL",
            _open(query=f"nonce={OLD_NONCE}"),
            RefusesHandshake("nonce_wrong", 4401),
        ),
        (
            "a socket: two nonces in the URL",
            _open(query=f"nonce={NONCE}&nonce={NONCE}"),
            RefusesHandshake("nonce_wrong", 4401),
        ),
        (
            "a socket: the nonce under an escaped name",
            _open(query=f"n%6Fnce={NONCE}"),
            RefusesHandshake("nonce_wrong", 4401),
        ),
        (
            "a socket: the nonce in the URL and in the header",
            _open(nonce(NONCE), query=f"nonce={NONCE}"),
            RefusesHandshake("credential_ambiguous", 4400),
        ),
        (
            "a socket: the nonce in the URL and a token",
            _open(bearer(ANY), query=f"nonce={NONCE}"),
            RefusesHandshake("credential_ambiguous", 4400),
        ),
        ("a socket: the nonce in the URL of a request", get(query=f"nonce={NONCE}", **_HERE), _NONE),
        (
            "a socket: the nonce and a token in the second header",
            _post(nonce(NONCE), ("X-MCP-Auth-Token", ANY.text)),
            _TWO,
        ),
    ),
]

ROWS: Final[list[Row]] = [*PEERS, *HOSTS, *CREDENTIALS, *REQUIRED, *SOCKETS]
