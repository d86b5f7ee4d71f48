"""Rows about WebSocket messages: who says the first one, what each may do, what ends the socket."""

from __future__ import annotations

import json
from typing import Final

from tests.rows.exchanges import Socket, bearer, call, cookie, handshake, origin, request
from tests.rows.outcomes import NOBODY, Opens, Who
from tests.rows.row import on
from tests.rows.world import (
    ADAS,
    ADAS_SESSION,
    ANY,
    APP,
    BOBS,
    BROWSER,
    MISTYPED_TEXT,
    OF_OTHER_CLIENT,
    PLAIN,
    REVOKED,
    SERVER,
    UNKNOWN_TEXT,
    UNLISTED,
    WRITER,
)

_CALL: Final = "tools/call"
_ANY: Final = Who("acme", token="any")
_WRITER: Final = Who("acme", token="writer")
_INITIALIZED: Final = json.dumps({"jsonrpc": "2.0", "method": "notifications/initialized"})
_RESULT: Final = json.dumps({"jsonrpc": "2.0", "id": 1, "result": {}})


def _page(*messages: str | bytes) -> Socket:
    """Return a socket of a listed page that presents nothing before its first message."""
    return handshake(origin(PLAIN), messages=messages)


def _token(*messages: str | bytes) -> Socket:
    """Return a socket that presented its token in the handshake."""
    return handshake(origin(PLAIN), bearer(ANY), messages=messages)


def _ends_first(reason: str) -> Opens:
    return Opens(None, closes=(reason, 4401), awaits_message=True)


def _waited(who: Who, *runs: str, **outcome: tuple[str, int] | tuple[str, ...]) -> Opens:
    return Opens(who, runs, awaits_message=True, **outcome)


FIRST: Final = [
    *on(
        "partner",
        ("the first presents a token", _page(call(token=ANY)), _waited(_ANY, _CALL)),
        ("the second needs none", _page(call(token=ANY), call()), _waited(_ANY, _CALL, _CALL)),
        (
            "a browser token from its page",
            _page(call(token=BROWSER)),
            _waited(Who("acme", token="browser"), _CALL),
        ),
        (
            "another client's browser token",
            _page(call(token=OF_OTHER_CLIENT)),
            _ends_first("token_wrong_kind"),
        ),
        ("a user's token", _page(call(token=ADAS)), _waited(Who("acme", "ada", "adas"), _CALL)),
        ("the first presents none", _page(call(), call(token=ANY)), _ends_first("credential_missing")),
        (
            "a free method is no credential",
            _page(_INITIALIZED, call(token=ANY)),
            _ends_first("credential_missing"),
        ),
        *(
            (
                f"the first token: {reason} ({len(token if isinstance(token, str) else token.text)})",
                _page(call(token=token), call(token=ANY)),
                _ends_first(reason),
            )
            for token, reason in (
                (UNKNOWN_TEXT, "token_unknown"),
                (MISTYPED_TEXT, "token_mistyped"),
                ("", "token_mistyped"),
                (REVOKED, "token_revoked"),
                (SERVER, "token_wrong_kind"),
                (BOBS, "token_user_inactive"),
            )
        ),
        *(
            (
                f"auth is {auth!r}",
                _page(call(auth=auth), call(token=ANY)),
                _ends_first("credential_malformed"),
            )
            for auth in (None, "x", {}, {"bearer": None}, {"bearer": ["x"]}, {"token": "x"})
        ),
    ),
    *on(
        "partner-first",
        ("where a header is no carrier, a message is", _page(call(token=ANY)), _waited(_ANY, _CALL)),
    ),
    *on(
        "partner-header",
        (
            "where a message is no carrier, a token in it ends the socket",
            _token(call(token=ANY)),
            Opens(_ANY, closes=("credential_malformed", 4401)),
        ),
    ),
    *on(
        "public",
        (
            "public: a token ends the socket, as nothing reads it",
            handshake(messages=(call(token=ANY),)),
            Opens(NOBODY, closes=("credential_malformed", 4401)),
        ),
    ),
    *on(
        "partner-report",
        (
            "report-only: an unlisted page's first message",
            handshake(origin(UNLISTED), messages=(call(token=ANY),)),
            _waited(_ANY, _CALL),
        ),
        (
            "report-only: no guest",
            handshake(origin(UNLISTED), messages=(call(),)),
            _ends_first("credential_missing"),
        ),
    ),
    *on(
        "partner-guests",
        ("a listed page without a credential is a guest", _page(call()), _waited(NOBODY, _CALL)),
        (
            "a guest lacks other grants",
            _page(call(), call("write_note")),
            _waited(NOBODY, _CALL, errors=("tools/call:write_note",)),
        ),
        ("a bad token is no guest", _page(call(token=REVOKED)), _ends_first("token_revoked")),
    ),
]

EVERY: Final = [
    *on(
        "partner-every",
        (
            "each message presents a token",
            _page(call(token=ANY), call(token=ANY)),
            _waited(_ANY, _CALL, _CALL),
        ),
        (
            "the second does not",
            _page(call(token=ANY), call()),
            _waited(_ANY, _CALL, closes=("credential_missing", 4401)),
        ),
        (
            "the handshake's token does not do",
            _token(call()),
            Opens(_ANY, closes=("credential_missing", 4401)),
        ),
        ("the handshake's token and one in the message", _token(call(token=ANY)), Opens(_ANY, (_CALL,))),
        (
            "the session does not do",
            handshake(origin(APP), cookie(ADAS_SESSION), messages=(call(),)),
            Opens(Who("acme", "ada"), closes=("credential_missing", 4401)),
        ),
        (
            "a bad token in the second",
            _page(call(token=ANY), call(token=REVOKED)),
            _waited(_ANY, _CALL, closes=("token_revoked", 4401)),
        ),
    ),
]

CHANGES: Final = [
    *on(
        "partner",
        (
            "a later token of the same party takes over with its grants",
            _token(call(), call("write_note", WRITER)),
            Opens(_WRITER, (_CALL, _CALL)),
        ),
        (
            "a later token of another user ends the socket",
            _token(call(), call(token=ADAS)),
            Opens(_ANY, (_CALL,), closes=("principal_changed", 4401)),
        ),
        (
            "a later token that is bad ends the socket",
            _token(call(), call(token=REVOKED), call()),
            Opens(_ANY, (_CALL,), closes=("token_revoked", 4401)),
        ),
        (
            "a token in a session's socket ends it, unless it is the same party's",
            handshake(origin(APP), cookie(ADAS_SESSION), messages=(call(token=ANY),)),
            Opens(Who("acme", "ada"), closes=("principal_changed", 4401)),
        ),
        (
            "the same party's token in a session's socket",
            handshake(origin(APP), cookie(ADAS_SESSION), messages=(call(token=ADAS),)),
            Opens(Who("acme", "ada", "adas"), (_CALL,)),
        ),
    ),
    *on(
        "partner-guests",
        (
            "a guest stays a guest",
            _page(call(), call(token=ANY)),
            _waited(NOBODY, _CALL, closes=("principal_changed", 4401)),
        ),
    ),
]

GRANTS: Final = [
    *on(
        "partner",
        (
            "a message without its grant is answered, the socket stays",
            _token(call("write_note"), call()),
            Opens(_ANY, (_CALL,), errors=("tools/call:write_note",)),
        ),
        (
            "a resource that climbs out of its prefix",
            _token(request("resources/read", uri="note://public/docs/../x")),
            Opens(_ANY, errors=("resources/read:note://public/docs/../x",)),
        ),
        (
            "free methods, notifications and responses",
            _token(request("initialize"), _INITIALIZED, _RESULT),
            Opens(_ANY, ("initialize", "notifications/initialized", "")),
        ),
    ),
    *on(
        "partner-oauth",
        (
            "forward_authorization: no grant is asked for",
            handshake(origin(PLAIN), bearer("x"), messages=(call("drop_tables"),)),
            Opens(NOBODY, (_CALL,)),
        ),
    ),
]


def _ends(reason: str, code: int) -> Opens:
    return Opens(_ANY, (_CALL,), closes=(reason, code))


MALFORMED: Final = [
    *on(
        "partner",
        *(
            (
                f"{what} ends the socket, and what follows is dropped",
                _token(call(), message, call()),
                _ends("message_malformed", 4400),
            )
            for what, message in (
                ("no JSON", "{"),
                ("a batch", f"[{call()}]"),
                ("a member twice", call()[:-1] + ', "id": 2}'),
                ("NaN", call()[:-1] + ', "x": NaN}'),
                ("half a surrogate pair", call()[:-1] + ', "x": "\\ud800"}'),
                ("a request without an id", json.dumps({"jsonrpc": "2.0", "method": "ping"})),
                ("a tool without a name", call(params={})),
            )
        ),
        ("bytes end the socket", _token(call(), call().encode(), call()), _ends("message_not_text", 4415)),
    ),
    *on(
        "partner-small",
        (
            "a message of just the limit",
            _token(call(pad="x" * (1024 - len(call(pad=""))))),
            Opens(_ANY, (_CALL,)),
        ),
        (
            "one byte more ends the socket",
            _token(call(), call(pad="x" * (1025 - len(call(pad="")))), call()),
            _ends("message_too_large", 4413),
        ),
        (
            "characters of several bytes count as bytes",
            _token(
                call(),
                json.dumps(
                    {"jsonrpc": "2.0", "id": 1, "method": "ping", "x": "\u20ac" * 400}, ensure_ascii=False
                ),
            ),
            _ends("message_too_large", 4413),
        ),
    ),
    *on(
        "partner",
        (
            "a malformed first message ends the socket before anybody is asked",
            _page("{", call(token=ANY)),
            Opens(None, closes=("message_malformed", 4400), awaits_message=True),
        ),
    ),
]

ROWS: Final = [*FIRST, *EVERY, *CHANGES, *GRANTS, *MALFORMED]
