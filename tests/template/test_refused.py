"""What a template may not say, each refused beside its own field."""

from __future__ import annotations

import json
import secrets

import pytest

from mcp_guard.template.report import MAX_PROBLEMS
from mcp_guard.tokens import mint
from tests.template.templates import EXAMPLE, SERVER_EXAMPLE, problems, template, with_token

WEBSOCKET, TOKEN = "mcp_server.websocket", "mcp_server.authentication.tokens[0]"
ISOLATION, LOGGING = "mcp_server.process_isolation", "mcp_server.logging"


@pytest.mark.parametrize("path", [EXAMPLE, SERVER_EXAMPLE], ids=lambda path: path.stem)
def test_the_examples_have_no_problem(path):
    assert problems(json.loads(path.read_text("utf-8"))) == {}


def test_all_mistakes_are_reported_at_once_each_at_its_path():
    found = problems(
        template(
            websocket={"bind_address": "0.0.0.0", "allowed_origins": ["*", "https://a.example/x"], "tls": 1},
            authentication={
                "method": "none",
                "tokens": [
                    {
                        "name": "a",
                        "value": "CHANGE_ME",
                        "expires": "2020-01-01",
                        "allowed_capabilities": ["*"],
                    },
                    {"value": "your-token-here", "allowed_capabilities": []},
                ],
            },
            process_isolation={
                "network_access": True,
                "filesystem_access": "full",
                "writable_paths": ["/etc"],
            },
            logging={"log_tokens": True, "siem_integration": {"alert_on": ["everything"]}},
        )
    )
    assert set(found) == {
        f"{WEBSOCKET}.tls",
        f"{WEBSOCKET}.bind_address",
        f"{WEBSOCKET}.allowed_origins[0]",
        f"{WEBSOCKET}.allowed_origins[1]",
        "mcp_server.authentication.method",
        f"{TOKEN}.value",
        f"{TOKEN}.expires",
        f"{TOKEN}.allowed_capabilities[0]",
        "mcp_server.authentication.tokens[1].name",
        "mcp_server.authentication.tokens[1].value",
        "mcp_server.authentication.tokens[1].allowed_capabilities",
        f"{ISOLATION}.network_access",
        f"{ISOLATION}.filesystem_access",
        f"{ISOLATION}.writable_paths[0]",
        f"{LOGGING}.log_tokens",
        f"{LOGGING}.siem_integration.alert_on[0]",
    }


@pytest.mark.parametrize(
    ("section", "path", "text"),
    [
        ({"bind_address": "0.0.0.0"}, "bind_address", "listens on every network"),
        ({"bind_address": "::", "require_tls": False}, "bind_address", "listens on every network"),
        ({"bind_address": "192.0.2.1:8000"}, "bind_address", "listens on a network"),
        ({"bind_address": "example.com"}, "bind_address", "is not an IP address"),
        ({"bind_address": "127.0.0.1:99999"}, "bind_address", "is not an IP address"),
        ({"bind_address": None}, "bind_address", "is null, not a printable string"),
        ({"allowed_origins": ["*"]}, "allowed_origins[0]", "would let every page in"),
        ({"allowed_origins": ["https://*.a.example"]}, "allowed_origins[0]", "wildcards are not accepted"),
        ({"allowed_origins": ["null"]}, "allowed_origins[0]", "names nobody"),
        ({"allowed_origins": "https://a.example"}, "allowed_origins", "not an array"),
        ({"allowed_origins": ["https://a.example", "HTTPS://A.example:443"]}, "allowed_origins[1]", "again"),
        ({"allowed_origins": [7]}, "allowed_origins[0]", "is 7, not a printable string"),
        ({"allowed_origins": [], "require_origin_header": True}, "allowed_origins", "nobody could be let in"),
        ({"require_origin_header": "yes"}, "require_origin_header", 'is "yes", not true or false'),
        (
            {"require_origin_header": True, "reject_on_missing_origin": False},
            "reject_on_missing_origin",
            "is not what require_origin_header is",
        ),
        ({"origins": []}, "origins", "is not a field of a template; known here are bind_address,"),
    ],
)
def test_a_websocket_is_refused(section, path, text):
    found = problems(template(websocket=section))
    assert list(found) == [f"{WEBSOCKET}.{path}"]
    assert text in found[f"{WEBSOCKET}.{path}"]


@pytest.mark.parametrize(
    ("fields", "path", "text"),
    [
        ({"name": ...}, "name", "is missing"),
        ({"name": "a/b"}, "name", "is not a name"),
        ({"name": ""}, "name", "not a printable string"),
        ({"expires": "2026-02-28"}, "expires", "has passed"),
        ({"expires": "2026-03-01T12:00Z"}, "expires", "has passed"),
        ({"expires": "0d"}, "expires", "has passed"),
        ({"expires": "never"}, "expires", "not a date"),
        ({"expires": "2026-06-01T12:00"}, "expires", "with its offset"),
        ({"expires": "9999-12-31T23:59:59-23:59"}, "expires", "not a date"),
        ({"expires": None}, "expires", "is null"),
        ({"allowed_capabilities": ...}, "allowed_capabilities", "the token could do nothing"),
        ({"allowed_capabilities": []}, "allowed_capabilities", "the token could do nothing"),
        ({"allowed_capabilities": ["*"]}, "allowed_capabilities[0]", "wildcard"),
        ({"allowed_capabilities": ["tools:*"]}, "allowed_capabilities[0]", "wildcard"),
        ({"allowed_capabilities": ["admin"]}, "allowed_capabilities[0]", "names nothing in particular"),
        ({"allowed_capabilities": ["tools:read"]}, "allowed_capabilities[0]", "cannot be mapped"),
        ({"allowed_capabilities": ["read notes"]}, "allowed_capabilities[0]", "neither a grant nor"),
        ({"scopes": []}, "scopes", "is not a field of a template; known here are name,"),
    ],
)
def test_a_token_is_refused(fields, path, text):
    found = problems(with_token(**fields))
    assert list(found) == [f"{TOKEN}.{path}"]
    assert text in found[f"{TOKEN}.{path}"]


@pytest.mark.parametrize(
    "value",
    [
        "CHANGE_ME",
        "change-me-0123456789012345678901234567890",
        "your-token-here",
        "<token>",
        "${MCP_TOKEN}",
        "{{ vault.token }}",
        "hunter2",
        "0" * 64,
        "abc123" * 8,
        "abcdefghijklmnopqrstuvwxyz0123456789",
        "f0e1d2c3" * 6,
        "s p a c e " * 6,
        "ä" * 40,
        "",
        7,
        ["x"],
        secrets.token_hex(15),
    ],
)
def test_a_value_that_is_no_secret_is_refused_and_not_repeated(value):
    [(path, text)] = problems(with_token(value=value)).items()
    assert path == f"{TOKEN}.value"
    assert not value or str(value) not in text


@pytest.mark.parametrize("text", [mint(), "mcpg_not-one-of-ours"])
def test_a_token_text_of_the_guard_must_not_lie_in_a_file(text):
    [(path, why)] = problems(with_token(value=text)).items()
    assert path == f"{TOKEN}.value"
    assert "rotate the token" in why
    assert text not in why


@pytest.mark.parametrize("value", [None, secrets.token_urlsafe(32), secrets.token_hex(32)])
def test_a_strong_value_or_none_is_no_problem(value):
    assert problems(with_token(value=value)) == {}


def test_two_tokens_cannot_share_a_scope():
    tokens = [{"name": name, "allowed_capabilities": ["echo"]} for name in ("a b", "A-B")]
    [(path, text)] = problems(template(authentication={"tokens": tokens})).items()
    assert path == "mcp_server.authentication.tokens[1].name"
    assert TOKEN in text


@pytest.mark.parametrize(
    ("section", "path", "text"),
    [
        ({"method": "oauth"}, "method", "not one of token, bearer, bearer_token"),
        ({"method": "none"}, "method", "would let everybody in"),
        ({"rotation_warning_days": 0}, "rotation_warning_days", "from 1 to 3650"),
        ({"rotation_warning_days": True}, "rotation_warning_days", "is true, not a whole number"),
        ({"rotation_warning_days": 1.5}, "rotation_warning_days", "not a whole number"),
        ({"tokens": {}}, "tokens", "is an object, not an array"),
        ({"tokens": ["hunter2-is-a-secret"]}, "tokens[0]", "is a string, not an object"),
        ({"enabled": True}, "enabled", "is not a field"),
    ],
)
def test_an_authentication_is_refused(section, path, text):
    [(found, why)] = problems(template(authentication=section)).items()
    assert found == f"mcp_server.authentication.{path}"
    assert text in why
    assert "hunter2" not in why


@pytest.mark.parametrize(
    ("section", "path", "text"),
    [
        ({"network_access": True}, "network_access", "name the hosts"),
        ({"network_access": True, "allowed_hosts": []}, "network_access", "name the hosts"),
        ({"network_access": False, "allowed_hosts": ["a.example:443"]}, "allowed_hosts", "is not true"),
        ({"network_access": True, "allowed_hosts": ["a.example"]}, "allowed_hosts[0]", "a host and its port"),
        ({"network_access": True, "allowed_hosts": ["*:443"]}, "allowed_hosts[0]", "a host and its port"),
        ({"network_access": True, "allowed_hosts": ["10.0.0.1:443"]}, "allowed_hosts[0]", "not an address"),
        ({"filesystem_access": "full"}, "filesystem_access", "not read_only or restricted"),
        ({"filesystem_access": "restricted"}, "filesystem_access", "names no folder"),
        (
            {"filesystem_access": "read_only", "writable_paths": ["/srv/notes"]},
            "writable_paths",
            "filesystem_access is read_only",
        ),
        ({"writable_paths": ["/"]}, "writable_paths[0]", "folder of the system"),
        ({"writable_paths": ["/etc/cron.d"]}, "writable_paths[0]", "belongs to the system"),
        ({"writable_paths": ["/srv/../etc/x"]}, "writable_paths[0]", "plain form"),
        ({"writable_paths": ["notes"]}, "writable_paths[0]", "plain form"),
        ({"writable_paths": ["//srv/notes"]}, "writable_paths[0]", "plain form"),
        ({"resource_limits": {"max_memory_mb": 0}}, "resource_limits.max_memory_mb", "from 16"),
        ({"resource_limits": {"max_cpu_percent": -1}}, "resource_limits.max_cpu_percent", "from 1"),
        ({"resource_limits": {"network_access": True}}, "resource_limits.network_access", "name the hosts"),
        ({"resource_limits": {"max_disk": 1}}, "resource_limits.max_disk", "is not a field"),
        (
            {"resource_limits": {"network_access": False}, "network_access": False},
            "resource_limits.network_access",
            "leave one of them",
        ),
        ({"blocked_syscalls": ["PTRACE"]}, "blocked_syscalls[0]", "does not forbid"),
        ({"blocked_syscalls": ["ptrace", "execve"]}, "blocked_syscalls[1]", "does not forbid"),
    ],
)
def test_an_isolation_is_refused(section, path, text):
    found = problems(template(process_isolation=section))
    assert list(found) == [f"{ISOLATION}.{path}"]
    assert text in found[f"{ISOLATION}.{path}"]


@pytest.mark.parametrize(
    ("section", "path", "text"),
    [
        ({"log_connections": False}, "log_connections", "cannot be switched off"),
        ({"log_tokens": True}, "log_tokens", "never done"),
        ({"log_everything": True}, "log_everything", "is not a field"),
        (
            {"log_tool_calls": False, "log_tool_arguments": True},
            "log_tool_arguments",
            "log_tool_calls is false",
        ),
        ({"siem_integration": {"token_env": "T"}}, "siem_integration.url", "is missing"),
        ({"siem_integration": {"token": "x"}}, "siem_integration.token", "is not a field"),
        ({"siem_integration": {"alert_on": ["*"]}}, "siem_integration.alert_on[0]", "one of"),
    ],
)
def test_a_logging_is_refused(section, path, text):
    found = problems(template(logging=section))
    assert list(found) == [f"{LOGGING}.{path}"]
    assert text in found[f"{LOGGING}.{path}"]


@pytest.mark.parametrize(
    "value", [None, 1, "x", [], [{}], {}, {"mcp_server": 1}, {"mcp_server": {}}, {"a": {}}]
)
def test_what_is_no_template_is_refused(value):
    assert problems(value)


def test_odd_names_of_members_are_quoted_and_cut():
    [path, missing] = problems({"\u202emcp" * 40: 1})
    assert missing == "mcp_server"
    assert path.startswith('["\\u202emcp')
    assert len(path) < 400


def test_problems_without_end_are_cut():
    found = problems(template(websocket={f"x{number}": 1 for number in range(1000)}))
    assert len(found) == MAX_PROBLEMS + 1
    assert found[""] == "there are more problems than these 100"
