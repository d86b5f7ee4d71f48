"""Write the probe's policy into the database of the environment and print its tokens as JSON."""

import json
import os

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.mcp.probe.settings")
django.setup()

from mcp_guard import testing  # noqa: E402 (needs the app registry)
from tests.migrated import migrate  # noqa: E402

migrate()
scope = testing.grant_scope("most", *(f"tools/call:{name}" for name in ("add", "whoami", "wait", "nap")))
notes = testing.grant_scope("public-notes", "resources/read:note://public/*", "prompts/get:summary")
client = testing.add_client("partner")
testing.list_origin("https://partner.example", client, "notes")
server = testing.issue_token(client, "notes", "notes-view", scopes=[scope, notes])
browser = testing.issue_token(client, "notes", scopes=[scope, notes], kind="browser")
one = testing.grant_scope("one", "tools/call:add")
only = testing.issue_token(client, "notes", "notes-view", scopes=[one], kind="any")
print(json.dumps({"server": server.text, "browser": browser.text, "one": only.text}))
