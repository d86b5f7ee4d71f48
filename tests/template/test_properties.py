"""Any JSON value gives a plan or problems, never an exception; and a plan leaves no field out."""

from __future__ import annotations

import json
from copy import deepcopy
from datetime import timedelta
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mcp_guard.policy.credential import TokenKind
from mcp_guard.policy.endpoint import Messages, Profile
from mcp_guard.template import asked, document
from mcp_guard.template.plan import plan
from mcp_guard.template.report import Report
from mcp_guard.template.rows import Present, Target
from mcp_guard.template.setting import block, merged
from tests.template.templates import NOW, example, leaves

examples = settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)
BASE = ("ENDPOINTS", "notes")

words = st.sampled_from(
    [
        *("*", "CHANGE_ME", "none", "token", "127.0.0.1", "0.0.0.0:1", "::1", "null", "Cookie", "X-A"),
        *("https://a.example", "http://a.example:8080", "30d", "999999w", "2027-01-01", "a\tb", "\u202e"),
        *("2026-03-01T12:00:00+99:00", "tools/call:x", "x", "tool:x", "resource:a://b/*", "origin_missing"),
        *("read_only", "restricted", "/srv/x", "a.example:443", "ptrace", "policy_change"),
    ]
)
scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8) | words
names = st.text(max_size=4) | st.sampled_from(
    [*document.SECTIONS, "mcp_server", "tokens", "name", "alert_on"]
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
    max_leaves=8,
)


def containers(value: Any) -> list[Any]:
    """Return every object and array in a JSON value that holds something."""
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    below = [found for each in inner for found in containers(each)]
    return [value, *below] if inner else below


@st.composite
def changed_examples(draw: Any) -> Any:
    """Return the example with some of its values replaced, removed or added."""
    found = deepcopy(example())
    for _ in range(draw(st.integers(0, 3))):
        place = draw(st.sampled_from(containers(found)))
        key = draw(st.sampled_from([*place] if isinstance(place, dict) else range(len(place))))
        if draw(st.booleans()) and len(place) > 1:
            del place[key]
        else:
            place[key] = draw(values)
    return found


def check(value: Any, guard: dict[str, Any]) -> None:
    """Check what holds for any JSON value and any present settings."""
    report = Report()
    template = document.read(value, NOW, report)
    wanted = asked.asked(template, BASE, guard)
    asked.note(wanted, report)
    missing = [setting for setting in wanted if not setting.holds(guard)]
    future = merged(guard, missing)
    assert all(setting.holds(future) for setting in wanted)
    if missing:
        written: dict[str, Any] = {"MCP_GUARD": deepcopy(guard)}
        exec("\n".join(block(guard, missing)), written)
        assert written["MCP_GUARD"] == future
    target = Target("notes", "c", Profile.TOKEN, Messages.MCP, timedelta(days=90), TokenKind.ANY)
    plan(template, target, Present(), NOW, report)
    assert all(isinstance(path, str) and text for path, text in report.problems)
    json.dumps([*report.problems, report.warnings])
    if not report.problems:
        fields = {effect.path for effect in document.in_order(value, report.effects)}
        assert not [leaf for leaf in leaves(value) if leaf not in fields and not is_empty(value, leaf)]


def is_empty(value: Any, leaf: str) -> bool:
    """Return whether a leaf is an empty object or array, or null: such a field says nothing."""
    for part in leaf.replace("]", "").replace("[", ".").split("."):
        value = value[int(part)] if isinstance(value, list) else value[part]
    return value in ([], {}, None)


guards = st.sampled_from(
    [
        {},
        {"ENDPOINTS": {}},
        {"ENDPOINTS": {"notes": {"profile": "token", "any_origin": True}}, "AUDIT_KEYS": ["k"]},
        {
            "ENDPOINTS": {"notes": {"profile": "token", "missing_origin": {"ws": "bearer"}}},
            "ALERT_ON": ({"a": "b"},),
        },
    ]
)


@examples
@given(values, guards)
def test_any_value(value, guard):
    check(value, guard)


@examples
@given(st.dictionaries(st.sampled_from([*document.SECTIONS]), values, max_size=4), guards)
def test_any_sections(sections, guard):
    check({"mcp_server": sections}, guard)


@examples
@given(changed_examples(), guards)
def test_any_change_of_the_example(value, guard):
    check(value, guard)
