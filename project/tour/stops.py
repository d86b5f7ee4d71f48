"""The stops of the tour. Each returns what it saw, or says what did not hold.

Every refusal is shown beside the same thing done rightly, so that a site that refuses everything does not
look safe, and is checked in the database: the tool must not have run.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, suppress
from secrets import token_hex
from typing import Any, Final, NamedTuple

from mcp import Client
from mcp.shared.exceptions import MCPError
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Origin, Subprotocol

from mcp_guard.tokens import mint
from project.notes.models import Note
from project.tour.site import FOREIGN_ORIGIN, LISTED_ORIGIN
from project.tour.visit import MODES, DidNotHold, Visit, expect
from project.tour.websocket import websocket_transport

CLOSE_SECONDS: Final = 5.0
"""How long a revocation may take to close a socket before the stop has failed."""

INSUFFICIENT: Final = "Insufficient scope"
"""How the message begins for a client that calls a tool outside of its scopes."""


class Stop(NamedTuple):
    """One stop: what it shows, and the coroutine that goes there and returns what it saw."""

    title: str
    walk: Callable[[Visit], Awaitable[str]]


async def over_http(visit: Visit) -> str:
    """Use the notes over HTTP."""
    return await _both_eras(lambda mode: visit.client("/mcp", mode, visit.site.server_token))


async def in_django(visit: Visit) -> str:
    """Use the notes through a Django view."""
    return await _both_eras(lambda mode: visit.client("/django/mcp", mode, visit.site.server_token))


async def over_websocket(visit: Visit) -> str:
    """Use the notes over WebSocket."""
    return await _both_eras(visit.socket_client)


async def in_public(visit: Visit) -> str:
    """Read public notes without a token, and nothing else."""
    private = await Note.objects.acreate(title="Private", text="Nobody's business.")
    public = await Note.objects.acreate(title="Public", text="Known to all.", public=True)
    async with visit.client("/public/mcp", "auto", None) as client:
        names = {tool.name for tool in (await client.list_tools()).tools}
        expect(names == {"search_notes", "read_note"}, f"the public mount lists {sorted(names)}")
        read = await client.call_tool("read_note", {"note_id": public.pk})
        expect(_text(read) == public.text, "a public note could not be read")
        hidden = await client.call_tool("read_note", {"note_id": private.pk})
        expect(hidden.is_error, "a private note could be read")
        title = _title("by anybody")
        await _refused(client, "write_note", {"title": title, "text": ""})
    expect(not await _exists(title), "somebody without a token wrote a note")
    return "a public note can be read, a private one not; writing is refused"


async def hijacking(visit: Visit) -> str:
    """Open a WebSocket from a foreign page, in a browser where the administrator is logged in."""
    listed, foreign = _title("by a listed page"), _title("by a foreign page")
    async with _page(visit, LISTED_ORIGIN) as client:
        await client.call_tool("write_note", {"title": listed, "text": ""})
    expect(await _exists(listed), "the listed page could not write a note")
    status = 101
    try:
        async with _page(visit, FOREIGN_ORIGIN) as client:
            await client.call_tool("write_note", {"title": foreign, "text": ""})
    except* InvalidStatus as refused:
        status = _status(refused)
    expect(status == 403, f"the foreign handshake was answered {status}")
    expect(not await _exists(foreign), "a foreign page wrote a note")
    return "403, and no note was written; with the same cookie the listed page writes one"


async def foreign_preflight(visit: Visit) -> str:
    """Ask for permission from a foreign page."""
    asked = {"Access_Control_Request_Method": "POST", "Access_Control_Request_Headers": "authorization"}
    listed = await visit.request("OPTIONS", "/mcp", Origin=LISTED_ORIGIN, **asked)
    expect(listed.headers.get("access-control-allow-origin") == LISTED_ORIGIN, "a listed one was refused")
    foreign = await visit.request("OPTIONS", "/mcp", Origin=FOREIGN_ORIGIN, **asked)
    granted = [name for name in foreign.headers if name.lower().startswith("access-control-")]
    expect(foreign.status_code == 403, f"the foreign preflight was answered {foreign.status_code}")
    expect(not granted, f"the foreign preflight was granted {granted}")
    return "403 without a CORS header; a listed one is granted"


async def bad_bearer(visit: Visit) -> str:
    """Present a token that nobody issued beside a cookie that would do."""
    headers = {"Origin": LISTED_ORIGIN, "Cookie": visit.cookie, **_MODERN_HEADERS}
    by_cookie, by_bearer = _title("by the cookie"), _title("by a bad bearer")
    alone = await visit.request("POST", "/mcp", json=_write(by_cookie), **headers)
    expect(await _exists(by_cookie), f"the cookie alone was answered {alone.status_code}")
    bearer = {"Authorization": f"Bearer {mint()}"}
    both = await visit.request("POST", "/mcp", json=_write(by_bearer), **headers, **bearer)
    expect(both.status_code == 401, f"a bad bearer with a good cookie was answered {both.status_code}")
    expect(not await _exists(by_bearer), "a bad bearer wrote a note")
    return "401, and no note was written; the cookie alone writes one"


async def outside_scope_over_http(visit: Visit) -> str:
    """Call a tool outside of the token's scopes over HTTP."""
    async with visit.client("/mcp", "auto", visit.site.server_token) as client:
        return await _cannot_delete(client)


async def outside_scope_over_websocket(visit: Visit) -> str:
    """Call a tool outside of the token's scopes over WebSocket, then another one."""
    async with visit.socket_client("auto") as client:
        seen = await _cannot_delete(client)
        expect((await client.list_tools()).tools, "the socket did not stay usable")
        return seen


async def revoked_in_the_admin(visit: Visit) -> str:
    """Revoke a token in the admin while a socket that it opened is idle."""
    bearer = {"Authorization": f"Bearer {visit.site.lost_token}"}
    async with connect(
        visit.socket, subprotocols=[Subprotocol("mcp")], origin=Origin(LISTED_ORIGIN)
    ) as socket:
        await socket.send(json.dumps(_PING | {"auth": {"bearer": visit.site.lost_token}}))
        expect("result" in json.loads(await socket.recv()), "the token did not open the socket")
        closing = asyncio.create_task(_closed_at(socket))
        posted = await visit.confirm(f"/admin/mcp_guard/token/{visit.site.lost_token_id}/revoke/")
        milliseconds = (await closing - posted) * 1000
        expect(socket.close_code == 4401, f"the socket was closed with {socket.close_code}")
    later = await visit.request("POST", "/mcp", json=_PING, Origin=LISTED_ORIGIN, **bearer)
    expect(later.status_code == 401, f"the next request was answered {later.status_code}")
    return f"closed with 4401 {milliseconds:.0f} ms after the click; the next request gets 401"


TOUR: Final = (
    Stop("The SDK's client over HTTP", over_http),
    Stop("The SDK's client through a Django view", in_django),
    Stop("The SDK's client over WebSocket", over_websocket),
    Stop("The public mount without a token", in_public),
    Stop("Hijacking handshake: good cookie, foreign Origin", hijacking),
    Stop("Foreign preflight", foreign_preflight),
    Stop("Bad bearer beside a good cookie", bad_bearer),
    Stop("Tool outside the scope over HTTP", outside_scope_over_http),
    Stop("Tool outside the scope over WebSocket", outside_scope_over_websocket),
    Stop("Token revoked in the admin, its socket still open", revoked_in_the_admin),
)

_PING: Final = {"jsonrpc": "2.0", "id": 1, "method": "ping"}

_MODERN_HEADERS: Final = {
    "Accept": "application/json, text/event-stream",
    "MCP_Protocol_Version": "2026-07-28",
    "Mcp_Method": "tools/call",
    "Mcp_Name": "write_note",
}
_META: Final = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientInfo": {"name": "tour", "version": "1"},
    "io.modelcontextprotocol/clientCapabilities": {},
}


def _write(title: str) -> dict[str, Any]:
    """Return a request of the modern era, which needs no session, that writes a note."""
    params = {"name": "write_note", "arguments": {"title": title, "text": ""}, "_meta": _META}
    return {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}


def _title(text: str) -> str:
    """Return a title that no earlier tour of a kept database has used."""
    return f"{text} {token_hex(4)}"


async def _exists(title: str) -> bool:
    return await Note.objects.filter(title=title).aexists()


async def _both_eras(connect: Callable[[str], AbstractAsyncContextManager[Client]]) -> str:
    """Use the notes in both eras of the protocol."""
    versions = []
    for mode in MODES:
        async with connect(mode) as client:
            versions.append(str(client.protocol_version))
            await _use_notes(client)
    return f"listed, wrote, read, followed progress ({', '.join(versions)})"


async def _use_notes(client: Client) -> None:
    names = {tool.name for tool in (await client.list_tools()).tools}
    expect({"search_notes", "read_note", "write_note"} <= names, f"the tools are {sorted(names)}")
    written = await client.call_tool("write_note", {"title": "Tour", "text": "Seen from inside."})
    identifier: int = (written.structured_content or {"id": 0})["id"]
    expect(await Note.objects.filter(pk=identifier, title="Tour").aexists(), "no note was written")
    read = await client.call_tool("read_note", {"note_id": identifier})
    expect(_text(read) == "Seen from inside.", "the note reads differently")
    reported: list[tuple[float, float | None, str | None]] = []

    async def follow(progress: float, total: float | None, message: str | None) -> None:
        reported.append((progress, total, message))

    await client.call_tool("summarize_notes", {"pause": 0.01}, progress_callback=follow)
    expect(reported, "no progress was reported")


async def _cannot_delete(client: Client) -> str:
    """Look for the tool that deletes in the list, and call it all the same."""
    names = {tool.name for tool in (await client.list_tools()).tools}
    expect("read_note" in names, f"the tools are {sorted(names)}")
    expect("delete_note" not in names, "delete_note is listed")
    note = await Note.objects.acreate(title="Keep", text="")
    message = await _refused(client, "delete_note", {"note_id": note.pk})
    expect(await Note.objects.filter(pk=note.pk).aexists(), "the note was deleted")
    return f"not among the {len(names)} listed; “{message}”, and the note is still there"


async def _refused(client: Client, tool: str, arguments: dict[str, Any]) -> str:
    """Call a tool that is to be refused and return the error's text."""
    try:
        await client.call_tool(tool, arguments)
    except MCPError as error:
        as_expected = error.message.startswith(INSUFFICIENT)
        expect(as_expected, f"{tool} was refused for another reason: {error.message}")
        return error.message
    raise DidNotHold(f"{tool} ran")


async def _closed_at(socket: ClientConnection) -> float:
    """Wait for the end of a socket, within its bound, and return when that was."""
    with suppress(TimeoutError, ConnectionClosed):
        await asyncio.wait_for(socket.recv(), CLOSE_SECONDS)
    return time.perf_counter()


def _page(visit: Visit, origin: str) -> Client:
    """Return a client on a page of this origin whose browser sends the administrator's cookie along."""
    transport = websocket_transport(visit.socket, origin=origin, headers={"Cookie": visit.cookie})
    return Client(transport, read_timeout_seconds=10)


def _text(result: Any) -> Any:
    return (result.structured_content or {}).get("text")


def _status(error: BaseException) -> int:
    """Return the status of the refused handshake in a group of groups."""
    match error:
        case InvalidStatus():
            return error.response.status_code
        case BaseExceptionGroup():
            return _status(error.exceptions[0])
    raise error
