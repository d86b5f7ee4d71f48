"""docs/siem.md: its keys, fields and times are those of the code, and what it shows works."""

from __future__ import annotations

import ast
import logging
import logging.config

import django
import pytest
from django.test import override_settings

from mcp_guard import conf
from mcp_guard.audit import ecs, https, lag, lines, outbox, ship, syslog
from mcp_guard.audit.alerts import ALERT, alerted
from mcp_guard.conf.destinations import DESTINATION_KEYS, PORTS, RULE_KEYS, Destination, Protocol
from mcp_guard.models import AuditEvent
from tests.docs.pages import ROOT, blocks, code, rows, section

PAGE = ROOT / "docs" / "siem.md"
TEXT = " ".join(PAGE.read_text("utf-8").split())
KEYS = {code(row[0]): row for row in rows(section(PAGE, "Destinations"))}
FIELDS = {code(row[0]): row[1] for row in rows(section(PAGE, "Fields"))}


def test_every_key_of_a_destination_has_its_row():
    assert set(KEYS) == set(DESTINATION_KEYS)


@pytest.mark.parametrize("key", sorted(set(DESTINATION_KEYS) - {"url", "events"}))
def test_a_default_is_true(key):
    default = getattr(Destination("x", Protocol.HTTPS, "", "", 0), key)

    assert ast.literal_eval(code(KEYS[key][2])) == getattr(default, "value", default)


def test_every_field_has_its_row_with_what_the_code_says_of_it():
    assert [*FIELDS] == [*ecs.FIELDS]
    assert {name: text.lower() for name, text in FIELDS.items()} == {
        name: f"{text}.".lower() for name, text in ecs.FIELDS.items()
    }


def test_the_setting_that_is_shown_can_be_used():
    values: dict = {}
    exec(blocks(PAGE)[0].text, values)
    with override_settings(MCP_GUARD=values["MCP_GUARD"]):
        found = conf.parse()

    assert found.problems == ()
    assert set(found.ship) == {"siem", "watch"}


def test_the_receiver_that_is_shown_is_called(capsys):
    [block] = [block for block in blocks(PAGE) if "@receiver" in block.text]
    values: dict = {}
    exec(block.text, values)
    try:
        alerted.send_robust(sender=AuditEvent, event=AuditEvent(tag="token:revoke", subject="ci"))
    finally:
        alerted.disconnect(values["page"])

    assert capsys.readouterr().out == "token:revoke ci\n"


def test_the_logging_that_is_shown_mails_alerts_and_nothing_else(mailoutbox, settings):
    [block] = [block for block in blocks(PAGE) if "AdminEmailHandler" in block.text]
    values: dict = {}
    exec(block.text, values)
    settings.ADMINS = ["jo@example.com"] if django.VERSION >= (6, 0) else [("Jo", "jo@example.com")]
    settings.MCP_GUARD = {"ALERT_ON": [{"tag": "token:*"}]}
    logger = logging.getLogger("mcp_guard.audit")
    before = logger.handlers[:], logger.level
    try:
        logging.config.dictConfig({**values["LOGGING"], "incremental": False})
        lines.write(AuditEvent(tag="client:add", subject="partner"))
        lines.write(AuditEvent(tag="token:revoke", subject="ci"))
    finally:
        logger.handlers[:], logger.level = before

    [mail] = mailoutbox
    assert "token:revoke ci" in mail.subject + mail.body


def test_numbers_are_true():
    assert f"1, 2, 4 ... at most {ship.LONGEST_WAIT:g} seconds" in TEXT
    assert f"asks again every {ship.REFUSED_WAIT / 60:g} minutes" in TEXT
    assert f"at most {ship.MAX_BYTES // 1000} kB" in TEXT
    assert f"at most {https.READ_BYTES // 1024} kB of an answer" in TEXT
    assert f"cut at {syslog.MAX_DATAGRAM} bytes" in TEXT
    assert f"longer than {ecs.MAX_TEXT} characters, JSON texts longer than {ecs.MAX_JSON}" in TEXT
    assert f"severity {ALERT} of 10" in TEXT
    assert f"`timeout` and {outbox.LEASE_MARGIN.total_seconds():g} seconds at most" in TEXT
    assert lag.LATE_AFTER.total_seconds() == 15 * 60
    assert all(f"({port})" in KEYS["url"][3] or f"port {port}" in KEYS["url"][3] for port in
               (PORTS[p] for p in Protocol if not p.is_http))  # fmt: skip


def test_rules_and_categories_are_named():
    alerts = section(PAGE, "Alerts")

    assert all(f"`{key}`" in alerts for key in RULE_KEYS)
    assert all(f"`{category}`" in alerts for category in AuditEvent.Category.values)
