"""On PostgreSQL a command that seals or prunes waits for another process that does."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time

import psycopg
import pytest

from tests.faults.process import ROOT

pytestmark = pytest.mark.services

EVENTS = """
INSERT INTO mcp_guard_auditevent (at, category, tag, subject, actor_label, before, after, revision, outcome,
    endpoint, exchange, client, token, address, user_agent, correlation_id, count, details,
    digest)
SELECT now(), 'policy', 'client:add', 'client ' || n, 'ann', '{}', '{}', 0, '',
    '', '', '', '', '', '', '', 1, '{}', ''
FROM generate_series(1, 3) n
"""
WAITING = (
    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
)


def start(url, *arguments):
    environment = os.environ | {"DATABASE_URL": url, "DJANGO_SETTINGS_MODULE": "tests.faults.site.settings"}
    command = [sys.executable, "-m", "django", *arguments]
    return subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True)


def run_while_sealing(url, *arguments):
    """Run a command while the row of the ends is locked until the command waits for it; return its answer."""
    with psycopg.connect(url) as holder, psycopg.connect(url, autocommit=True) as watcher:
        holder.execute("SELECT * FROM mcp_guard_auditseal FOR UPDATE")
        running = start(url, "mcp_guard", "audit", *arguments, "--json")
        until = time.monotonic() + 60
        while running.poll() is None and time.monotonic() < until:
            if watcher.execute(WAITING).fetchone()[0]:
                break
            time.sleep(0.05)
        assert running.poll() is None, "it did not wait"
        holder.rollback()
        out, _ = running.communicate(timeout=60)
    assert running.returncode == 0
    return json.loads(out)


def test_sealing_and_pruning_by_hand_wait_for_their_turn(postgres_url):
    migrating = start(postgres_url, "migrate", "-v", "0")
    migrating.communicate(timeout=120)
    assert migrating.returncode == 0
    with psycopg.connect(postgres_url) as connection:
        connection.execute(EVENTS)

    assert run_while_sealing(postgres_url, "seal")["sealed"] == 3
    assert run_while_sealing(postgres_url, "prune", "--rows", "1") == {"pruned": 2}
