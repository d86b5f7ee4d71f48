"""Write the probe's policy into the database of the environment and print its tokens as JSON."""

import json
import os

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.mcp.probe.settings")
django.setup()

from django.core.management import call_command  # noqa: E402 (needs the app registry)

from mcp_guard import testing  # noqa: E402

call_command("migrate", verbosity=0)
scope = testing.grant_scope("most", *(f"tools/call:{name}" for name in ("add", "whoami", "wait", "nap")))
client = testing.add_client("partner")
testing.list_origin("https://partner.example", client, "notes")
server = testing.issue_token(client, "notes", "notes-view", scopes=[scope])
browser = testing.issue_token(client, "notes", scopes=[scope], kind="browser")
print(json.dumps({"server": server.text, "browser": browser.text}))
