"""What was recorded before there were categories has the right one after the migrations."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.child import ROOT

BEFORE = ("token:issue", "token:revoke", "client:revoke-tokens", "client:add", "origin:add")

CODE = f"""
import django
django.setup()
from django.core.management import call_command
from django.db import connection
call_command("migrate", "mcp_guard", "0003", verbosity=0)
columns = "at, actor_label, tag, subject, before, after, revision"
with connection.cursor() as cursor:
    for tag in {BEFORE!r}:
        cursor.execute(
            f"INSERT INTO mcp_guard_auditevent ({{columns}}) "
            "VALUES (CURRENT_TIMESTAMP, 'root', %s, 's', '{{}}', '{{}}', 1)", [tag]
        )
call_command("migrate", verbosity=0)
from mcp_guard.models import AuditEvent
for tag, category in AuditEvent.objects.order_by("pk").values_list("tag", "category"):
    print(tag, category)
"""


def test_older_events_of_tokens_are_found_among_those_of_tokens(tmp_path):
    _migrate(f"sqlite:///{tmp_path / 'old.sqlite3'}")


@pytest.mark.services
def test_on_postgresql_too_where_a_trigger_keeps_them_afterwards(postgres_url):
    _migrate(postgres_url)


def _migrate(database: str) -> None:
    environment = {
        "DJANGO_SETTINGS_MODULE": "tests.settings",
        "DATABASE_URL": database,
        "PATH": os.environ["PATH"],
    }
    done = subprocess.run(
        [sys.executable, "-c", CODE], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert done.stderr == ""
    assert dict(line.split() for line in done.stdout.splitlines()) == {
        "token:issue": "token",
        "token:revoke": "token",
        "client:revoke-tokens": "token",
        "client:add": "policy",
        "origin:add": "policy",
    }
