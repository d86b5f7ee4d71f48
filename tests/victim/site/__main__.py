"""Lay the database of the site: ``python -m tests.victim.site PAGES_PORT`` prints a token for pages.

The origins of the listed pages hold the port at which the pages are served.
"""

from __future__ import annotations

import sys

import django

from tests.migrated import migrate


def main() -> None:
    """Write the victim and the policy."""
    django.setup()
    migrate()

    from django.contrib.auth import get_user_model

    from mcp_guard import testing

    port = int(sys.argv[1])
    get_user_model().objects.create_user("victim", password="x")
    scope = testing.grant_scope("reading", "tools/call:read_notes")
    client = testing.add_client("acme", scopes=[scope])
    testing.list_origin(f"http://app.localhost:{port}", client, "partner", "public", cookies=True)
    testing.list_origin(f"http://former.localhost:{port}", client, "partner", cookies=True)
    testing.list_origin(f"http://plain.localhost:{port}", client, "partner", "public")
    print(testing.issue_token(client, "partner", scopes=[scope], kind="browser").text)


if __name__ == "__main__":
    main()
