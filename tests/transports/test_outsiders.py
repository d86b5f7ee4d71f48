"""What an outsider can learn, and what a log may keep: nothing that tells tokens apart, no secret."""

from __future__ import annotations

import json
import logging
from typing import Any

import pytest
from asgiref.sync import async_to_sync

from mcp_guard.audit import refusals
from tests import table
from tests.rows import world
from tests.rows.exchanges import origin, post
from tests.rows.outcomes import INVALID_TOKEN, Refuses
from tests.transports.doors import DOORS, Door, exchange, site

pytestmark = pytest.mark.django_db

BAD_TOKENS = {
    name: row
    for name, row in table.REQUESTS.items()
    if isinstance(row.outcome, Refuses)
    and (row.endpoint, row.outcome.status, row.outcome.answer) == ("partner", 401, INVALID_TOKEN)
}
OF_BODIES = {
    "body_too_large",
    "headers_disagree",
    "message_malformed",
    "credential_ambiguous",
    "scope_insufficient",
}
REFUSED_BY_HEAD = [
    row
    for row in table.REQUESTS.values()
    if isinstance(row.outcome, Refuses) and row.outcome.reason not in OF_BODIES
]


@pytest.mark.parametrize("door", DOORS, ids=lambda door: door.name)
def test_all_token_failures_look_the_same(door: Door, noted: Any):
    rows = [row for row in BAD_TOKENS.values() if door.expresses(row.exchange)]

    answers = {
        door.play(row.exchange, door.path(row.endpoint, row.exchange)).without_correlation_id for row in rows
    }

    assert len(set(noted())) == 11
    assert len(answers) == 1


def test_each_refusal_has_a_correlation_id_of_its_own(noted: Any):
    door, request = DOORS[0], post()

    bodies = [json.loads(door.play(request, door.path("partner", request)).body) for _ in range(20)]

    assert len({body["error"]["data"]["correlation_id"] for body in bodies}) == 20


@pytest.mark.parametrize("door", DOORS, ids=lambda door: door.name)
def test_the_log_has_the_reason_under_the_correlation_id(
    door: Door, noted: Any, caplog: Any, monkeypatch: Any
):
    monkeypatch.setattr(refusals, "LINES_PER_SECOND", 10**6)
    request = post(origin(world.UNLISTED), ("User-Agent", "evil/1.0"))

    with caplog.at_level(logging.WARNING, "mcp_guard.refusals"):
        answered = door.play(request, door.path("partner", request))

    (line,) = [
        json.loads(record.getMessage()) for record in caplog.records if record.name == "mcp_guard.refusals"
    ]
    assert line["correlation_id"] == json.loads(answered.body)["error"]["data"]["correlation_id"]
    assert (line["reason"], line["origin"]) == ("origin_not_listed", world.UNLISTED)
    assert (line["client_address"], line["user_agent"]) == ("203.0.113.9", "evil/1.0")


def test_no_log_keeps_a_token_or_a_session(noted: Any, caplog: Any, monkeypatch: Any):
    monkeypatch.setattr(refusals, "LINES_PER_SECOND", 10**6)
    door = DOORS[-1]

    with caplog.at_level(logging.DEBUG):
        for row in table.REQUESTS.values():
            door.play(row.exchange, door.path(row.endpoint, row.exchange))

    assert caplog.text.count("correlation_id") > 200
    for secret in (*(token.text for token in world.TOKENS), *(session.key for session in world.SESSIONS)):
        assert secret not in caplog.text


@pytest.mark.parametrize("mount", ["guard", "async"])
def test_a_refused_body_is_never_read(mount: str, noted: Any):
    reads: list[Any] = []

    async def unread(scope: Any, receive: Any, send: Any) -> None:
        async def counted() -> Any:
            reads.append(scope["path"])
            return await receive()

        await site(behind_front_door=True)(scope, counted, send)

    rows = [row for row in REFUSED_BY_HEAD if mount == "guard" or row.exchange.has_plain_target]
    for row in rows:
        path = f"/{mount}/{row.endpoint}{row.exchange.target}"
        answered = async_to_sync(exchange)(unread, row.exchange, path)
        assert (answered.status, reads) == (row.outcome.status, []), row

    assert len(rows) > 200
