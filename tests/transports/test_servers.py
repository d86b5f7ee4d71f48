"""A slice of the table over real sockets, through Daphne and uvicorn, changed from another process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests import table
from tests.child import ROOT, SERVERS, serving
from tests.ports import free_port
from tests.rows import world
from tests.rows.exchanges import bearer, call, cookie, get, handshake, origin, post
from tests.rows.outcomes import Admits, Grants, Opens, Refuses, RefusesHandshake
from tests.rows.row import Row
from tests.transports import wire

SECONDS = 2.0
"""How soon a change in one process has to be felt in another."""

REQUESTS = {name: row for name, row in table.REQUESTS.items() if wire.is_request_of_wire(row.exchange)}
SOCKETS = {name: row for name, row in table.SOCKETS.items() if wire.is_socket_of_wire(row.exchange)}
LINGERING = {
    name: row
    for name, row in SOCKETS.items()
    if isinstance(row.outcome, Opens) and row.outcome.closes and row.outcome.closes[1] in (4400, 4413, 4415)
}
"""Those that say what nobody takes: they have a second to read why, and are played side by side."""

APP = "tests.transports.site.asgi:application_behind_front_door"


class Served(NamedTuple):
    """A server that runs, and the environment of its site."""

    name: str
    port: int
    environment: dict[str, str]

    def ask(self, request: Any, path: str) -> Any:
        return wire.ask(self.port, request, path)

    def open(self, exchange: Any, endpoint: str = "partner", mount: str = "guard") -> Any:
        return wire.open_socket(self.port, exchange, f"/{mount}/{endpoint}/mcp")

    def change(self, *arguments: str) -> None:
        """Change the policy in a process of its own."""
        run("-m", "tests.transports.site", *arguments, environment=self.environment)

    def runs(self) -> list[Any]:
        """Return what the protected code of the server was given since it started."""
        return json.loads(self.ask(get(), "/report").body)


def run(*arguments: str, environment: dict[str, str]) -> None:
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module", params=SERVERS)
def served(request: Any, tmp_path_factory: Any) -> Iterator[Served]:
    folder: Path = tmp_path_factory.mktemp(request.param)
    environment = {
        "DJANGO_SETTINGS_MODULE": "tests.transports.site.settings",
        "DATABASE_URL": f"sqlite:///{folder / 'db.sqlite3'}",
    }
    run("-m", "tests.transports.site", "prepare", environment=environment)
    port = free_port()
    with serving(
        *SERVERS[request.param], str(port), APP, port=port, log=folder / "log", environment=environment
    ):
        yield Served(request.param, port, environment)


def expected(row: Row) -> tuple[int, Any]:
    match row.outcome:
        case Admits(_, answer):
            return 200, answer
        case Grants(answer):
            return 204, answer
        case Refuses(status, _, answer):
            return status, answer
    raise AssertionError(row)


@pytest.mark.parametrize("mount", ["guard", "async"])
def test_requests_have_the_outcome_of_their_rows(served: Served, mount: str):
    before = len(served.runs())

    answers = {
        name: served.ask(row.exchange, f"/{mount}/{row.endpoint}/mcp") for name, row in REQUESTS.items()
    }

    wrong = {
        name: (answered.status, answered.relevant)
        for name, answered in answers.items()
        if (answered.status, answered.relevant) != expected(REQUESTS[name])
    }
    assert wrong == {}
    assert len(REQUESTS) > 350
    runs = served.runs()[before:]
    admitted = [row for row in REQUESTS.values() if isinstance(row.outcome, Admits)]
    assert [(one["endpoint"], one["client"], one["user"]) for one in runs] == [
        (row.endpoint, row.outcome.who.client, row.outcome.who.user or "") for row in admitted
    ]
    assert not [one for one in runs if "sessionid=" in one["everything"]]
    assert not [
        token
        for token in world.TOKENS
        for one in runs
        if token.text in one["everything"] and not one["endpoint"].endswith("-oauth")
    ]


@pytest.mark.parametrize("mount", ["guard", "socket"])
def test_sockets_have_the_outcome_of_their_rows(served: Served, mount: str):
    before = len(served.runs())

    wrong = {name: misplayed(served, mount, row) for name, row in SOCKETS.items() if name not in LINGERING}
    with ThreadPoolExecutor(len(LINGERING)) as pool:
        wrong |= zip(LINGERING, pool.map(partial(misplayed, served, mount), LINGERING.values()), strict=True)

    assert {name: found for name, found in wrong.items() if found} == {}
    assert len(wrong) == len(SOCKETS) > 100
    runs = served.runs()[before:]
    opened = [row.outcome for row in SOCKETS.values() if isinstance(row.outcome, Opens) and row.outcome.runs]
    assert Counter(tuple(one["methods"]) for one in runs) == Counter(outcome.runs for outcome in opened)


def misplayed(served: Served, mount: str, row: Row) -> str:
    """Return what is wrong with how a socket came out, empty when nothing is."""
    path = f"/{mount}/{row.endpoint}/mcp"
    if isinstance(row.outcome, RefusesHandshake):
        status = wire.refusal_of(served.port, row.exchange, path)
        # Daphne's protocol library refuses some origins by itself
        may_be = (403, 400) if row.outcome.reason in ("origin_malformed", "origin_null") else (403,)
        return "" if status in may_be else f"status {status}"
    assert isinstance(row.outcome, Opens)
    with wire.open_socket(served.port, row.exchange, path) as opened:
        wire.say_all(opened, row.exchange.messages)
        found = wire.answers(opened, len(row.outcome.runs) + len(row.outcome.errors))
        code = wire.close_code(opened) if row.outcome.closes else None
    ran = tuple(one["ran"] or "" for one in found if "ran" in one)
    errors = tuple(one["error"]["data"]["scope"] for one in found if "error" in one)
    came_out = (opened.subprotocol, ran, errors, code)
    should = (
        row.outcome.subprotocol,
        row.outcome.runs,
        row.outcome.errors,
        row.outcome.closes[1] if row.outcome.closes else None,
    )
    return "" if came_out == should else f"{came_out} instead of {should}"


def test_who_says_nothing_is_closed(served: Served):
    with served.open(handshake(origin(world.PLAIN)), "partner-hasty") as opened:
        began = time.monotonic()

        assert wire.close_code(opened) == 4401
        assert 0.1 < time.monotonic() - began < 1.5


def test_messages_behind_a_close_never_reach_the_application(served: Served):
    before = len(served.runs())
    with served.open(handshake(origin(world.PLAIN), bearer(world.ANY))) as opened:
        wire.say_all(opened, [call(), "{", *[call()] * 50])

        assert wire.close_code(opened) == 4400

    assert [one["methods"] for one in served.runs()[before:]] == [["tools/call"]]


LEAVING = origin(world.LEAVING_ORIGIN)
STAYING = origin(world.STAYING_ORIGIN)


@pytest.mark.parametrize(
    ("command", "headers", "code"),
    [
        (("revoke", world.LEAVING_TOKEN.name), (STAYING, bearer(world.LEAVING_TOKEN)), 4401),
        (("unlist", world.LEAVING_ORIGIN.url), (LEAVING, bearer(world.STAYING_TOKEN)), 4403),
        (("logout", world.LEAVING_SESSION.key), (STAYING, cookie(world.LEAVING_SESSION)), 4401),
    ],
    ids=["a revoked token", "an unlisted origin", "an ended session"],
)
def test_a_change_in_another_process_closes_open_sockets(
    served: Served, command: tuple[str, ...], headers: tuple[Any, ...], code: int
):
    with ExitStack() as stack:
        opened = [
            stack.enter_context(served.open(handshake(*headers), mount=mount))
            for mount in ("guard", "socket")
        ]
        other = stack.enter_context(served.open(handshake(origin(world.PLAIN), bearer(world.ANY))))
        for one in opened:
            one.send(call())
            assert wire.answers(one, 1) == [{"ran": "tools/call"}]

        served.change(*command)
        committed = time.monotonic()

        assert [wire.close_code(one, SECONDS) for one in opened] == [code, code]
        assert time.monotonic() - committed < SECONDS
        other.send(call())
        assert wire.answers(other, 1) == [{"ran": "tools/call"}]


def test_a_change_in_another_process_refuses_the_next_request(served: Served):
    request = post(STAYING, bearer(world.STAYING_TOKEN))
    assert served.ask(request, "/guard/partner/mcp").status == 200

    served.change("disable", world.LEAVING.name)

    for mount in ("guard", "async", "view", "include"):
        assert served.ask(request, f"/{mount}/partner/mcp").status == 403
