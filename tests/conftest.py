"""Rules for all tests: what a machine has to offer, and fixtures for it.

Tests marked ``services``, ``browser``, ``node``, ``proxy`` or ``sandbox`` are left out, and said to be, where
PostgreSQL, Redis, Chromium, the npm packages, nginx or what confines processes are missing. With
MCP_GUARD_REQUIRE_ALL=1 a missing one is an error instead, so continuous integration cannot turn green without
them.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
from collections.abc import Callable, Iterator
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import psycopg
import pytest
import redis
from django.conf import settings

from mcp_guard.live.failures import failures
from tests.databases import postgres_database
from tests.migrated import shared
from tests.node import missing_packages
from tests.sandbox.machine import missing_sandbox

POSTGRES_URL: Final = os.environ.get("TEST_POSTGRES_URL", "postgres://postgres@127.0.0.1:5432/postgres")
REDIS_URL: Final = os.environ.get("TEST_REDIS_URL", "redis://127.0.0.1:6379/0")
REQUIRE_ALL: Final = os.environ.get("MCP_GUARD_REQUIRE_ALL") == "1"
WITHOUT: Final = os.environ.get("MCP_GUARD_TESTS_WITHOUT", "").split()
"""Markers whose tests are left out as on a machine that has nothing for them."""

MAY_BE_SECRET: Final = re.compile(r"(?=.*[0-9])[\w%.~-]{20,}")

MOST_WORKERS: Final = 4
"""Each starts servers of its own besides; a container may count the cores of its host as its own."""

CONNECT_SECONDS: Final = 3
NGINX: Final = "/usr/sbin/nginx"
CHROMIUM_NAMES: Final = ("chromium", "chromium-browser", "google-chrome")


@cache
def missing_services() -> str:
    """Return which service does not answer and why; empty when both do."""
    try:
        psycopg.connect(POSTGRES_URL, connect_timeout=CONNECT_SECONDS).close()
    except psycopg.OperationalError as error:
        return f"PostgreSQL at {_place(POSTGRES_URL)}: {error}".strip()
    try:
        redis.Redis.from_url(REDIS_URL, socket_connect_timeout=CONNECT_SECONDS).ping()
    except redis.RedisError as error:
        return f"Redis at {_place(REDIS_URL)}: {error}"
    return ""


@cache
def missing_browser() -> str:
    """Return why there is no browser; empty when there is one, and what steers it."""
    if find_spec("playwright") is None:
        return "playwright is not installed"
    return "" if chromium_path() else f"none of {', '.join(CHROMIUM_NAMES)} is on the PATH"


def chromium_path() -> str | None:
    """Return the path of an installed Chromium."""
    return next(filter(None, map(shutil.which, CHROMIUM_NAMES)), None)


def missing_proxy() -> str:
    """Return why there is no proxy; empty when there is one."""
    return "" if nginx_path() else f"no nginx on the PATH or at {NGINX}"


def nginx_path() -> str | None:
    """Return the path of an installed nginx; those who may not use it need not have it on their PATH."""
    return shutil.which("nginx") or shutil.which(NGINX)


def missing_packaging() -> str:
    """Return why nothing is built and installed: it takes an index and minutes, so somebody has to ask."""
    return "" if REQUIRE_ALL else "MCP_GUARD_REQUIRE_ALL is not 1"


@cache
def missing_faults() -> str:
    """Return why no faults are made: they need the services, take minutes, and stop what they start."""
    return missing_services() or missing_packaging()


collect_ignore = ["browser"] if find_spec("playwright") is None else []
"""Tests that are all marked ``browser`` import it; others are enough to notice where it is required."""

NEEDS: Final[dict[str, Callable[[], str]]] = {
    "services": missing_services,
    "browser": missing_browser,
    "node": missing_packages,
    "proxy": missing_proxy,
    "sandbox": missing_sandbox,
    "packaging": missing_packaging,
    "faults": missing_faults,
}


def pytest_configure(config: pytest.Config) -> None:
    """Take SIGINT as usual: a shell that starts tests in the background has it ignored, in children too."""
    sites = shared()
    sites.__enter__()
    config.add_cleanup(lambda: sites.__exit__(None, None, None))
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """Return how many processes share the plain tests; zero lets this one run what was chosen of them.

    Faults measure delays, so nothing may run beside them.
    """
    options = config.option
    chosen = config.args_source is not config.ArgsSource.TESTPATHS or options.markexpr or options.keyword
    return 0 if chosen or REQUIRE_ALL else min(len(os.sched_getaffinity(0)), MOST_WORKERS)


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Name no test by what may be a secret: it would stand in logs, and be another for each worker."""
    return argname if isinstance(val, str) and MAY_BE_SECRET.fullmatch(val) else None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what this machine cannot run, or refuse to go on where everything is required."""
    for marker in NEEDS:
        marked = [item for item in items if item.get_closest_marker(marker)]
        if not marked or not (missing := _missing(marker)):
            continue
        if REQUIRE_ALL:
            raise pytest.UsageError(f"{len(marked)} tests marked {marker} cannot run: {missing}")
        config.hook.pytest_deselected(items=marked)
        items[:] = [item for item in items if item not in marked]


def pytest_report_header() -> list[str]:
    """Say what is left out before the first test runs."""
    return [f"left out: tests marked {marker} ({why})" for marker in NEEDS if (why := _missing(marker))]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print what tests record as ``summary``, whichever process ran them."""
    for report in terminalreporter.getreports("passed"):
        for name, value in report.user_properties:
            if name == "summary" and report.when == "call":
                terminalreporter.write_line(str(value))


def _missing(marker: str) -> str:
    """Return why the tests of a marker cannot run here; empty when they can."""
    return "MCP_GUARD_TESTS_WITHOUT names them" if marker in WITHOUT else NEEDS[marker]()


def pytest_unconfigure() -> None:
    """Remove what SQLite leaves beside a database that was deleted while a thread still had it open."""
    file = settings.DATABASES["default"].get("TEST", {}).get("NAME")
    for suffix in ("", "-wal", "-shm") if file else ():
        Path(f"{file}{suffix}").unlink(missing_ok=True)


@pytest.fixture(autouse=True)
def refusals_of_this_test() -> None:
    """Let no test have the failed authentications of the one before it, nor its lines of the same second."""
    from mcp_guard.audit.refusals import refusal_log  # scripts import this file before there are settings

    failures.forget()
    refusal_log.forget()


@pytest.fixture
def postgres_url() -> Iterator[str]:
    """Create an empty PostgreSQL database and return its URL; it is dropped afterwards."""
    with postgres_database(POSTGRES_URL) as url:
        yield url


@pytest.fixture
def postgres_server() -> str:
    """Return the URL of a PostgreSQL server on which databases may be created."""
    return POSTGRES_URL


@pytest.fixture
def redis_url() -> str:
    """Return the URL of a Redis that answers; its keys are shared, so tests prefix theirs."""
    return REDIS_URL


@pytest.fixture(scope="session")
def chromium() -> str:
    """Return the path of Chromium."""
    path = chromium_path()
    assert path is not None
    return path


def _place(url: str) -> str:
    """Return host and port of a URL, without what could be a password."""
    parts = urlsplit(url)
    return f"{parts.hostname}:{parts.port}"
