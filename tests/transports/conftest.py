"""The table's policy in the database, once for each module, and what was noted during each test."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.core.signals import request_finished, request_started
from django.db import close_old_connections, transaction
from django.test import override_settings

from mcp_guard import nonce
from mcp_guard.audit.counts import ADMITTED, PREFLIGHT, decisions
from mcp_guard.testing import policy_of_this_connection
from tests.rows.configurations import MCP_GUARD
from tests.rows.row import Row
from tests.rows.world import NONCE
from tests.transports.populate import populate
from tests.transports.site import probe


@contextmanager
def connection_kept_open() -> Iterator[None]:
    """Keep Django and Channels from closing the connection around a request, as Django's test client does.

    They would take the open transaction for one that a request forgot.
    """
    signals = (request_started, request_finished)
    for signal in signals:
        signal.disconnect(close_old_connections)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("channels.db.close_old_connections", lambda: None)
        yield
    for signal in signals:
        signal.connect(close_old_connections)


@pytest.fixture(scope="module")
def site(django_db_setup: None, django_db_blocker: Any) -> Iterator[None]:
    """Let a module play rows in one transaction, rolled back after it, as TestCase does for a class."""
    with (
        django_db_blocker.unblock(),
        connection_kept_open(),
        override_settings(
            MCP_GUARD=MCP_GUARD, ROOT_URLCONF="tests.transports.site.urls", ALLOWED_HOSTS=["*"]
        ),
        transaction.atomic(),
        policy_of_this_connection(),
    ):
        populate()
        nonce.keep(NONCE)
        yield
        nonce.keep("")
        transaction.set_rollback(True)


class Noted:
    """What the gate has noted since ``begin``, which also lets the protected code's runs begin anew."""

    def __init__(self) -> None:
        self.begin()

    def begin(self) -> None:
        """Forget what was noted until now."""
        probe.RUNS.clear()
        self._before = Counter(decisions.all())

    def __call__(self) -> list[str]:
        """Return the reason of each refusal, and ``would_refuse:`` with the reason of what was let in."""
        since = Counter(decisions.all()) - self._before
        kept = (outcome for *_, outcome in since.elements() if outcome not in (ADMITTED, PREFLIGHT))
        return sorted(kept)

    def wrong(self, rows: Iterable[tuple[str, Row]], play: Callable[[Row], Any]) -> dict[str, str]:
        """Play and check rows one by one; return what is wrong with which, empty when nothing is."""
        found: dict[str, str] = {}
        for name, row in rows:
            self.begin()
            try:
                play(row)
            except AssertionError as error:
                found[name] = str(error)
            except Exception as error:
                error.add_note(f"while playing the row {name}")
                raise
        return found


@pytest.fixture
def noted(site: None) -> Iterator[Noted]:
    """Return what tells what was noted during the test."""
    yield Noted()
    probe.RUNS.clear()
