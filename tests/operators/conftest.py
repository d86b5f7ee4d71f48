"""An operator with every permission, their browser, and the rows that most screens are tried on."""

from __future__ import annotations

import pytest

from mcp_guard import testing
from tests.operators.admin_pages import browser_of, superuser


@pytest.fixture
def root(db):
    return superuser()


@pytest.fixture
def browser(root):
    return browser_of(root)


@pytest.fixture
def partner(db):
    return testing.add_client("partner")


@pytest.fixture
def scope(db):
    return testing.grant_scope("read", "tools/call:read_note")


@pytest.fixture
def token(partner, scope):
    return testing.issue_token(partner, "notes", scopes=[scope], name="ci").token
