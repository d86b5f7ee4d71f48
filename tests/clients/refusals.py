"""What each client tells its user when it is refused."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from itertools import groupby
from pathlib import Path
from threading import Event, Thread
from typing import TYPE_CHECKING, Final, NamedTuple
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from mcp_guard.tokens import mint
from tests.child import SERVERS, serving
from tests.clients import inspector, sdk
from tests.clients.bed import Bed, probe
from tests.clients.job import MODES, Job, Seen
from tests.clients.matrix import CLIENTS, Client
from tests.clients.typescript import browsing, pages, visit_in_node, visit_in_page
from tests.ports import free_port

if TYPE_CHECKING:
    from playwright.sync_api import Page

TROUBLES: Final = {
    "no token": 401,
    "wrong token": 401,
    "unlisted origin": 403,
    "missing scope": 403,
    "foreign host": 421,
    "too many requests": 429,
    "policy too old": 503,
}
"""Why a client is refused, and the status that says so."""

OUT_OF_REACH: Final = ("policy too old",)
"""What no test can bring about in a moment: a server that answers as the guard does stands in."""

ANSWER: Final = "<answer>"
WORN_OUT: Final = "worn out"
FAILURES: Final = 6
"""How often a token fails before a client presents it: more often than the probe lets it."""

_SECONDS = re.compile(r"after \d+s")
_ANSWER = re.compile(r'\{"jsonrpc".*\}')


class Shown(NamedTuple):
    """What a client showed: the text, the exit status of one that ends, whether it got anything at all."""

    trouble: str
    client: str
    door: str
    mode: str
    text: str
    exit_status: int | None = None
    got_something: bool = False

    @property
    def cell(self) -> str:
        """The text as it stands in a table."""
        ending = "" if self.exit_status is None else f" (exit {self.exit_status})"
        text = _SECONDS.sub("after <some>s", _ANSWER.sub(ANSWER, self.text))
        return f"`{text}`{ending}"


@contextmanager
def stand_in(directory: Path) -> Iterator[str]:
    """Serve what refuses everything; return the base of its URLs."""
    port = free_port()
    arguments = (*SERVERS["daphne"], str(port), "tests.clients.refusing:application")
    with serving(*arguments, port=port, log=directory / "stand-in"):
        yield f"http://127.0.0.1:{port}"


def play(directory: Path, chromium: str, server: str = "daphne") -> tuple[list[Shown], list[str]]:
    """Return what was shown, and what the tools did meanwhile: their labels begin with the trouble."""
    www = directory / "www"
    www.mkdir()
    with pages(www) as port, stand_in(directory) as refusing:
        listed, unlisted = f"http://localhost:{port}", f"http://127.0.0.1:{port}"
        with (
            browsing(chromium, listed) as page,
            probe(server, directory / server, listed) as bed,
            _worn_out(bed),
        ):
            shown = [
                found
                for trouble in TROUBLES
                for found in _play(trouble, bed, page, refusing, unlisted, directory)
            ]
            return shown, bed.events


def _play(trouble: str, bed: Bed, page: Page, refusing: str, unlisted: str, home: Path) -> Iterator[Shown]:
    visitors: dict[str, Callable[[Sequence[Job]], list[Seen]]] = {
        "python": sdk.visit,
        "node": visit_in_node,
        "chromium": lambda jobs: visit_in_page(page, jobs),
    }
    page.goto(unlisted if trouble == "unlisted origin" else bed.listed)
    for client in CLIENTS:
        places = [(door, mode) for door in _doors(client, trouble) for mode in MODES]
        jobs = [_in_trouble(trouble, bed, refusing, client, *place) for place in places]
        if client.name == "inspector":
            tool = "forbidden" if trouble == "missing scope" else "add"
            for place, said in zip(places, inspector.call_all(jobs, tool, home), strict=True):
                yield Shown(trouble, client.name, *place, said.error or "", said.exit_status)
            continue
        for place, seen in zip(places, visitors[client.name](jobs), strict=True):
            text = seen.forbidden if trouble == "missing scope" else seen.error
            got_something = bool(seen.tools or seen.sum or seen.caller or seen.progress)
            yield Shown(trouble, client.name, *place, text or "", None, got_something)


def _doors(client: Client, trouble: str) -> list[str]:
    """Return where a client has this trouble; the view only where a page must not get in anywhere."""
    if trouble in OUT_OF_REACH:
        return ["mount"]
    everywhere = client.name == "chromium" and trouble == "unlisted origin"
    return [door for door in client.doors if everywhere or door != "view"]


def _in_trouble(trouble: str, bed: Bed, refusing: str, client: Client, door: str, mode: str) -> Job:
    """Return the visit that is refused for this and no other reason."""
    job = bed.job(client.name, door, mode, client.doors[door])
    job = replace(job, label=f"{trouble}: {job.label}")
    match trouble:
        case "no token":
            return replace(job, token=None)
        case "wrong token":
            return replace(job, token=mint())
        case "unlisted origin" if client.name != "chromium":
            return replace(job, origin="https://evil.example")
        case "foreign host":
            return replace(job, url=bed.url(door, "localhost"))
        case "too many requests":
            return replace(job, token=bed.tokens[WORN_OUT])
        case "policy too old":
            return replace(job, url=f"{refusing}/{TROUBLES[trouble]}/mcp")
    return job


@contextmanager
def _worn_out(bed: Bed) -> Iterator[None]:
    """Have a token among those of the bed that fails too often, as long as the clients are visiting."""
    over = Event()
    text = bed.tokens[WORN_OUT] = mint()

    def fail() -> None:
        while not over.wait(0.5):
            _present(bed, text)

    for _ in range(FAILURES):
        _present(bed, text)
    thread = Thread(target=fail)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _present(bed: Bed, text: str) -> None:
    request = Request(bed.url("mount"), headers={"Authorization": f"Bearer {text}"})
    with suppress(HTTPError):
        urlopen(request, timeout=10).close()


NAMES: Final = {
    ("python", "mount"): "Python",
    ("python", "socket"): "Python, WebSocket",
    ("node", "mount"): "TypeScript in Node",
    ("chromium", "mount"): "TypeScript in a page",
    ("chromium", "socket"): "a page, WebSocket",
    ("inspector", "mount"): "Inspector",
}
"""What the clients are called in the table."""


def table(shown: Sequence[Shown]) -> list[str]:
    """Return the lines of a table in Markdown; modes that show the same share a line."""
    lines = ["| status | because of | client | mode | shown |", "|---|---|---|---|---|"]
    in_table = [found for found in shown if found.door != "view"]
    for (trouble, client, door), group in groupby(in_table, lambda found: found[:3]):
        by_cell: dict[str, list[str]] = {}
        for found in group:
            by_cell.setdefault(found.cell, []).append(found.mode)
        for cell, modes in by_cell.items():
            named = "all" if len(modes) == len(MODES) else ", ".join(modes)
            lines.append(f"| {TROUBLES[trouble]} | {trouble} | {NAMES[client, door]} | {named} | {cell} |")
    return lines
