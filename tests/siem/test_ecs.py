"""Events as JSON: one ASCII line, valid and unforgeable whatever they hold, which reads back exactly."""

from __future__ import annotations

import ipaddress
import json

import pytest
from django.test import override_settings
from hypothesis import given
from hypothesis import strategies as st

from mcp_guard.audit.ecs import FIELDS, MAX_JSON, MAX_TEXT, VERSION, document, line
from mcp_guard.models import AuditEvent
from mcp_guard.tokens import mint
from tests.siem.hostile import as_json, texts
from tests.siem.sealed import NOW

TEXTS = {
    "subject": "mcp_guard.subject", "actor_label": "user.name", "user_agent": "user_agent.original",
    "endpoint": "mcp_guard.endpoint", "client": "mcp_guard.client", "token": "mcp_guard.token",
    "exchange": "mcp_guard.exchange", "outcome": "event.reason", "address": "source.address",
    "correlation_id": "http.request.id", "tag": "event.action",
}  # fmt: skip

# https://www.elastic.co/docs/reference/ecs/ecs-category-field-values-reference
CATEGORIES = {"api", "authentication", "configuration", "iam", "process", "session"}
TYPES = {"access", "change", "creation", "deletion", "denied", "end", "info", "start"}


def event_of(**values):
    return AuditEvent(**{"pk": 7, "tag": "client:add", "category": "policy", "at": NOW} | values)


def flat(nested, before=""):
    found = {}
    for name, value in nested.items():
        if isinstance(value, dict):
            found |= flat(value, f"{before}{name}.")
        else:
            found[f"{before}{name}"] = value
    return found


def expected(text):
    """A lone surrogate cannot be in UTF-8 and is written out; everything else is as it was."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


@given(st.fixed_dictionaries(dict.fromkeys(TEXTS, texts)))
def test_every_text_reads_back(values):
    written = line(event_of(**values))

    found = flat(json.loads(written))

    assert {name: found.get(field, "") for name, field in TEXTS.items()} == {
        name: expected(text) for name, text in values.items()
    }
    assert written.isascii()
    assert written.isprintable()
    found_again = json.loads(written.encode("utf-8"))
    assert json.dumps(found_again, ensure_ascii=False).encode("utf-8")  # no lone surrogate is left


@given(
    st.dictionaries(
        texts, st.one_of(texts, st.integers(), st.none(), st.lists(texts, max_size=3)), max_size=4
    )
)
def test_objects_read_back_from_their_json_text(values):
    found = flat(document(event_of(before=values, after={"inner": values}, details=values)))

    assert json.loads(found.get("mcp_guard.before", "{}")) == as_json(values)
    assert json.loads(found["mcp_guard.after"]) == as_json({"inner": values})


def test_fields_of_an_event():
    event = event_of(
        category="authentication", tag="authentication:failed", outcome="token_unknown", endpoint="notes",
        exchange="request", address="2001:db8::1", user_agent="curl/8.5", correlation_id="5f0c3a1b9d2e4f60",
        seq=12, digest="d" * 64, actor_label="jo", actor_id=3, details={"path": "/mcp"},
    )  # fmt: skip

    found = flat(document(event))

    assert found.pop("event.id")
    assert found.pop("observer.version")
    assert found == {
        "@timestamp": "2026-03-01T12:00:00.000000Z", "ecs.version": VERSION, "event.sequence": 12,
        "event.hash": "d" * 64, "event.kind": "event", "event.category": ["authentication"],
        "event.type": ["start"], "event.action": "authentication:failed", "event.outcome": "failure",
        "event.reason": "token_unknown", "event.severity": 5, "event.module": "mcp_guard",
        "event.dataset": "mcp_guard.audit", "log.level": "warning", "message": "authentication:failed",
        "observer.product": "mcp_guard", "source.address": "2001:db8::1", "source.ip": "2001:db8::1",
        "user.name": "jo", "user.id": "3", "user_agent.original": "curl/8.5",
        "http.request.id": "5f0c3a1b9d2e4f60", "mcp_guard.category": "authentication",
        "mcp_guard.endpoint": "notes", "mcp_guard.exchange": "request", "mcp_guard.count": 1,
        "mcp_guard.details": '{"path": "/mcp"}',
    }  # fmt: skip


@pytest.mark.parametrize("category", AuditEvent.Category.values)
@pytest.mark.parametrize("tag", ["client:add", "token:revoke", "socket:open", "socket:close", "refused", "x"])
def test_categories_and_types_are_those_of_ecs(category, tag):
    found = flat(document(event_of(category=category, tag=tag)))

    assert set(found["event.category"]) <= CATEGORIES
    assert set(found["event.type"]) <= TYPES
    assert found["event.outcome"] in {"success", "failure"}
    assert set(found) <= set(FIELDS)


@pytest.mark.parametrize(
    ("values", "outcome"),
    [
        ({}, "success"),
        ({"category": "refusal", "tag": "refused", "outcome": "origin_not_listed"}, "failure"),
        ({"category": "refusal", "tag": "would_refuse", "outcome": "origin_not_listed"}, "success"),
        ({"category": "authentication"}, "failure"),
        ({"category": "call", "outcome": "ok"}, "success"),
        ({"category": "call", "outcome": "error"}, "failure"),
        ({"category": "call", "outcome": "tool_error"}, "failure"),
        ({"category": "socket", "tag": "socket:close", "outcome": "left"}, "success"),
        ({"category": "socket", "tag": "socket:close", "outcome": "token_revoked"}, "failure"),
        ({"category": "audit", "tag": "audit:verify", "outcome": "broken"}, "failure"),
        ({"category": "audit", "tag": "audit:lost"}, "failure"),
        ({"category": "audit", "tag": "audit:gap", "outcome": "not shipped"}, "failure"),
    ],
)
def test_the_outcome_follows_from_the_event(values, outcome):
    assert document(event_of(**values))["event"]["outcome"] == outcome


def test_an_event_that_is_chosen_alerts():
    with override_settings(MCP_GUARD={"ALERT_ON": [{"category": "policy", "tag": "client:*"}]}):
        alert, other = document(event_of()), document(event_of(tag="origin:list"))

    assert (alert["event"]["kind"], alert["event"]["severity"], alert["log"]["level"]) == (
        "alert",
        8,
        "error",
    )
    assert (other["event"]["kind"], other["event"]["severity"]) == ("event", 3)


@pytest.mark.parametrize("address", ["", "unix", "203.0.113.9", "::ffff:203.0.113.9", "203.0.113.9:80"])
def test_only_an_address_is_told_as_one(address):
    source = document(event_of(address=address)).get("source", {})

    assert source.get("address", "") == address
    if "ip" in source:
        assert ipaddress.ip_address(source["ip"]) == ipaddress.ip_address(address)


@pytest.mark.parametrize("text", [mint(), f"x{mint()}y", f"mcpg%5F{mint()[5:]}"])
def test_no_token_text_is_written(text):
    values = dict.fromkeys(TEXTS, text)
    written = line(event_of(**values, before={"a": [text]}, after={text: 1}, details={"x": {"y": text}}))

    assert text[6:40] not in written


def test_what_is_too_long_is_cut_and_named():
    event = event_of(subject="\u202e" * 2**20, user_agent="x" * MAX_TEXT, details={"a": "\ud800" * 2**20})

    found = flat(document(event))

    assert found["mcp_guard.subject"] == "\u202e" * MAX_TEXT
    assert found["user_agent.original"] == "x" * MAX_TEXT
    assert len(found["mcp_guard.details"]) == MAX_JSON
    assert sorted(found["mcp_guard.cut"]) == ["mcp_guard.details", "mcp_guard.subject", "message"]
    assert len(line(event)) < 50_000


def test_a_token_text_at_the_edge_of_a_cut_stays_masked():
    text = mint()
    found = line(event_of(subject="x" * (MAX_TEXT - 20) + text))

    assert text[6:14] not in found


@pytest.mark.parametrize(
    ("details", "nanoseconds"),
    [
        ({"ms": 1.5}, 1_500_000),
        ({"seconds": 2}, 2_000_000_000),
        ({"ms": "1"}, None),
        ({"ms": -1}, None),
        ([], None),
    ],
)
def test_how_long_it_took_is_told_in_nanoseconds(details, nanoseconds):
    assert document(event_of(details=details))["event"].get("duration") == nanoseconds


def test_an_event_that_could_not_be_written_has_no_id():
    assert "id" not in document(AuditEvent(tag="x", at=NOW))["event"]
