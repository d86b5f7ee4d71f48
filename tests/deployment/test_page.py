"""docs/deployment.md: its settings are those that the demo and the tests run with."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from mcp_guard.conf import TOP_LEVEL_KEYS
from mcp_guard.http.health import health
from mcp_guard.live.heartbeat import SECONDS
from mcp_guard.live.readers import IDLE_SECONDS, THREADS
from project.environment import database
from tests.deployment.page import PAGE, TEXT, names_of
from tests.deployment.site import settings as site


@pytest.mark.parametrize(("section", "url"), [("PostgreSQL", "postgres://h/n"), ("SQLite", "")])
def test_the_options_of_a_database_are_the_demos(section, url, tmp_path):
    here = database(url, tmp_path / "db.sqlite3")
    documented = names_of(section)["DATABASES"]["default"]
    assert (documented["ENGINE"], documented["OPTIONS"]) == (here["ENGINE"], here["OPTIONS"])


def test_the_sites_part_behind_nginx_is_what_the_tests_run_with():
    documented = names_of("nginx")
    for name in ("ALLOWED_HOSTS", "DATA_UPLOAD_MAX_MEMORY_SIZE", "MCP_GUARD"):
        assert documented[name] == getattr(site, name)


def test_the_table_of_costs_names_settings_that_exist():
    named = set(re.findall(r"^\| `([A-Z_]+)` \|", TEXT, re.MULTILINE))
    assert named == {"MAX_AGE", "POLL_INTERVAL", "PUSH", "SHARED_COUNTER", "TOKENS_IN_MEMORY"}
    assert named < TOP_LEVEL_KEYS.keys()


def test_the_table_of_connections_is_that_of_the_code():
    [tokens, sessions] = re.findall(r"^\| up to (\d+) \|.*until idle for (\d+) seconds", TEXT, re.MULTILINE)
    assert tokens == sessions == (str(THREADS), f"{IDLE_SECONDS:.0f}")
    assert f"every {SECONDS:.0f} seconds" in TEXT
    assert f"at most {3 + 2 * THREADS}" in TEXT


def test_the_example_of_health_routes_the_view():
    [route] = names_of("Health")["urlpatterns"]
    assert route.callback is health


@pytest.mark.parametrize("link", sorted(set(re.findall(r"\]\(([a-z./]+)(?:#[a-z]+)?\)", TEXT))))
def test_a_link_leads_to_a_file(link):
    assert Path(PAGE.parent, link).is_file()
