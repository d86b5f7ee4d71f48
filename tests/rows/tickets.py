"""Tickets in the handshake of a WebSocket: once, from the page and on the endpoint they were issued for."""

from __future__ import annotations

from typing import Any, Final

from tests.rows.exchanges import bearer, call, cookie, get, handshake, origin
from tests.rows.outcomes import CHALLENGED, NOBODY, Opens, Refuses, RefusesHandshake, Who, page
from tests.rows.row import Row, on
from tests.rows.world import (
    ADAS_SESSION,
    ADAS_TICKET,
    AGENTS_TICKET,
    ANY,
    ANYS_TICKET,
    APP,
    BROWSERS_TICKET,
    EVERYS_TICKET,
    EXPIRED_TICKET,
    GUESTS_TICKET,
    HEADERS_TICKET,
    OTHER_CLIENTS_TICKET,
    PAGES_TICKET,
    PLAIN,
    PLAIN_SESSIONS_TICKET,
    PUBLICS_TICKET,
    REVOKEDS_TICKET,
    SESSIONS_TICKET,
    STALE_SESSIONS_TICKET,
    TICKET_FOR_ELSEWHERE,
    UNKNOWN_TICKET,
    UNLISTED,
    Ticket,
)

_CALL: Final = ("tools/call",)
_ONE: Final = (call(),)


def _with(ticket: Ticket, *headers: Any, **values: Any) -> Any:
    return handshake(*headers, query=f"ticket={ticket.text}", **values)


def _refuses(reason: str) -> RefusesHandshake:
    return RefusesHandshake(reason, 4401)


ROWS: Final[list[Row]] = [
    *on(
        "partner",
        (
            "a token's ticket",
            _with(ANYS_TICKET, origin(PLAIN), messages=_ONE),
            Opens(Who("acme", None, "any"), _CALL),
        ),
        (
            "a browser token's ticket",
            _with(BROWSERS_TICKET, origin(PLAIN), messages=_ONE),
            Opens(Who("acme", None, "browser"), _CALL),
        ),
        (
            "a user's token's ticket, with the grants of the token",
            _with(ADAS_TICKET, origin(PLAIN), messages=(call(), call("write_note"))),
            Opens(Who("acme", "ada", "adas"), _CALL, errors=("tools/call:write_note",)),
        ),
        (
            "a session's ticket",
            _with(SESSIONS_TICKET, origin(APP), messages=_ONE),
            Opens(Who("acme", "ada"), _CALL),
        ),
        (
            "a ticket among other parameters",
            handshake(origin(PLAIN), query=f"v=1&ticket={ANYS_TICKET.text}&w=", messages=_ONE),
            Opens(Who("acme", None, "any"), _CALL),
        ),
        (
            "a ticket and the subprotocol",
            _with(ANYS_TICKET, origin(PLAIN), offers="mcp", messages=_ONE),
            Opens(Who("acme", None, "any"), _CALL, subprotocol="mcp"),
        ),
        (
            "a ticket, and a cookie that is not looked at",
            _with(ANYS_TICKET, origin(APP), cookie(ADAS_SESSION)),
            _refuses("ticket_unusable"),
        ),
        (
            "a ticket, and a token of the same party in a message",
            _with(ANYS_TICKET, origin(PLAIN), messages=(call(token=ANY),)),
            Opens(Who("acme", None, "any"), _CALL),
        ),
        (
            "a ticket, and a token of another party in a message",
            _with(SESSIONS_TICKET, origin(APP), messages=(call(), call(token=ANY))),
            Opens(Who("acme", "ada"), _CALL, closes=("principal_changed", 4401)),
        ),
        ("another page's ticket", _with(ANYS_TICKET, origin(APP)), _refuses("ticket_unusable")),
        (
            "a page's ticket on a stranger's page",
            _with(ANYS_TICKET, origin(UNLISTED)),
            RefusesHandshake("origin_not_listed", 4403),
        ),
        (
            "another endpoint's ticket",
            _with(TICKET_FOR_ELSEWHERE, origin(PLAIN)),
            _refuses("ticket_unusable"),
        ),
        ("an expired ticket", _with(EXPIRED_TICKET, origin(PLAIN)), _refuses("ticket_unusable")),
        ("a ticket of no row", _with(UNKNOWN_TICKET, origin(PLAIN)), _refuses("ticket_unusable")),
        (
            "a ticket of a token that was revoked since",
            _with(REVOKEDS_TICKET, origin(PLAIN)),
            _refuses("token_revoked"),
        ),
        (
            "a ticket of another client's token",
            _with(OTHER_CLIENTS_TICKET, origin(PLAIN)),
            _refuses("token_wrong_kind"),
        ),
        (
            "a session's ticket where the origin's cookies do not count any more",
            _with(PLAIN_SESSIONS_TICKET, origin(PLAIN)),
            _refuses("ticket_unusable"),
        ),
        (
            "a ticket of a session that ended since",
            _with(STALE_SESSIONS_TICKET, origin(APP)),
            _refuses("ticket_unusable"),
        ),
        (
            "a ticket and a token at once",
            _with(ANYS_TICKET, origin(PLAIN), bearer(ANY)),
            RefusesHandshake("credential_ambiguous", 4400),
        ),
        (
            "two tickets at once",
            handshake(origin(PLAIN), query=f"ticket={ANYS_TICKET.text}&ticket={ANYS_TICKET.text}"),
            _refuses("credential_malformed"),
        ),
        (
            "two tickets at once, one of them with a semicolon before",
            handshake(origin(PLAIN), query=f"ticket={ANYS_TICKET.text};ticket={BROWSERS_TICKET.text}"),
            _refuses("credential_malformed"),
        ),
        (
            "a ticket under an escaped name",
            handshake(origin(PLAIN), query=f"%74icket={ANYS_TICKET.text}"),
            _refuses("credential_malformed"),
        ),
        (
            "a ticket under a name in capitals",
            handshake(origin(PLAIN), query=f"Ticket={ANYS_TICKET.text}"),
            _refuses("credential_malformed"),
        ),
        (
            "a ticket that is escaped",
            handshake(origin(PLAIN), query=f"ticket={ANYS_TICKET.text.replace('_', '%5F')}"),
            _refuses("credential_malformed"),
        ),
        (
            "a ticket in the URL of a request",
            get(origin(PLAIN), query=f"ticket={ANYS_TICKET.text}"),
            Refuses(401, "credential_missing", CHALLENGED | page(PLAIN)),
        ),
        ("an empty ticket", handshake(origin(PLAIN), query="ticket="), _refuses("credential_malformed")),
        (
            "a ticket that is cut off",
            handshake(origin(PLAIN), query=f"ticket={ANYS_TICKET.text[:-1]}"),
            _refuses("credential_malformed"),
        ),
        (
            "a token as a ticket",
            handshake(origin(PLAIN), query=f"ticket={ANY.text}"),
            RefusesHandshake("credential_ambiguous", 4400),
        ),
    ),
    *on(
        "partner-agents",
        (
            "a ticket that was issued without Origin",
            _with(AGENTS_TICKET, messages=_ONE),
            Opens(Who("acme", None, "server"), _CALL),
        ),
        (
            "a ticket that was issued without Origin, on a page",
            _with(AGENTS_TICKET, origin(PLAIN)),
            _refuses("ticket_unusable"),
        ),
        ("a page's ticket without Origin", _with(PAGES_TICKET), _refuses("ticket_unusable")),
    ),
    *on(
        "partner-header",
        (
            "a ticket where ws_credentials leaves it out",
            _with(HEADERS_TICKET, origin(PLAIN)),
            _refuses("credential_malformed"),
        ),
    ),
    *on(
        "partner-guests",
        (
            "a ticket of a session that ended since, where guests are let in",
            _with(GUESTS_TICKET, origin(APP)),
            _refuses("ticket_unusable"),
        ),
    ),
    *on(
        "partner-every",
        (
            "a ticket where every message has its token",
            _with(EVERYS_TICKET, origin(PLAIN), messages=(call(token=ANY), call())),
            Opens(Who("acme", None, "any"), _CALL, closes=("credential_missing", 4401)),
        ),
    ),
    *on(
        "public",
        (
            "a ticket where nothing is read",
            _with(PUBLICS_TICKET, origin(PLAIN), messages=_ONE),
            Opens(NOBODY, _CALL),
        ),
    ),
]
