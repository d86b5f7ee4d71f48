"""What following the policy costs a PostgreSQL: ``python -m tests.deployment.polling``.

The statements of one poll and of one heartbeat are those that the code sends. They are sent again and again
from a few connections, each of which stands for its share of the processes, and the time that their backends
were on a CPU is read from Linux. So PostgreSQL has to run on this machine, and as nothing else does when
the figures are to mean much.

--reconnect opens a connection for each poll instead, as Django does where CONN_MAX_AGE is 0.
"""

from __future__ import annotations

import argparse
import os
import statistics
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import psycopg

from tests.conftest import POSTGRES_URL
from tests.databases import postgres_database

HEARTBEATS_PER_POLL: Final = 15
"""With the default POLL_INTERVAL of a second a process says how it is with every 15th poll."""

USERS: Final = 1000
"""How many users the tokens are shared by; one of a hundred is inactive."""

Statement = tuple[str, Any]


@dataclass
class Load:
    """What some connections do: ``polls`` a second each, for so many seconds."""

    url: str
    polls: float
    seconds: float
    poll: list[Statement]
    heartbeat: list[Statement]
    reconnect: bool


@dataclass
class Sent:
    """What one connection has done: how long each poll took, and how long its backends were on a CPU."""

    took: list[float]
    on_cpu: float = 0.0
    heartbeats: int = 0


def main() -> None:
    """Measure, and print one line for each number of processes."""
    parser = argparse.ArgumentParser(prog="python -m tests.deployment.polling", description=__doc__)
    parser.add_argument("--postgres", default=POSTGRES_URL, metavar="URL", help="a server on this machine")
    parser.add_argument("--processes", type=int, nargs="+", default=[10, 100, 1000])
    parser.add_argument("--connections", type=int, default=4)
    parser.add_argument("--tokens", type=int, default=1000)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--reconnect", action="store_true")
    options = parser.parse_args()
    with postgres_database(options.postgres) as url:
        poll, heartbeat = prepare(url, options.tokens)
        print(f"{options.tokens} tokens, {len(poll)} statements in a poll, {len(heartbeat)} in a heartbeat")
        for processes in options.processes:
            share = processes / options.connections
            load = Load(url, share, options.seconds, poll, heartbeat, options.reconnect)
            print(report(processes, run(load, options.connections), options.seconds), flush=True)


def prepare(url: str, tokens: int) -> tuple[list[Statement], list[Statement]]:
    """Set a database up and return the statements of a poll and of a heartbeat."""
    os.environ |= {"DATABASE_URL": url, "DJANGO_SETTINGS_MODULE": "tests.settings"}
    import django

    django.setup()
    from django.core.management import call_command
    from django.db import connection

    from mcp_guard.live import load
    from mcp_guard.live.heartbeat import Heartbeat

    call_command("migrate", verbosity=0)
    fill(tokens)
    heartbeat = Heartbeat()
    heartbeat.beat()
    heartbeat._due = 0.0
    with recorded(connection) as beat:
        heartbeat.beat()
    with recorded(connection) as poll:
        load.look(connection.alias)
        load.inactive_users(connection.alias)
    connection.close()
    return poll, beat


def fill(tokens: int) -> None:
    """Store so many tokens, each of which acts for a user."""
    from django.contrib.auth import get_user_model
    from django.db import connection

    from mcp_guard import testing

    users = [get_user_model()(username=f"user{n}", is_active=n % 100 > 0) for n in range(USERS)]
    get_user_model().objects.bulk_create(users)
    client = testing.add_client("partner")
    testing.issue_token(client, "notes")
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO mcp_guard_token (client_id, user_id, name, kind, endpoints, expires_at, created_at)"
            " SELECT %s, u.id, 'n' || n, 'server', '[\"notes\"]', now() + interval '30 days', now()"
            " FROM generate_series(1, %s) n JOIN auth_user u ON u.username = 'user' || n %% %s",
            [client.pk, tokens - 1, USERS],
        )
        cursor.execute("VACUUM ANALYZE")


@contextmanager
def recorded(connection: Any) -> Iterator[list[Statement]]:
    """Collect the statements that are sent."""
    statements: list[Statement] = []

    def record(execute: Any, sql: str, params: Any, many: Any, context: Any) -> Any:
        statements.append((sql, params))
        return execute(sql, params, many, context)

    with connection.execute_wrapper(record):
        yield statements


def run(load: Load, connections: int) -> list[Sent]:
    """Send the load from each of so many connections and return what each has done."""
    sent = [Sent([]) for _ in range(connections)]
    threads = [threading.Thread(target=send, args=(load, one, n / connections)) for n, one in enumerate(sent)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sent


def send(load: Load, sent: Sent, offset: float) -> None:
    """Send polls at their moments, evenly spread, and every 15th with a heartbeat."""
    begin = time.monotonic()
    connection = connect(load.url)
    before = on_cpu(connection)
    for number in range(round(load.polls * load.seconds)):
        time.sleep(max(0.0, begin + (number + offset) / load.polls - time.monotonic()))
        started = time.monotonic()
        if load.reconnect:
            sent.on_cpu += on_cpu(connection) - before
            connection.close()
            connection, before = connect(load.url), 0.0
        for sql, params in load.poll:
            connection.execute(sql, params).fetchall()
        sent.took.append(time.monotonic() - started)
        if number % HEARTBEATS_PER_POLL == 0:
            beat(connection, load.heartbeat)
            sent.heartbeats += 1
    sent.on_cpu += on_cpu(connection) - before
    connection.close()


def beat(connection: psycopg.Connection[Any], statements: list[Statement]) -> None:
    """Write a heartbeat: the update and its look in one transaction, then the forgetting."""
    with connection.transaction():
        for sql, params in statements[:-1]:
            connection.execute(sql, params)
    connection.execute(*statements[-1])


def connect(url: str) -> psycopg.Connection[Any]:
    """Return a connection as Django opens it: no prepared statements, every statement for itself."""
    return psycopg.connect(url, autocommit=True, prepare_threshold=None)


def on_cpu(connection: psycopg.Connection[Any]) -> float:
    """Return how long the backend of a connection was on a CPU, in seconds (proc(5), schedstat)."""
    pid = connection.info.backend_pid
    return int(Path(f"/proc/{pid}/schedstat").read_text("ascii").split()[0]) / 1e9


def report(processes: int, sent: list[Sent], seconds: float) -> str:
    """Return the line about one number of processes."""
    took = sorted(t * 1000 for one in sent for t in one.took)
    busy = sum(one.on_cpu for one in sent)
    return (
        f"{processes:6d} processes: {len(took) / seconds:7.1f} polls/s, "
        f"{sum(one.heartbeats for one in sent)} heartbeats, "
        f"backends {busy / len(took) * 1000:.3f} ms of CPU a poll, {busy / seconds:7.2%} of one core, "
        f"a poll took {statistics.median(took):.2f} ms (median), {took[int(len(took) * 0.99)]:.2f} ms (99 %)"
    )


if __name__ == "__main__":
    main()
