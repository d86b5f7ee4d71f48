"""Every client on every mount in every era, under both ASGI servers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from tests.child import SERVERS
from tests.clients import inspector, sdk
from tests.clients.bed import Bed, probe
from tests.clients.job import DOORS, MODES, VERSIONS, Job, Seen
from tests.clients.typescript import browsing, pages, visit_in_node, visit_in_page

if TYPE_CHECKING:
    from playwright.sync_api import Page

WORKS: Final = "works"


class Client(NamedTuple):
    """A client, and which doors it goes through with the token of a program and with that of a page."""

    name: str
    doors: dict[str, str]


HTTP: Final = ("mount", "view")
CLIENTS: Final = (
    Client("python", {**dict.fromkeys(HTTP, "server"), "socket": "browser"}),
    Client("node", dict.fromkeys(HTTP, "server")),
    Client("chromium", dict.fromkeys((*HTTP, "socket"), "browser")),
    Client("inspector", dict.fromkeys(HTTP, "server")),
)


NAMES: Final = {
    "python": "Python SDK",
    "node": "TypeScript client in Node",
    "chromium": "TypeScript client in a page",
    "inspector": "Inspector's command line",
}
"""What the clients are called in the table."""


class Cell(NamedTuple):
    """One field of the matrix."""

    client: str
    server: str
    door: str
    mode: str


CELLS: Final = tuple(
    Cell(client.name, server, door, mode)
    for client in CLIENTS
    for server in sorted(SERVERS)
    for door in client.doors
    for mode in MODES
)

Visitor = Callable[[Sequence[Job]], Iterable[str]]
Matrix = dict[Cell, str]


def play(directory: Path, chromium: str) -> Matrix:
    """Return for each field ``works``, or what did not."""
    www = directory / "www"
    www.mkdir()
    matrix: Matrix = {}
    with pages(www) as port:
        listed = f"http://localhost:{port}"
        with browsing(chromium, listed) as page:
            for server in sorted(SERVERS):
                with probe(server, directory / server, listed) as bed:
                    matrix |= _play(bed, page, directory)
    return matrix


def _play(bed: Bed, page: Page, home: Path) -> Matrix:
    visitors: dict[str, Visitor] = {
        "python": partial(_verdicts, bed, sdk.visit),
        "node": partial(_verdicts, bed, visit_in_node),
        "chromium": partial(_verdicts, bed, partial(visit_in_page, page)),
        "inspector": partial(_calls, home),
    }
    matrix: Matrix = {}
    for client in CLIENTS:
        cells = [Cell(client.name, bed.server, door, mode) for door in client.doors for mode in MODES]
        jobs = [bed.job(cell.client, cell.door, cell.mode, client.doors[cell.door]) for cell in cells]
        matrix |= zip(cells, visitors[client.name](jobs), strict=True)
    return matrix


def _verdicts(bed: Bed, visit: Callable[[Sequence[Job]], list[Seen]], jobs: Sequence[Job]) -> list[str]:
    return [verdict(bed, job, seen) for job, seen in zip(jobs, visit(jobs), strict=True)]


def verdict(bed: Bed, job: Job, seen: Seen) -> str:
    """Return ``works`` when all of it did: versions, calls, refusal, live progress, cancelling."""
    wrong = [
        None if seen.error is None else f"it ended with {seen.error}",
        None if seen.version == VERSIONS[job.mode] else f"it speaks {seen.version}",
        None if "add" in seen.tools else f"it lists {seen.tools}",
        None if seen.sum == 5 else f"two and three make {seen.sum}",
        None if seen.caller == "partner" else f"the caller is {seen.caller}",
        None if "Insufficient scope" in (seen.forbidden or "") else f"refused is {seen.forbidden}",
        None if seen.progress == [[1, 2, job.label]] else f"the progress is {seen.progress}",
        None if bed.has_cancelled(job.label) else "the tool did not hear that it was left",
        "the forbidden tool ran" if "forbidden" in bed.events else None,
    ]
    return "; ".join(filter(None, wrong)) or WORKS


def table(matrix: Matrix) -> list[str]:
    """Return the lines of a table in Markdown."""
    columns = [(server, mode) for server in sorted(SERVERS) for mode in MODES]
    lines = [
        f"| client | mount | {' | '.join(f'{server}, {mode}' for server, mode in columns)} |",
        f"|---|---|{'---|' * len(columns)}",
    ]
    for client in CLIENTS:
        for door in client.doors:
            cells = [matrix[Cell(client.name, server, door, mode)] for server, mode in columns]
            lines.append(f"| {NAMES[client.name]} | `{DOORS[door]}` | {' | '.join(cells)} |")
    return lines


def _calls(home: Path, jobs: Sequence[Job]) -> Iterable[str]:
    """Inspector's command line ends with its call, so there is nothing to leave."""
    for said in inspector.call_all(jobs, "add", home, "a=2", "b=3"):
        yield WORKS if said == inspector.Said(0, {"result": 5}, None) else str(said)
