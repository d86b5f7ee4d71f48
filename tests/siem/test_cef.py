"""CEF and its framing: a reader of its own gets back what went in, whatever that was."""

from __future__ import annotations

import json
import re

import pytest
from django.test import override_settings
from hypothesis import given
from hypothesis import strategies as st

from mcp_guard import __version__
from mcp_guard.audit.cef import LABELS, LIMITS, cef, fields, message, visible
from mcp_guard.audit.syslog import MAX_DATAGRAM, datagram, frame
from mcp_guard.models import AuditEvent
from mcp_guard.tokens import mint
from tests.siem.cef_grammar import read
from tests.siem.hostile import HOSTILE, as_json, texts
from tests.siem.sealed import NOW

TEXTS = ("subject", "actor_label", "user_agent", "endpoint", "client", "token", "outcome", "exchange")
SYSLOG = re.compile(
    r"<(\d{1,3})>1 (\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z) ([!-~]{1,255}) mcp_guard (\d+) ([!-~]{1,32}) - "
    "(.*)"
)


def event_of(**values):
    given = {"pk": 7, "tag": "client:add", "category": "policy", "at": NOW, "seq": 9}
    return AuditEvent(**given | values)


def expected(key, text):
    return visible(text[: LIMITS.get(key, 1023)])


@given(st.fixed_dictionaries(dict.fromkeys(TEXTS, texts)))
def test_every_text_reads_back(values):
    event = event_of(**values)

    found = read(cef(event))

    for key, name in (
        ("msg", "subject"), ("suser", "actor_label"), ("requestClientApplication", "user_agent"),
        ("cs1", "endpoint"), ("cs2", "client"), ("cs3", "token"), ("reason", "outcome"),
        ("flexString1", "exchange"),
    ):  # fmt: skip
        assert found.extension.get(key, "") == expected(key, values[name])
    assert found.extension.keys() == fields(event).keys()


@given(st.dictionaries(texts, texts, max_size=4), texts)
def test_objects_read_back_as_json(values, subject):
    event = event_of(before=values, after={"list": [values]}, details={"n": 1}, subject=subject)

    found = read(cef(event)).extension

    assert json.loads(found["cs4"]) == as_json(values) if values else "cs4" not in found
    assert json.loads(found["cs5"]) == as_json({"list": [values]})
    assert json.loads(found["cs6"]) == {"n": 1}


@given(texts, texts)
def test_the_header_reads_back_on_one_line(tag, subject):
    found = read(cef(event_of(tag=tag, subject=subject)))

    assert found.header[:4] == ["0", "mcp_guard", "mcp_guard", __version__]
    assert found.header[4] == visible(tag).replace("\r", " ").replace("\n", " ")
    assert len(found.header) == 7


@given(st.fixed_dictionaries(dict.fromkeys((*TEXTS, "tag", "address"), texts)))
def test_a_message_is_one_printable_line_of_rfc_5424(values):
    text = message(event_of(**values)).decode("utf-8")

    found = SYSLOG.fullmatch(text)
    assert found
    assert not re.search("[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]", text)
    assert found[6].startswith("CEF:0|mcp_guard|")


@given(st.lists(texts, min_size=1, max_size=5))
def test_a_reader_of_frames_gets_every_message(subjects):
    messages = [message(event_of(subject=subject)) for subject in subjects]
    stream, found = b"".join(map(frame, messages)), []
    while stream:
        size, _, stream = stream.partition(b" ")
        found.append(stream[: int(size)])
        stream = stream[int(size) :]

    assert found == messages


def test_a_datagram_is_cut_between_two_characters():
    short, long = "é".encode() * 10, b"x" + "é".encode() * MAX_DATAGRAM

    assert datagram(short) == short
    assert len(datagram(long)) <= MAX_DATAGRAM
    assert datagram(long).decode().endswith("é…")


@pytest.mark.parametrize(
    ("alert_on", "outcome", "severity", "priority"),
    [([], "", 3, 110), ([], "error", 5, 108), ([{"tag": "client:*"}], "", 8, 105)],
)
def test_the_severity_follows_from_the_weight(alert_on, outcome, severity, priority):
    event = event_of(outcome=outcome)
    with override_settings(MCP_GUARD={"ALERT_ON": alert_on}):
        assert read(cef(event)).header[6] == str(severity)
        assert message(event).startswith(b"<%d>1 " % priority)


@pytest.mark.parametrize(
    ("address", "found"),
    [
        ("203.0.113.9", {"src": "203.0.113.9"}),
        ("2001:db8::1", {"c6a2Label": "Source IPv6 Address", "c6a2": "2001:db8::1"}),
        ("unix", {"shost": "unix"}),
        ("", {}),
    ],
)
def test_an_address_stands_under_the_key_of_its_kind(address, found):
    extension = read(cef(event_of(address=address))).extension

    assert {key: extension[key] for key in ("src", "c6a2Label", "c6a2", "shost") if key in extension} == found


def test_custom_fields_say_what_they_hold():
    event = event_of(endpoint="notes", client="partner", revision=3, correlation_id="5f0c")

    extension = read(cef(event)).extension

    labelled = {key: extension[f"{key}Label"] for key in LABELS if key in extension}
    assert labelled == {
        "cs1": "endpoint",
        "cs2": "client",
        "cn1": "sequence",
        "cn2": "revision",
        "flexString2": "correlationId",
    }


@pytest.mark.parametrize("text", [mint(), f"x{mint()}y", f"mcpg%5F{mint()[5:]}"])
def test_no_token_text_is_written(text):
    event = event_of(subject=text, user_agent=text, before={"a": text}, after={text: 1}, tag=text)

    assert text.removeprefix("mcpg_")[:20].encode() not in message(event)
    assert text[-20:].encode() not in message(event)


def test_a_megabyte_is_cut():
    event = event_of(subject="x" * 2**20, user_agent="\x00" * 2**20, details={"a": "\ud800" * 2**20})

    assert len(message(event)) < 100_000
    assert read(cef(event)).extension["msg"] == "x" * 1023


@pytest.mark.parametrize("text", HOSTILE)
def test_the_reader_refuses_what_is_not_escaped(text):
    raw = f"CEF:0|a|b|c|d|e|1|msg={text}"
    try:
        found = read(raw).extension
    except ValueError:
        return
    assert found != {"msg": text} or not re.search(r"[\\=\n\r]", text)
