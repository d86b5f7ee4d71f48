"""What clients show when they are refused is what docs/clients.md says, and nothing ran meanwhile."""

from __future__ import annotations

from pathlib import Path

import pytest

from mcp_guard.tokens import mint
from tests import node
from tests.clients.job import MODES, Job
from tests.clients.refusals import TROUBLES, Shown, play, stand_in, table
from tests.clients.typescript import visit_in_node
from tests.conftest import chromium_path

pytestmark = [pytest.mark.browser, pytest.mark.node]

PAGE = Path(__file__).resolve().parents[2] / "docs" / "clients.md"


@pytest.fixture(scope="module")
def played(tmp_path_factory) -> tuple[list[Shown], list[str]]:
    return play(tmp_path_factory.mktemp("refusals"), chromium_path())


@pytest.fixture(scope="module")
def shown(played) -> list[Shown]:
    return played[0]


def test_the_page_says_what_clients_show(shown):
    assert "\n".join(table(shown)) in PAGE.read_text("utf-8")


def test_every_client_shows_something_of_every_trouble(shown):
    assert {found.trouble for found in shown} == set(TROUBLES)
    assert all(found.text for found in shown)


def test_who_is_refused_gets_nothing(shown):
    for found in shown:
        has_other_scopes = found.trouble == "missing scope" and found.client != "inspector"
        assert found.got_something is has_other_scopes, found


def test_no_tool_ran_for_who_was_refused(played):
    ran = [event for event in played[1] if event not in ("started", "stopped")]
    assert ran
    assert all(event.split(" ", 1)[1].startswith("missing scope: ") for event in ran)


def test_inspector_ends_with_a_status_for_each_trouble(shown):
    ended = {(found.trouble, found.exit_status) for found in shown if found.client == "inspector"}
    refused = {"no token", "wrong token", "unlisted origin"}
    statuses = {trouble: 3 if trouble in refused else 1 for trouble in TROUBLES}
    statuses["missing scope"] = 5  # it looks into the list first, where the tool is not
    assert ended == set(statuses.items())


def test_a_page_of_an_unlisted_origin_gets_in_nowhere(shown):
    tried = [found for found in shown if (found.trouble, found.client) == ("unlisted origin", "chromium")]
    assert {(found.door, found.mode) for found in tried} == {
        (door, mode) for door in ("mount", "view", "socket") for mode in MODES
    }
    assert not any(found.got_something for found in tried)


def test_what_stands_in_for_the_guard_is_shown_as_the_guard_is(shown, tmp_path):
    troubles = ("wrong token", "unlisted origin", "foreign host")
    with stand_in(tmp_path) as base:
        urls = [f"{base}/{TROUBLES[trouble]}/mcp" for trouble in troubles]
        seen = visit_in_node([Job(url, mode, mint()) for url in urls for mode in MODES])
    instead = [Shown("", "node", "mount", "", found.error).cell for found in seen]
    assert instead == [
        found.cell for trouble in troubles for found in shown if found[:2] == (trouble, "node")
    ]


@pytest.mark.parametrize("package", ["@modelcontextprotocol/client", "@modelcontextprotocol/inspector"])
def test_the_page_names_the_versions(package):
    assert f"`{package}` {node.version(package)}" in PAGE.read_text("utf-8")
