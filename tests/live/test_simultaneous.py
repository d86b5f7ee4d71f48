"""Two operators who write the same at the same moment: one of them is told so."""

from __future__ import annotations

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError

from mcp_guard import changes
from mcp_guard.changes.record import change
from mcp_guard.models import AuditEvent, Revision

pytestmark = pytest.mark.django_db


def test_a_lost_race_is_a_message_and_no_failure():
    before = Revision.objects.get().n

    lost = pytest.raises(ValidationError, match="somebody changed the same")
    with lost, change(changes.Actor("tests"), "origin:list"):
        raise IntegrityError("UNIQUE constraint failed: mcp_guard_allowedorigin.origin")

    assert Revision.objects.get().n == before
    assert not AuditEvent.objects.exists()
