"""End what open sockets and streams live by, each way there is: they end too, and nothing passes behind."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from tests.faults.bed import Bed, Done, Writer, bed
from tests.faults.client import Socket, Stream, bearer, read_state
from tests.faults.lag import lagging
from tests.faults.postgres import postgres
from tests.faults.process import scratch_folder
from tests.faults.report import Report, spread

BOUND_SECONDS = 2.0
"""Within how long everything ends: the poll, and what it takes."""

TOLD_SECONDS = 3.0
"""Within how long an application that streams hears of it, once its client has seen the end."""

EXPIRY_SECONDS = 1.5
PING_SECONDS = 0.01

POLL_ALONE = {"PUSH": False, "SHARED_COUNTER": False}


@dataclass
class Ending:
    """One way to end it: what is presented, the order that ends it, and how sockets are closed then."""

    name: str
    headers: dict[str, str]
    order: str
    arguments: dict[str, Any]
    code: int = 4401
    prefix: str = ""
    """Of the paths; ``/pages`` where a session counts."""

    @property
    def streams(self) -> list[str]:
        """The paths that stream."""
        return [f"{self.prefix}/stream"] if self.prefix else ["/stream", "/view/stream"]

    @property
    def is_change(self) -> bool:
        """Whether it is a change of policy, of which workers are told."""
        return self.order in {"revoke", "delete", "disable", "unlist"}


async def run(*, quick: bool) -> Report:
    """Try every ending without Redis, with all that PostgreSQL offers and with the poll alone."""
    report = Report("endings", quick)
    with scratch_folder() as folder, postgres(folder) as database:
        for label, guard in (("NOTIFY and counter", {}), ("poll alone", POLL_ALONE)):
            url = database.create(label.partition(" ")[0].lower())
            async with bed(url, guard=guard, servers=("daphne",)) as (made, writer):
                endings = [*await _by_token(writer), *await _by_session(writer)]
                await asyncio.sleep(1.1)  # the poll tells of what was just made
                for ending in endings:
                    await _try(report, label, ending, made, writer)
    return report


async def _by_token(writer: Writer) -> list[Ending]:
    async def ending(name: str, order: str, *wanted: str, kind: str = "server", **values: Any) -> Ending:
        client = name.replace(" ", "-")
        await writer.do("client", name=client)
        await writer.do("origin", name=f"https://{client}.example", of=client)
        user = await writer.ask("user")
        ((token, text),) = await writer.ask("issue", of=client, kind=kind, user=user)
        known = {"token": token, "user": user, "client": client, "origin": f"https://{client}.example"}
        headers = bearer(text) | ({"Origin": known["origin"]} if kind == "any" else {})
        arguments = {argument: known[argument] for argument in wanted}
        return Ending(name, headers, order, arguments | values, 4403 if order == "unlist" else 4401)

    return [
        await ending("token revoked", "revoke", "token"),
        await ending("token deleted", "delete", "token"),
        await ending("token expired", "expire", "token", seconds=EXPIRY_SECONDS),
        await ending("client disabled", "disable", "client"),
        await ending("origin unlisted", "unlist", "origin", kind="any"),
        await ending("user of a token deactivated", "deactivate", "user"),
        await ending("user of a token deleted", "delete_user", "user"),
    ]


async def _by_session(writer: Writer) -> list[Ending]:
    await writer.do("client", name="pages")

    async def ending(name: str, order: str, *wanted: str) -> Ending:
        origin = f"https://{name.replace(' ', '-')}.example"
        await writer.do("origin", name=origin, of="pages", cookies=True)
        user = await writer.ask("user")
        session = await writer.ask("login", user=user)
        known = {"user": user, "session": session, "origin": origin}
        headers = {"Cookie": f"sessionid={session}", "Origin": origin}
        arguments = {argument: known[argument] for argument in wanted}
        return Ending(name, headers, order, arguments, 4403 if order == "unlist" else 4401, "/pages")

    return [
        await ending("logged out", "logout", "session"),
        await ending("user deactivated", "deactivate", "user"),
        await ending("user deleted", "delete_user", "user"),
        await ending("password changed", "change_password", "user"),
        await ending("origin of a session unlisted", "unlist", "origin"),
    ]


async def _try(report: Report, label: str, ending: Ending, made: Bed, writer: Writer) -> None:
    (port,) = made.ports
    name = f"{label}: {ending.name}"
    socket = await Socket.open(port, f"{ending.prefix}/ws", ending.headers)
    streams = [
        await Stream.open(port, path, ending.headers | {"X-Label": f"{name} {path}"})
        for path in ending.streams
    ]
    async with pinging(socket, name) as sent, lagging() as lag:
        await asyncio.sleep(0.1)
        done = await writer.do(ending.order, **ending.arguments)
        after = BOUND_SECONDS + (EXPIRY_SECONDS if ending.order == "expire" else 0.0)
        await asyncio.gather(*(each.ended(after + 3) for each in (socket, *streams)))
    took = [each.ended_at - done.committed if each.ended_at else float("inf") for each in (socket, *streams)]
    report.figures[f"{name}: to the end of socket and streams, s"] = spread(took)
    report.figures[f"{name}: the machine late, s"] = round(lag.total, 3)
    in_time = max(took) < after + lag.total
    report.promise(f"{name}: all end in time", held=in_time, found=[round(t, 3) for t in took])
    report.promise(f"{name}: the code is {ending.code}", held=socket.code == ending.code, found=socket.code)
    await _look_behind(report, label, ending, port, done, sent)
    for each in (socket, *streams):
        each.close()


async def _look_behind(
    report: Report, label: str, ending: Ending, port: int, done: Done, sent: dict[str, float]
) -> None:
    """See what reached the applications, and whether those that stream were told of the end."""
    name = f"{label}: {ending.name}"
    ran = set((await read_state(port))["ran"])
    report.promise(f"{name}: messages came through before", held=bool(ran & set(sent)))
    if label != "poll alone" and ending.is_change:
        behind = [each for each, moment in sent.items() if moment > done.returned and each in ran]
        report.promise(f"{name}: no message came through behind it", held=not behind, found=behind)
    end = time.monotonic() + TOLD_SECONDS
    while untold := [path for path in ending.streams if f"ended {name} {path}" not in ran]:
        if time.monotonic() > end:
            break
        await asyncio.sleep(0.05)
        ran = set((await read_state(port))["ran"])
    report.promise(f"{name}: the applications that stream were told", held=not untold, found=untold)


@asynccontextmanager
async def pinging(socket: Socket, name: str) -> AsyncIterator[dict[str, float]]:
    """Send messages all the time; yield when each was sent."""
    sent: dict[str, float] = {}

    async def ping() -> None:
        while True:
            identifier = f"{name} {len(sent)}"
            moment = await socket.send(identifier)
            if moment is None:
                return
            sent[identifier] = moment
            await asyncio.sleep(PING_SECONDS)

    task = asyncio.create_task(ping())
    try:
        yield sent
    finally:
        task.cancel()
