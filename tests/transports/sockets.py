"""The WebSocket doors: how a handshake and its messages get in, and what must come out."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from asgiref.sync import async_to_sync

from mcp_guard.models import Token
from tests.rows.exchanges import Socket
from tests.rows.outcomes import Opens, RefusesHandshake
from tests.rows.row import Row
from tests.transports.answer import check_everything_else, check_without_credentials
from tests.transports.doors import Application, scope_of, site
from tests.transports.populate import add_tickets
from tests.transports.site import probe


@dataclass(frozen=True)
class SocketDoor:
    """A way in. ``mount`` is the first segment of its paths."""

    name: str
    mount: str
    application: Application


SOCKET_DOORS = (
    SocketDoor("guarded application", "guard", site(behind_front_door=False)),
    SocketDoor("guarded application behind the front door", "guard", site(behind_front_door=True)),
    SocketDoor("consumer", "socket", site(behind_front_door=False)),
    SocketDoor("consumer behind the front door", "socket", site(behind_front_door=True)),
)


@dataclass
class Conversation:
    """What the server's side of a socket has sent."""

    accepted: bool = False
    subprotocol: str | None = None
    texts: list[Any] = field(default_factory=list)
    close_codes: list[int] = field(default_factory=list)


def play(door: SocketDoor, row: Row) -> Conversation:
    """Return what comes of a handshake, of all messages sent at once behind it, and of going away then."""
    assert isinstance(row.exchange, Socket)
    if "icket=" in row.exchange.query:
        add_tickets()
    path = f"/{door.mount}/{row.endpoint}{row.exchange.target}"
    return async_to_sync(converse)(door.application, row.exchange, path)


async def converse(application: Application, socket: Socket, path: str) -> Conversation:
    """Return what an application sends to a client that says everything at once."""
    seen = Conversation()
    events = [
        {"type": "websocket.connect"},
        *(_received(message) for message in socket.messages),
        {"type": "websocket.disconnect", "code": 1000},
    ]

    async def receive() -> Any:
        return events.pop(0)

    async def send(event: Any) -> None:
        assert not seen.close_codes, f"{event['type']} after the close"
        match event["type"]:
            case "websocket.accept":
                assert not seen.accepted
                seen.accepted, seen.subprotocol = True, event.get("subprotocol")
            case "websocket.send":
                assert seen.accepted
                seen.texts.append(json.loads(event["text"]))
            case "websocket.close":
                seen.close_codes.append(event["code"])

    await application(scope_of(socket, path), receive, send)
    return seen


def _received(message: str | bytes) -> dict[str, Any]:
    is_text = isinstance(message, str)
    return {
        "type": "websocket.receive",
        "text": message if is_text else None,
        "bytes": None if is_text else message,
    }


def check(row: Row, door: SocketDoor, seen: Conversation, noted: list[str]) -> None:
    """Assert that a socket came out as its row says, and that the protected code ran or did not."""
    match row.outcome:
        case RefusesHandshake(reason, code):
            assert (seen, noted) == (Conversation(close_codes=[code]), [reason])
            assert probe.RUNS == []
        case Opens(closes=closes, errors=errors):
            assert (seen.accepted, seen.subprotocol) == (True, row.outcome.subprotocol)
            assert seen.close_codes == ([] if closes is None else [closes[1]])
            refusals = ["scope_insufficient"] * len(errors) + ([] if closes is None else [closes[0]])
            assert [one for one in noted if not one.startswith("would_refuse:")] == sorted(refusals)
            _check_errors(seen, errors)
            _check_run(row, door)


def _check_errors(seen: Conversation, errors: tuple[str, ...]) -> None:
    found = [text["error"] for text in seen.texts if "error" in text]
    assert [(error["code"], error["message"]) for error in found] == [
        (-32600, f"Insufficient scope: {grant} is needed") for grant in errors
    ]
    assert [error["data"]["scope"] for error in found] == list(errors)


def _check_run(row: Row, door: SocketDoor) -> None:
    """Assert which messages reached the protected code, and for whom."""
    assert isinstance(row.outcome, Opens)
    assert [method for run in probe.RUNS for method in run.methods] == list(row.outcome.runs)
    assert len(probe.RUNS) == (1 if row.outcome.runs else 0)
    for run in probe.RUNS:
        who = row.outcome.who
        assert who is not None
        assert (run.endpoint, run.client, run.user) == (row.endpoint, who.client, who.user or "")
        check_without_credentials(run)
        check_everything_else(run, row.exchange)
        if run.token_ids and who.token is not None and row.outcome.closes is None:
            assert Token.objects.get(pk=run.token_ids[-1]).name == who.token
