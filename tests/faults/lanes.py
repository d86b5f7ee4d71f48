"""Revoke tokens, several at a time, each under probing in every worker and with a socket open in each."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from tests.faults.bed import Done, Writer
from tests.faults.client import Answer, Socket, bearer
from tests.faults.prober import Prober, probing

GIVE_UP_SECONDS = 15.0
"""After how long a revocation that has not arrived is given up."""

ANSWERS_BEHIND = 3
"""How many more answers are taken after the first refusal."""


@dataclass
class Seen:
    """One revocation as one worker's clients saw it; seconds are counted from the commit."""

    refused_after: float
    """Until the first refused request was answered; infinite when none was."""

    closed_after: float
    """Until the socket was closed; infinite when it was not."""

    code: int
    admitted_late: list[float]
    """When the admitted requests were sent, of those that were sent after the order had returned."""

    admitted_again: int
    """How many requests were admitted after one had been refused."""

    announced_in: float
    """How long the writer took from its commit to its return, in seconds."""


async def revoke_all(
    writer: Writer, ports: list[int], tokens: Sequence[tuple[int, str]], *, lanes: int, pause: float
) -> list[Seen]:
    """Revoke every token, as many at a time as there are lanes; return what each worker's clients saw."""
    waiting = list(tokens)
    seen: list[Seen] = []

    async def lane() -> None:
        while waiting:
            token, text = waiting.pop()
            seen.extend(await _revoke(writer, ports, token, text, pause))

    await asyncio.gather(*(lane() for _ in range(lanes)))
    return seen


async def _revoke(writer: Writer, ports: list[int], token: int, text: str, pause: float) -> list[Seen]:
    sockets: list[Socket] = []
    try:
        with probing(ports, bearer(text), pause) as probers:
            for prober in probers:
                await prober.until(lambda answer: answer.is_admitted, GIVE_UP_SECONDS)
                sockets.append(await Socket.open(prober.port, "/ws", bearer(text)))
            done = await writer.do("revoke", token=token)
            await asyncio.gather(*(_follow(each) for each in probers))
            await asyncio.gather(*(socket.ended(GIVE_UP_SECONDS) for socket in sockets))
            return [_seen(done, *pair) for pair in zip(probers, sockets, strict=True)]
    finally:
        for socket in sockets:
            socket.close()


async def _follow(prober: Prober) -> None:
    await prober.until(_is_refused, GIVE_UP_SECONDS)
    await prober.more(ANSWERS_BEHIND)


def _is_refused(answer: Answer) -> bool:
    return answer.status == 401


def _seen(done: Done, prober: Prober, socket: Socket) -> Seen:
    refused = prober.first(_is_refused)
    never = float("inf")
    return Seen(
        never if refused is None else max(0.0, refused.received - done.committed),
        max(0.0, socket.ended_at - done.committed) if socket.ended_at else never,
        socket.code,
        [answer.sent - done.committed for answer in prober.admitted_after(done.returned)],
        0 if refused is None else len(prober.admitted_after(refused.received)),
        done.returned - done.committed,
    )
