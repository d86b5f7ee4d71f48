"""Prepare the database of the day: an administrator, and a partner with tokens of each kind."""

from __future__ import annotations

import json
import os

import django
from django.core.management import call_command


def main() -> None:
    """Migrate, make the rows and print the texts of the tokens by their kind."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.browser.day_settings")
    django.setup()
    from django.contrib.auth import get_user_model

    from mcp_guard import testing

    call_command("migrate", verbosity=0)
    get_user_model().objects.create_superuser("root", password="root")
    scope = testing.grant_scope("notes-read", "tools/call:search_notes", "tools/call:read_note")
    partner = testing.add_client("partner", scopes=[scope])
    kinds = ("any", "browser", "server")
    tokens = {
        kind: testing.issue_token(partner, "notes", scopes=[scope], name=kind, kind=kind).text
        for kind in kinds
    }
    print(json.dumps(tokens))


if __name__ == "__main__":
    main()
