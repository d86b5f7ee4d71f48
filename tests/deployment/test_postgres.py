"""Which connections of PostgreSQL a process takes and keeps, and that what it costs can be measured."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

from mcp_guard.live.readers import THREADS
from tests.deployment.serving import Site, serving
from tests.deployment.wire import Client
from tests.faults.process import ROOT

pytestmark = pytest.mark.services

SAID = ("X-Forwarded-Proto", "https")
SETTLED_SECONDS = 2.5
ROUNDS = 20


def call(site: Site, token: str) -> int:
    return Client(site.port).call(token, SAID).status


def backends(url: str) -> dict[int, str]:
    """Return what each connection to the database asked for last, but for this one's."""
    with psycopg.connect(url) as connection:
        rows = connection.execute(
            "SELECT pid, query FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        return {pid: query.partition(" ")[0] for pid, query in rows}


def until(found: Callable[[], object]) -> None:
    deadline = time.monotonic() + 10
    while not found():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_process_keeps_one_connection_for_polling_and_one_for_listening(postgres_url, tmp_path):
    with serving("Daphne", tmp_path, database=postgres_url) as site:
        assert backends(postgres_url) == {}
        assert call(site, site.tokens[0]) == 200
        until(lambda: sorted(backends(postgres_url).values()) == ["LISTEN", "SELECT"])
        before = backends(postgres_url)
        time.sleep(SETTLED_SECONDS)
        assert backends(postgres_url).keys() >= before.keys()


def test_without_push_it_does_not_listen(postgres_url, tmp_path):
    settings = json.dumps({"PUSH": False})
    with serving("Daphne", tmp_path, database=postgres_url, SITE_MCP_GUARD=settings) as site:
        assert call(site, site.tokens[0]) == 200
        time.sleep(SETTLED_SECONDS)
        assert "LISTEN" not in backends(postgres_url).values()


def test_tokens_beyond_those_in_memory_are_looked_up_over_four_more_at_most(postgres_url, tmp_path):
    settings = json.dumps({"TOKENS_IN_MEMORY": 1})
    with serving("Daphne", tmp_path, database=postgres_url, SITE_MCP_GUARD=settings) as site:
        assert call(site, site.tokens[0]) == 200
        most = 0
        with ThreadPoolExecutor(len(site.tokens)) as pool:
            for _ in range(ROUNDS):
                statuses = pool.map(lambda token: call(site, token), site.tokens)
                most = max(most, len(backends(postgres_url)))
                assert set(statuses) == {200}
        assert 2 < most <= 3 + THREADS


def test_the_cost_of_polling_can_be_measured(postgres_server):
    options = ["--postgres", postgres_server, "--processes", "20", "--tokens", "10", "--seconds", "1"]
    done = subprocess.run(
        [sys.executable, "-m", "tests.deployment.polling", *options],
        cwd=ROOT, capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    found = re.search(r"20 processes: +20\.0 polls/s.* backends ([0-9.]+) ms of CPU a poll", done.stdout)
    assert found is not None
    assert 0 < float(found[1]) < 1000
