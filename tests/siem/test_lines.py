"""Log lines of events, and the signal of those that alert."""

from __future__ import annotations

import json
import logging

import pytest
from django.test import override_settings

from mcp_guard import changes
from mcp_guard.audit import lines
from mcp_guard.audit.alerts import alerted
from mcp_guard.models import AuditEvent
from mcp_guard.testing import ACTOR, add_client
from tests.siem.sealed import NOW

ALERTING = override_settings(MCP_GUARD={"ALERT_ON": [{"tag": "token:*"}]})


def event_of(**values):
    return AuditEvent(**{"pk": 7, "tag": "client:add", "at": NOW} | values)


@pytest.fixture
def received():
    found = []

    def receive(sender, event, **kwargs):
        found.append(event)

    alerted.connect(receive)
    yield found
    alerted.disconnect(receive)


@ALERTING
@pytest.mark.parametrize(
    ("values", "level"),
    [({}, "INFO"), ({"outcome": "error"}, "WARNING"), ({"tag": "token:revoke"}, "ERROR")],
)
def test_the_level_follows_from_the_event(caplog, values, level):
    with caplog.at_level(logging.INFO, logger="mcp_guard.audit"):
        lines.write(event_of(**values))

    [record] = caplog.records
    assert (record.name, record.levelname) == ("mcp_guard.audit", level)
    assert json.loads(record.getMessage())["event"]["action"] == values.get("tag", "client:add")


@ALERTING
def test_an_alert_is_signalled_and_nothing_else(received):
    lines.write(event_of())
    lines.write(alert := event_of(tag="token:revoke"))

    assert received == [alert]


@ALERTING
def test_a_receiver_that_fails_keeps_nothing_from_going_on(received, caplog):
    def fail(**kwargs):
        raise RuntimeError("no")

    alerted.connect(fail)
    try:
        lines.write(event_of(tag="token:revoke"))
    finally:
        alerted.disconnect(fail)

    assert len(received) == 1


def test_what_the_logger_does_not_want_is_not_made(monkeypatch, caplog):
    monkeypatch.setattr(lines, "line", lambda event: pytest.fail("a line was made"))

    with caplog.at_level(logging.WARNING, logger="mcp_guard.audit"):
        lines.write(event_of())

    assert caplog.messages == []


def test_a_line_that_cannot_be_made_is_told_and_raises_nothing(caplog):
    with caplog.at_level(logging.INFO, logger="mcp_guard.audit"):
        lines.write(event_of(at="yesterday"))

    assert caplog.messages == ["an audit event has no line: AttributeError"]


def test_hostile_texts_stay_on_their_line(caplog):
    with caplog.at_level(logging.INFO, logger="mcp_guard.audit"):
        lines.write(
            event_of(subject='x\n{"event":"forged"}\r\x1b[2J\x00\u2028\u202e', user_agent="%s%n%(x)s")
        )

    [text] = caplog.messages
    assert text.isascii()
    assert text.isprintable()
    assert json.loads(text)["mcp_guard"]["subject"].endswith("\x00\u2028\u202e")


@pytest.mark.django_db(transaction=True)
def test_a_change_has_its_line_after_the_commit(caplog):
    with caplog.at_level(logging.INFO, logger="mcp_guard.audit"):
        client = add_client("partner")
        changes.set_client(ACTOR, client, active=False)

    actions = [json.loads(text)["event"]["action"] for text in caplog.messages]
    assert actions[0] == "client:add"
    assert len(actions) == 2
    assert AuditEvent.objects.count() == 2
