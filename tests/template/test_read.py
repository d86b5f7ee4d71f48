"""What a template says, field by field."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from mcp_guard.template.capabilities import grant_of
from mcp_guard.template.report import Becomes
from tests.template.templates import NOW, read, template, with_token


@pytest.mark.parametrize(
    ("capability", "grant"),
    [
        ("tools/call:read_note", "tools/call:read_note"),
        ("read_note", "tools/call:read_note"),
        ("tool:read", "tools/call:read"),
        ("tool:read_note", "tools/call:read_note"),
        ("prompt:summary", "prompts/get:summary"),
        ("resource:note://public/*", "resources/read:note://public/*"),
        ("resources/subscribe:note://a", "resources/subscribe:note://a"),
        ("logging/setLevel", "logging/setLevel"),
        ("http:POST", "http:POST"),
        ("tools:list", None),
        ("tools/list", None),
        ("prompts:list", None),
        ("ping", None),
    ],
)
def test_a_capability_is_mapped_to_a_grant(capability, grant):
    assert grant_of(capability) == grant


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("30d", NOW + timedelta(days=30)),
        ("2026-04-01", datetime(2026, 4, 1, tzinfo=UTC)),
        ("2026-04-01T12:00+02:00", datetime(2026, 4, 1, 10, tzinfo=UTC)),
        (..., None),
    ],
)
def test_an_expiry_is_a_length_a_date_or_a_moment(text, moment):
    [entry] = read(with_token(expires=text))[0].authentication.tokens
    assert entry.expires_at == moment


@pytest.mark.parametrize(
    ("address", "is_local", "options"),
    [
        ("127.0.0.1", True, "daphne -b 127.0.0.1"),
        ("localhost:8000", True, "daphne -b 127.0.0.1 -p 8000"),
        ("[::1]:8000", True, "daphne -b ::1 -p 8000"),
        ("0.0.0.0:443", False, "daphne -b 0.0.0.0 -p 443"),
    ],
)
def test_an_address_is_what_the_server_is_started_with(address, is_local, options):
    found, report = read(template(websocket={"bind_address": address, "require_tls": True}))
    assert found.websocket.is_local is is_local
    assert [effect.text for effect in report.effects if options in effect.text]


@pytest.mark.parametrize("inside", [True, False])
def test_an_isolation_is_read_wherever_it_stands(inside):
    limits = {"max_memory_mb": 128, "max_cpu_percent": 50}
    others = {
        "network_access": True,
        "allowed_hosts": ["API.example.com:443"],
        "filesystem_access": "restricted",
        "writable_paths": ["/srv/notes"],
        "blocked_syscalls": ["ptrace"],
    }
    section = {"resource_limits": limits | others} if inside else {"resource_limits": limits, **others}
    found, report = read(template(process_isolation=section))
    assert not report.problems
    assert dict(found.isolation.values) == {
        "memory_mb": 128,
        "cpu_percent": 50,
        "hosts": ["api.example.com:443"],
        "writable": ["/srv/notes"],
    }


def test_what_is_not_said_is_left_and_what_is_closed_is_empty():
    assert read(template(process_isolation={}))[0].isolation.values == ()
    closed = read(template(process_isolation={"network_access": False, "filesystem_access": "read_only"}))[0]
    assert dict(closed.isolation.values) == {"hosts": [], "writable": []}


@pytest.mark.parametrize(
    ("section", "calls"),
    [
        ({}, None),
        ({"log_tool_calls": True}, "calls"),
        ({"log_tool_calls": False}, "off"),
        ({"log_tool_arguments": True}, "arguments"),
        ({"log_tool_arguments": False}, "off"),
    ],
)
def test_what_is_recorded_of_calls(section, calls):
    assert read(template(logging=section))[0].logging.audit_calls == calls


def test_a_siem_that_is_off_is_not_taken():
    siem = {"enabled": False, "url": "https://c.example", "alert_on": ["policy_change"]}
    found, report = read(template(logging={"siem_integration": siem}))
    assert (found.logging.siem.destination, found.logging.siem.alerts) == ((), ())
    assert {effect.becomes for effect in report.effects} == {Becomes.NOT_TAKEN}
    at = "mcp_server.logging.siem_integration"
    assert {effect.path for effect in report.effects} == {f"{at}.enabled", f"{at}.url", f"{at}.alert_on[0]"}
