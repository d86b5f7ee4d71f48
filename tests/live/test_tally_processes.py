"""Tallies of several processes: exact sums on both databases, written at the end of each, folded by one."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from datetime import UTC, datetime

import pytest

from mcp_guard.audit.tally import MINUTES_KEPT
from tests.databases import sqlite_database

PROCESSES = 4
ROUNDS = 60

SETUP = """
import os, sys
import django
django.setup()
"""

MIGRATE = (
    SETUP
    + """
from tests.migrated import migrate
migrate()
"""
)

COUNT = (
    SETUP
    + """
from datetime import UTC, datetime, timedelta
from django.db import OperationalError
from mcp_guard.audit.counts import decisions
from mcp_guard.audit.tally import fold, tallies

now = datetime(2026, 3, 29, 12, 0, tzinfo=UTC)
print("ready", flush=True)
sys.stdin.readline()

def persist(action):
    while True:
        try:
            return action()
        except OperationalError:  # SQLite was locked for too long, or two waited in a ring
            continue

for number in range(int(sys.argv[1])):
    for endpoint in ("tools", "notes"):
        for _ in range(number % 5 + 1):
            decisions.count(endpoint, "request", "admitted")
            decisions.count(endpoint, "handshake", "origin_null")
    tallies.look(now - timedelta(hours=number % 20))
    persist(tallies.write)
    if number % 10 == 9:
        persist(lambda: fold(now))
"""
)

END = (
    SETUP
    + """
from mcp_guard.audit.counts import decisions
from mcp_guard.audit.tally import tallies
from mcp_guard.live.errands import recording

recording.start()
decisions.count("notes", "request", "admitted")
while tallies._seen == {}:  # until the thread has looked
    pass
decisions.count("notes", "request", "admitted")
"""
)

SHOW = (
    SETUP
    + """
import json
from mcp_guard.models import Tally
print(json.dumps([
    [row.period, row.start.timestamp(), row.endpoint, row.exchange, row.outcome, row.count]
    for row in Tally.objects.all()
]))
"""
)


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.services)])
def environment(request):
    """Return the environment of processes that share a database with all tables."""
    if request.param == "postgres":
        url = request.getfixturevalue("postgres_url")
        yield _prepared(url)
        return
    with sqlite_database() as url:
        yield _prepared(url)


def _prepared(url: str) -> dict[str, str]:
    environment = {**os.environ, "DATABASE_URL": url, "DJANGO_SETTINGS_MODULE": "tests.settings"}
    run(MIGRATE, environment)
    return environment


def run(code: str, environment: dict[str, str]) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def stored(environment: dict[str, str]) -> list[list]:
    import json

    return json.loads(run(SHOW, environment))


def test_four_processes_that_count_and_fold_at_once_add_up_exactly(environment):
    started = [
        subprocess.Popen(
            [sys.executable, "-c", COUNT, str(ROUNDS)],
            env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        for _ in range(PROCESSES)
    ]  # fmt: skip
    for process in started:
        assert process.stdout.readline() == "ready\n"
    for process in started:
        process.stdin.write("go\n")
        process.stdin.flush()
    for process in started:
        _, errors = process.communicate(timeout=120)
        assert process.returncode == 0, errors

    rows = stored(environment)
    sums: Counter[tuple[str, str, str]] = Counter()
    for _period, _start, *key, count in rows:
        sums[tuple(key)] += count
    each = PROCESSES * sum(number % 5 + 1 for number in range(ROUNDS))
    assert sums == {
        (endpoint, exchange, outcome): each
        for endpoint in ("notes", "tools")
        for exchange, outcome in (("request", "admitted"), ("handshake", "refused"))
    }
    assert len({tuple(row[:5]) for row in rows}) == len(rows)
    last_minute = (datetime(2026, 3, 29, 12, tzinfo=UTC) - MINUTES_KEPT).timestamp()
    assert not [row for row in rows if row[0] == "minute" and row[1] < last_minute]


def test_a_process_that_ends_in_good_order_writes_what_it_put_off(environment):
    run(END, environment)

    assert sum(row[5] for row in stored(environment)) == 2
