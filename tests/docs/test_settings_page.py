"""docs/settings.md: every key of the settings is there with its default and its bounds, and no other key."""

from __future__ import annotations

import ast
import re

import pytest
from django.test import override_settings

from mcp_guard import conf
from mcp_guard.policy.endpoint import Carrier, Endpoint, HostRules, MissingOrigin, Profile
from mcp_guard.policy.limits import Limits
from tests.docs.pages import ROOT, blocks, code, rows, section

PAGE = ROOT / "docs" / "settings.md"
TOP = {code(row[0]): row for row in rows(section(PAGE, "Keys of `MCP_GUARD`"))}
KEYS = {code(row[0]): row for row in rows(section(PAGE, "Keys of an endpoint").partition("### Limits")[0])}
LIMITS = {code(row[0]): row for row in rows(section(PAGE, "Limits"))}
DEFAULTS = Endpoint("e", Profile.PARTNER, HostRules())


def example():
    values: dict = {}
    exec(blocks(PAGE)[0].text, values)
    return values["MCP_GUARD"]


def problems(guard):
    with override_settings(MCP_GUARD=guard, ALLOWED_HOSTS=["api.example.com"]):
        return conf.parse().problems


def default(row):
    return ast.literal_eval(code(row[2]))


def bounds(row):
    found = re.search(r", ([0-9.]+) to ([0-9.]+)$", row[1])
    return None if found is None else tuple(map(ast.literal_eval, found.groups()))


def test_every_key_stands_in_its_table():
    assert set(TOP) == set(conf.TOP_LEVEL_KEYS)
    assert set(KEYS) == set(conf.ENDPOINT_KEYS)
    assert set(LIMITS) == set(Limits.__slots__)


def test_no_key_stands_there_twice():
    for heading in ("Keys of `MCP_GUARD`", "Keys of an endpoint"):
        names = [row[0] for row in rows(section(PAGE, heading))]
        assert len(set(names)) == len(names)


def test_the_example_says_every_key_and_has_no_problem():
    guard = example()
    endpoints = guard["ENDPOINTS"].values()

    assert problems(guard) == ()
    assert set(guard) == set(conf.TOP_LEVEL_KEYS)
    assert {key for values in endpoints for key in values} == set(conf.ENDPOINT_KEYS)
    assert {key for values in endpoints for key in values.get("limits", {})} == set(Limits.__slots__)


PARSED = {"ENDPOINTS", "TRUSTED_PROXIES", "ROOT_PATHS", "AUDIT_KEYS", "SHIP", "ALERT_ON"} | {
    name for name in TOP if name.startswith("SERVER")
}
"""Keys whose values are not kept as they stand in the settings."""


@pytest.mark.parametrize("key", sorted(set(TOP) - PARSED))
def test_a_default_of_the_whole_is_true(key):
    assert default(TOP[key]) == getattr(conf.Config({}), key.lower())


@pytest.mark.parametrize("key", sorted(PARSED))
def test_saying_a_default_changes_nothing(key):
    with override_settings(MCP_GUARD={"ENDPOINTS": {"e": {"profile": "token"}}, key: default(TOP[key])}):
        said = conf.parse()
    with override_settings(
        MCP_GUARD={} if key == "ENDPOINTS" else {"ENDPOINTS": {"e": {"profile": "token"}}}
    ):
        assert conf.parse() == said


@pytest.mark.parametrize("key", sorted(set(KEYS) - {"profile", "hosts", "limits"}))
def test_saying_a_default_of_an_endpoint_changes_nothing(key):
    with override_settings(
        MCP_GUARD={"ENDPOINTS": {"e": {"profile": "token", key: default(KEYS[key])}}},
        ALLOWED_HOSTS=["api.example.com"],
    ):
        said = conf.endpoint("e")
    with override_settings(
        MCP_GUARD={"ENDPOINTS": {"e": {"profile": "token"}}}, ALLOWED_HOSTS=["api.example.com"]
    ):
        assert conf.endpoint("e") == said


@pytest.mark.parametrize("key", LIMITS)
def test_a_default_of_a_limit_is_true(key):
    assert default(LIMITS[key]) == getattr(Limits(), key)


BOUNDED = [
    *(((key,), bounds(row)) for key, row in TOP.items() if bounds(row)),
    *(
        (("ENDPOINTS", "e", "limits", key), bounds(row))
        for key, row in LIMITS.items()
    ),
]  # fmt: skip


def said(path, value):
    """Return settings that say one number; TOKEN_DAYS and its bound go together."""
    guard: dict = {"ENDPOINTS": {"e": {"profile": "token", "limits": {}}}}
    if path[0] in {"TOKEN_DAYS", "TOKEN_MAX_DAYS"}:
        guard |= {"TOKEN_DAYS": 1, "TOKEN_MAX_DAYS": 3650}
    inner = guard
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    return guard


@pytest.mark.parametrize(("path", "found"), BOUNDED, ids=lambda value: str(value[-1]))
def test_bounds_are_true(path, found):
    low, high = found

    assert problems(said(path, low)) == ()
    assert problems(said(path, high)) == ()
    assert len(problems(said(path, low - 1 if isinstance(low, int) else low / 2))) == 1
    assert len(problems(said(path, high + 1))) == 1


def test_there_are_bounds_to_look_at():
    assert len(BOUNDED) >= 24


def test_every_profile_has_its_row():
    assert [code(row[0]) for row in rows(section(PAGE, "Profiles"))] == [profile.value for profile in Profile]


def test_every_carrier_and_every_rule_about_a_missing_origin_is_explained():
    assert all(f"`{carrier.value}`" in KEYS["ws_credentials"][3] for carrier in Carrier)
    assert all(f"`{rule.value}`" in KEYS["missing_origin"][3] for rule in MissingOrigin)
