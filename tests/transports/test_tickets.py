"""Tickets over real sockets: asked for at every door, redeemed once whichever process is asked."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any, Final

import pytest

from tests.child import SERVERS, serving
from tests.databases import postgres_database, sqlite_database
from tests.ports import free_port
from tests.rows.exchanges import bearer, call, cookie, get, handshake, origin, post, preflight
from tests.rows.world import (
    ADAS_SESSION,
    ANY,
    APP,
    LEAVING_ORIGIN,
    LEAVING_SESSION,
    LEAVING_TOKEN,
    PLAIN,
    UNLISTED,
)
from tests.transports import wire
from tests.transports.test_servers import APP as SITE
from tests.transports.test_servers import SECONDS, Served, run

MOUNTS: Final = ("guard", "async", "view", "include")
RACERS: Final = 8


@pytest.fixture(scope="module")
def environment() -> Iterator[dict[str, str]]:
    with sqlite_database() as url:
        yield prepared(url)


def prepared(url: str) -> dict[str, str]:
    environment = {"DJANGO_SETTINGS_MODULE": "tests.transports.site.settings", "DATABASE_URL": url}
    run("-m", "tests.transports.site", "prepare", environment=environment)
    return environment


def serve(stack: ExitStack, name: str, environment: dict[str, str], folder: Any) -> Served:
    port = free_port()
    log = folder / f"{name}-{port}.log"
    stack.enter_context(serving(*SERVERS[name], str(port), SITE, port=port, log=log, environment=environment))
    return Served(name, port, environment)


@pytest.fixture(scope="module")
def both(environment: Any, tmp_path_factory: Any) -> Iterator[list[Served]]:
    """Both servers on one database."""
    folder = tmp_path_factory.mktemp("logs")
    with ExitStack() as stack:
        yield [serve(stack, name, environment, folder) for name in SERVERS]


@pytest.fixture(params=SERVERS)
def served(request: Any, both: list[Served]) -> Served:
    return next(one for one in both if one.name == request.param)


def ask(served: Served, *headers: Any, mount: str = "guard", body: str = "{}", **values: Any) -> Any:
    return served.ask(post(*headers, body=body, **values), f"/{mount}/partner/mcp/ticket")


def ticket(served: Served, *headers: Any, mount: str = "guard") -> str:
    answered = ask(served, *headers, mount=mount)
    assert answered.status == 200, answered.body
    return json.loads(answered.body)["ticket"]


def by(text: str, *headers: Any) -> Any:
    return handshake(*headers, query=f"ticket={text}")


@pytest.mark.parametrize("mount", MOUNTS)
@pytest.mark.parametrize(
    "headers", [(origin(PLAIN), bearer(ANY)), (origin(APP), cookie(ADAS_SESSION))], ids=["bearer", "cookie"]
)
def test_a_page_opens_a_socket_with_a_ticket_and_only_one(served: Served, mount: str, headers: Any):
    before = len(served.runs())

    text = ticket(served, *headers, mount=mount)

    with served.open(by(text, headers[0])) as opened:
        opened.send(call())
        assert wire.answers(opened, 1) == [{"ran": "tools/call"}]
    assert wire.refusal_of(served.port, by(text, headers[0]), "/guard/partner/mcp") == 403
    runs = served.runs()[before:]
    assert [run["methods"] for run in runs] == [["tools/call"]]
    assert text not in json.dumps(runs)


def test_the_answer_is_for_its_page_and_nobody_keeps_it(served: Served):
    answered = ask(served, origin(PLAIN), bearer(ANY))

    assert json.loads(answered.body).keys() == {"ticket", "expires_in"}
    assert dict(answered.headers)["cache-control"] == "no-store"
    assert dict(answered.headers)["access-control-allow-origin"] == PLAIN.url
    assert dict(answered.headers)["vary"] == "Origin"


@pytest.mark.parametrize("mount", MOUNTS)
def test_whoever_may_not_ask_gets_none(served: Served, mount: str):
    before = len(served.runs())
    path = f"/{mount}/partner/mcp/ticket"

    answers = {
        "nobody": ask(served, origin(PLAIN), mount=mount),
        "a cookie that does not count": ask(served, origin(PLAIN), cookie(ADAS_SESSION), mount=mount),
        "a stranger's page": ask(served, origin(UNLISTED), bearer(ANY), mount=mount),
        "another host": ask(served, origin(PLAIN), bearer(ANY), mount=mount, host="evil.example"),
        "a simple request": ask(served, origin(PLAIN), bearer(ANY), mount=mount, content_type="text/plain"),
        "a body that says something": ask(served, origin(PLAIN), bearer(ANY), mount=mount, body=call()),
        "a large body": ask(served, origin(PLAIN), bearer(ANY), mount=mount, body=" " * 2000),
        "a GET": served.ask(get(origin(PLAIN), bearer(ANY)), path),
        "a preflight": served.ask(preflight(PLAIN), path),
        "a stranger's preflight": served.ask(preflight(UNLISTED), path),
    }

    assert {who: answered.status for who, answered in answers.items()} == {
        "nobody": 401,
        "a cookie that does not count": 401,
        "a stranger's page": 403,
        "another host": 421,
        "a simple request": 415,
        "a body that says something": 400,
        "a large body": 413,
        "a GET": 405,
        "a preflight": 204,
        "a stranger's preflight": 403,
    }
    assert not [who for who, answered in answers.items() if b"mcpt_" in answered.body]
    assert served.runs()[before:] == []


@pytest.mark.parametrize("name", ["token-any", "public", "partner-header", "api"])
def test_endpoints_without_tickets_have_no_such_path(served: Served, name: str):
    answered = served.ask(post(bearer(ANY), body="{}"), f"/async/{name}/mcp/ticket")

    assert answered.status == (200 if name == "token-any" else 404)


def race(servers: list[Served], headers: Any) -> tuple[int, list[int]]:
    """Return how many handshakes of RACERS with one ticket were accepted, and the statuses of the others."""
    text = ticket(servers[0], *headers)

    def attempt(number: int) -> int | None:
        one = servers[number % len(servers)]
        return wire.refusal_of(one.port, by(text, headers[0]), "/guard/partner/mcp")

    with ThreadPoolExecutor(RACERS) as pool:
        outcomes = list(pool.map(attempt, range(RACERS)))
    return outcomes.count(None), [status for status in outcomes if status is not None]


def test_of_all_who_redeem_a_ticket_at_once_one_wins(both: list[Served]):
    won = [race(both, (origin(PLAIN), bearer(ANY))) for _ in range(5)]

    assert won == [(1, [403] * (RACERS - 1))] * 5


@pytest.mark.services
def test_of_all_who_redeem_a_ticket_at_once_one_wins_on_postgresql(postgres_server: str, tmp_path: Any):
    with postgres_database(postgres_server) as url, ExitStack() as stack:
        environment = prepared(url)
        servers = [serve(stack, name, environment, tmp_path) for name in SERVERS]

        won = [race(servers, (origin(PLAIN), bearer(ANY))) for _ in range(5)]

    assert won == [(1, [403] * (RACERS - 1))] * 5


@pytest.mark.parametrize(
    ("command", "headers"),
    [
        (("revoke", LEAVING_TOKEN.name), (origin(PLAIN), bearer(LEAVING_TOKEN))),
        (("logout", LEAVING_SESSION.key), (origin(LEAVING_ORIGIN), cookie(LEAVING_SESSION))),
    ],
    ids=["a revoked token", "an ended session"],
)
def test_what_a_ticket_was_asked_for_with_closes_its_socket(both: list[Served], command: Any, headers: Any):
    opened_of = []
    with ExitStack() as stack:
        for one in both:
            opened = stack.enter_context(one.open(by(ticket(one, *headers), headers[0])))
            opened.send(call())
            wire.answers(opened, 1)
            opened_of.append(opened)
        left = ticket(both[0], *headers)

        both[0].change(*command)

        assert [wire.close_code(opened, SECONDS) for opened in opened_of] == [4401, 4401]
        assert wire.refusal_of(both[0].port, by(left, headers[0]), "/guard/partner/mcp") == 403
