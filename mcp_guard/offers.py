"""What the servers of this process offer: grants to choose from, asked for in bounded time."""

from __future__ import annotations

import asyncio
import logging
from typing import Final, NamedTuple

from asgiref.sync import async_to_sync

from mcp_guard import mounts
from mcp_guard.mounts import Catalogue, Offered

ASK_SECONDS: Final = 2.0
"""How long a server may take to say what it has."""

MOST_OFFERED: Final = 1000
"""How many grants of one server are shown to choose from; others can be typed."""

MOST_TITLE: Final = 200
"""How much is shown of what a server says of one, in characters."""

log = logging.getLogger(__name__)


class Offers(NamedTuple):
    """What was offered, by endpoint, and the endpoints whose server said nothing."""

    by_endpoint: dict[str, list[Offered]]
    silent: list[str]

    @property
    def grants(self) -> set[str]:
        """All grants that can be chosen."""
        return {offered.grant for offers in self.by_endpoint.values() for offered in offers}


def ask() -> Offers:
    """Ask every server object that is mounted in this process; empty where there is none."""
    if not mounts.CATALOGUES:
        return Offers({}, [])
    return async_to_sync(_ask_all)()


async def _ask_all() -> Offers:
    asked = [
        (endpoint, catalogue)
        for endpoint, catalogues in sorted(mounts.CATALOGUES.items())
        for catalogue in catalogues.values()
    ]
    answers = await asyncio.gather(*(_ask(endpoint, catalogue) for endpoint, catalogue in asked))
    by_endpoint: dict[str, list[Offered]] = {}
    silent = []
    for (endpoint, _), answer in zip(asked, answers, strict=True):
        if answer is None:
            silent.append(endpoint)
        else:
            by_endpoint[endpoint] = _joined(endpoint, [*by_endpoint.get(endpoint, ()), *answer])
    return Offers(by_endpoint, silent)


def _joined(endpoint: str, offers: list[Offered]) -> list[Offered]:
    """Return each grant once, as it was offered first, and no more of them than anybody can choose from."""
    first: dict[str, Offered] = {}
    for offered in offers:
        first.setdefault(offered.grant, offered)
    found = list(first.values())
    if len(found) > MOST_OFFERED:
        log.warning("the server behind %s has more than %d grants to choose from", endpoint, MOST_OFFERED)
    return [offered._replace(title=offered.title[:MOST_TITLE]) for offered in found[:MOST_OFFERED]]


async def _ask(endpoint: str, catalogue: Catalogue) -> list[Offered] | None:
    """Return what one server has, None when it does not say it in time."""
    try:
        async with asyncio.timeout(ASK_SECONDS):
            return await catalogue()
    except Exception:
        log.warning("the server behind %s did not say what it has", endpoint, exc_info=True)
        return None
