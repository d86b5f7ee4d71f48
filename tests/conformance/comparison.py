"""Play every suite on the unguarded server and on both guarded mounts, under both ASGI servers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Final, NamedTuple

from tests.child import SERVERS, serving
from tests.conformance.suite import SUITES, Outcome, run
from tests.ports import free_port

UNGUARDED: Final = "unguarded"
GUARDED: Final = {"mount": "/mcp", "view": "/django/mcp"}
"""The guarded mounts and their paths."""


class Column(NamedTuple):
    """Where a suite was run."""

    server: str
    mount: str


COLUMNS: Final = tuple(Column(server, mount) for server in sorted(SERVERS) for mount in (UNGUARDED, *GUARDED))


class Site(NamedTuple):
    """How a site is served, and the paths of its mounts."""

    serve: Callable[[str, Path], AbstractContextManager[str]]
    mounts: Mapping[str, str]


Results = dict[tuple[str, Column], Outcome]
"""Outcomes by the name of the suite and where it was run."""


def play(directory: Path) -> Results:
    """Return all outcomes. Two servers at a time: the suite is particular about time."""
    jobs = [(site, server) for site in (UNGUARDED_SITE, GUARDED_SITE) for server in sorted(SERVERS)]
    results: Results = {}
    with ThreadPoolExecutor(max_workers=2) as threads:
        for found in threads.map(lambda job: _play(directory, *job), jobs):
            results |= found
    return results


def _play(directory: Path, site: Site, server: str) -> Results:
    with site.serve(server, directory) as base:
        return {
            (suite.name, Column(server, mount)): run(
                suite, base + path, directory / f"{suite.name}-{server}-{mount}"
            )
            for mount, path in site.mounts.items()
            for suite in SUITES
        }


@contextmanager
def guarded_site(server: str, directory: Path) -> Iterator[str]:
    """Serve the guarded site and return the base of its URLs."""
    port = free_port()
    environment = {
        "DATABASE_URL": f"sqlite:///{directory / server}.sqlite3",
        "SECRET_KEY": "tests only",
        "ALLOWED_HOSTS": "127.0.0.1",
        "PYTHONWARNINGS": "ignore",
    }
    log = directory / f"{server}-guarded.log"
    with serving("tests.conformance.site", server, str(port), port=port, log=log, environment=environment):
        yield f"http://127.0.0.1:{port}"


@contextmanager
def unguarded_site(server: str, directory: Path) -> Iterator[str]:
    """Serve the server on its own and return the base of its URL."""
    port = free_port()
    arguments = [*SERVERS[server], str(port), "tests.conformance.unguarded:application"]
    log = directory / f"{server}-unguarded.log"
    with serving(*arguments, port=port, log=log, environment={"PYTHONWARNINGS": "ignore"}):
        yield f"http://127.0.0.1:{port}"


UNGUARDED_SITE: Final = Site(unguarded_site, {UNGUARDED: "/mcp"})
GUARDED_SITE: Final = Site(guarded_site, GUARDED)
