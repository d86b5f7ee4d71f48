"""docs/permissions.md: every permission of a screen is there, and none that does not exist."""

from __future__ import annotations

import re

import pytest
from django.contrib.auth.models import Permission

from mcp_guard.groups import AUDITOR
from tests.docs.pages import ROOT, section
from tests.operators.screens import registered

pytestmark = pytest.mark.django_db

PAGE = ROOT / "docs" / "permissions.md"
TEXT = PAGE.read_text("utf-8")
VERBS = ("add", "change", "delete")
SPREAD = {f"{verb}_{model}" for verb in VERBS for model in ("client", "allowedorigin", "scope")}
"""Permissions that one row of the table names together."""

OF_NOBODY = {f"{verb}_{model}" for verb in VERBS for model in ("auditevent", "refusal", "endpointstate")}
"""Permissions that Django makes and no screen asks for, but for the one that the page names."""


def named() -> set[str]:
    return set(re.findall(r"`([a-z]+_[a-z]+)`", TEXT)) - {"mcp_guard"}


def existing() -> set[str]:
    found = Permission.objects.filter(content_type__app_label="mcp_guard")
    return set(found.values_list("codename", flat=True))


def test_what_is_named_exists():
    assert len(named()) > 15
    assert named() <= existing()


def test_every_permission_of_a_screen_is_named():
    models = {model._meta.model_name for model in registered()}
    of_screens = {name for name in existing() if name.partition("_")[2] in models}
    assert of_screens - SPREAD - OF_NOBODY <= named()
    assert existing() - named() - SPREAD - OF_NOBODY <= {
        name for name in existing() if name.partition("_")[2] not in models
    }


def test_the_group_is_named():
    assert f"*{AUDITOR}*" in section(PAGE, "Auditors")
