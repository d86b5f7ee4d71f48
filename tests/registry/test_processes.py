"""What one process registers, approves or stops, the next request in another one is judged by."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest
from django.db import connection

from mcp_guard import conf, gate, testing
from mcp_guard.live.servers import registered
from mcp_guard.policy.decision import Admitted
from tests.faults.process import ROOT
from tests.live.heads import head


def url() -> str:
    """Return the database of these tests, as DATABASE_URL names it."""
    of = connection.settings_dict
    if connection.vendor == "sqlite":
        return f"sqlite:///{of['NAME']}"
    return f"postgres://{of['USER']}:{of['PASSWORD']}@{of['HOST']}:{of['PORT']}/{of['NAME']}"


@pytest.fixture
def another(live_policy) -> Iterator[Callable[[str], None]]:
    """Return a function that has another process carry out an order, and waits for its commit."""
    environment = os.environ | {"DATABASE_URL": url(), "DJANGO_SETTINGS_MODULE": "tests.registry.site"}
    with subprocess.Popen(
        [sys.executable, "-m", "tests.registry.another"],
        cwd=ROOT, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1,
    ) as process:  # fmt: skip
        assert process.stdin is not None
        assert process.stdout is not None

        def order(name: str) -> None:
            print(name, file=process.stdin, flush=True)
            assert process.stdout.readline() == "done\n"

        yield order
        process.stdin.close()
        assert process.wait(10) == 0


def outcome(token: str) -> str:
    """Return what becomes of the next request at the server, and see that what may run agrees with it."""
    endpoint = conf.endpoint("servers.files")
    sent = head(endpoint, authorization=f"Bearer {token}")
    settled = gate.settle(endpoint, sent, gate.judge(endpoint, sent))
    assert (registered("files") is not None) == isinstance(settled, Admitted)
    return "admitted" if isinstance(settled, Admitted) else settled.reason.value


def test_each_change_holds_for_the_next_request_elsewhere(another):
    another("add")
    token = testing.issue_token(testing.add_client(), "servers.files").text

    found = [outcome(token)]
    for order in ("approve", "change", "approve", "disable"):
        another(order)
        found.append(outcome(token))

    assert found == [
        "server_not_approved",
        "admitted",
        "server_not_approved",
        "admitted",
        "server_disabled",
    ]
    assert registered("files") is None
