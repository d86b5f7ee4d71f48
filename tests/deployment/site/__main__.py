"""Set the site's database up and print its tokens as JSON: ``python -m tests.deployment.site``."""

from __future__ import annotations

import json

import django

django.setup()

from mcp_guard import testing  # noqa: E402 (needs the app registry)
from tests.migrated import migrate  # noqa: E402

TOKENS = 8
"""More than a process looks up at a time."""

migrate()
scope = testing.grant_scope("most", "tools/call:add")
client = testing.add_client("partner")
testing.list_origin("https://app.example", client, "notes")
tokens = [testing.issue_token(client, "notes", scopes=[scope]) for _ in range(TOKENS)]
browser = testing.issue_token(client, "notes", scopes=[scope], kind="browser")
print(json.dumps({"tokens": [issued.text for issued in tokens], "browser": browser.text}))
