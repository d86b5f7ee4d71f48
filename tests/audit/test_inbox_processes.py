"""Several processes with one inbox: nothing is lost, counted twice or beyond the bounds; nor at their end."""

from __future__ import annotations

import asyncio
import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest

from tests.faults.bed import bed
from tests.faults.client import HttpClient
from tests.faults.process import ROOT

PROCESSES = 4
TIMES = 15
STATE = "SELECT sum(count), sum(CASE WHEN is_rest THEN 0 ELSE 1 END) FROM mcp_guard_refusal"
GUARD = {"REFUSAL_ROWS_PER_HOUR": 150, "REFUSAL_ROWS": 120}


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.services)])
def database(request: Any, tmp_path: Path) -> Iterator[str]:
    if request.param == "postgres":
        yield request.getfixturevalue("postgres_url")
    else:
        yield f"sqlite:///{tmp_path / 'site.sqlite3'}"


def stored(url: str) -> tuple[int, int]:
    """Return how many refusals the database counts, and how many rows there are of groups."""
    connect: Callable[[], Any] = (
        (lambda: psycopg.connect(url))
        if url.startswith("postgres")
        else (lambda: sqlite3.connect(urlsplit(url).path))
    )
    with connect() as connection:
        counted, rows = connection.execute(STATE).fetchone()
        return int(counted or 0), int(rows or 0)


def test_processes_that_write_at_once_lose_nothing_and_keep_the_bounds(database):
    environment = os.environ | {
        "DATABASE_URL": database,
        "DJANGO_SETTINGS_MODULE": "tests.faults.site.settings",
        "FAULTS_GUARD": json.dumps(GUARD),
    }
    subprocess.run([sys.executable, "-m", "tests.migrated"], cwd=ROOT, env=environment, check=True)

    running = [
        subprocess.Popen(
            [sys.executable, "-m", "tests.audit.flushing", str(seed), str(TIMES)],
            cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True,
        )
        for seed in range(PROCESSES)
    ]  # fmt: skip
    written = [process.communicate(timeout=120)[0] for process in running]

    assert [process.returncode for process in running] == [0] * PROCESSES
    counted, rows = stored(database)
    assert counted == sum(map(int, written)) == PROCESSES * TIMES * 210
    assert rows <= GUARD["REFUSAL_ROWS"]


@pytest.mark.parametrize("server", ["daphne", "uvicorn", "gunicorn"])
def test_what_was_refused_last_is_written_at_the_end_of_a_process(tmp_path, server):
    url = f"sqlite:///{tmp_path / 'site.sqlite3'}"

    async def refuse() -> int:
        async with bed(url, guard={"POLL_INTERVAL": 30}, servers=()) as (made, _):
            await made.add_worker(server, HOME=str(tmp_path))  # where gunicorn keeps a control socket
            client = HttpClient(made.ports[0])
            answers = [await client.get("/call", {"Origin": f"https://{n}.example"}) for n in range(30)]
            client.close()
            await asyncio.to_thread(made.workers[0].child.stop)
            return [answer.status for answer in answers].count(403)

    assert asyncio.run(refuse()) == 30
    assert stored(url)[0] == 30
