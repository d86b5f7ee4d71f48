"""Lay the database of the site: ``python -m tests.browser.sockets.prepare ORIGIN`` prints how to get in."""

from __future__ import annotations

import json
import sys

import django
from django.core.management import call_command


def main() -> None:
    """Write the policy, for pages of one origin."""
    django.setup()
    call_command("migrate", verbosity=0)

    from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY, get_user_model
    from django.contrib.sessions.backends.db import SessionStore

    from mcp_guard import testing

    user = get_user_model().objects.create_user("ada", password="x")
    scope = testing.grant_scope("reading", "tools/call:read_note")
    client = testing.add_client("acme", scopes=[scope])
    testing.list_origin(sys.argv[1], client, "notes", cookies=True)
    token = testing.issue_token(client, "notes", scopes=[scope], kind="browser").text
    session = SessionStore()
    session[SESSION_KEY] = str(user.pk)
    session[BACKEND_SESSION_KEY] = "django.contrib.auth.backends.ModelBackend"
    session[HASH_SESSION_KEY] = user.get_session_auth_hash()
    session.create()
    print(json.dumps({"token": token, "session": session.session_key}))


if __name__ == "__main__":
    main()
