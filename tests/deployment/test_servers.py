"""The documented commands of the servers: several processes judge by one policy, and follow it together."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.deployment.serving import COMMANDS, Site, serving
from tests.deployment.wire import Answer, Client
from tests.faults.process import ROOT

SAID = ("X-Forwarded-Proto", "https")
FOREIGN = ("Origin", "https://evil.example")
AT_ONCE = 8
MOST_REQUESTS = 800


@pytest.fixture(scope="module", params=[*COMMANDS, "gunicorn, WSGI --preload"])
def started(request, tmp_path_factory) -> Iterator[tuple[Site, int]]:
    """Yield the site and how many processes serve it."""
    title, _, more = request.param.partition(" --")
    extra = [f"--{more}"] if more else []
    workers = 2 if "--workers" in COMMANDS[title] else 1
    with serving(title, tmp_path_factory.mktemp("site"), extra=extra) as site:
        yield site, workers


@pytest.fixture
def site(started) -> Site:
    started[0].forget()
    return started[0]


def ask_every_process(site: Site, workers: int, ask: Callable[[], Answer]) -> set[int]:
    """Ask again and again until every process was asked, and return the statuses of all answers."""
    statuses: set[int] = set()
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for _ in range(MOST_REQUESTS // AT_ONCE):
            statuses |= {found.result().status for found in [pool.submit(ask) for _ in range(AT_ONCE)]}
            if len({line["pid"] for line in site.reached}) == workers:
                return statuses
    raise AssertionError(f"{MOST_REQUESTS} requests did not reach {workers} processes")


def test_the_gate_stands_before_the_protected_code(site):
    client = Client(site.port)
    assert client.call(site.tokens[1], SAID).status == 200
    assert site.ran == ["call"]
    site.forget()
    assert client.call(site.tokens[1], SAID, FOREIGN).status == 403
    assert client.call("mcpg_unknown", SAID).status == 401
    assert (len(site.reached), site.ran) == (2, [])


def test_who_is_no_trusted_proxy_cannot_say_that_it_was_tls(site):
    said = [SAID, ("X-Forwarded-For", "127.0.0.1"), ("X-Forwarded-Ssl", "on")]
    for claims in ([], said[:1], said):
        assert Client(site.port, source="127.0.0.2").call(site.tokens[1], *claims).status == 403
    assert (len(site.reached), site.ran) == (3, [])


def test_after_a_change_by_another_process_no_process_judges_by_the_policy_before_it(started, site):
    workers = started[1]
    client = Client(site.port)
    assert ask_every_process(site, workers, lambda: client.call(site.tokens[0], SAID)) == {200}
    revoke(site, 1)
    site.forget()
    assert ask_every_process(site, workers, lambda: client.call(site.tokens[0], SAID)) == {401}
    assert site.ran == []


def test_every_process_says_how_it_is(started, site):
    workers = started[1]
    client = Client(site.port)
    assert ask_every_process(site, workers, lambda: client.ask("GET", "/healthz", HOST)) == {200}


HOST = [("Host", "api.example.com")]


def revoke(site: Site, number: int) -> None:
    """Revoke a token from a command line."""
    subprocess.run(
        [sys.executable, "manage.py", "mcp_guard", "token", "revoke", str(number)],
        cwd=ROOT, env=os.environ | site.environment, check=True, capture_output=True,
    )  # fmt: skip
