"""Write a client, tokens and registered servers into the database of the environment, and change them.

``add`` reads rows as JSON from standard input and prints tokens; ``set`` takes a name and JSON of changes.
"""

from __future__ import annotations

import json
import os
import sys

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.servers.site.settings")
django.setup()

from django.core.management import call_command  # noqa: E402 (needs the app registry)

from mcp_guard import testing  # noqa: E402
from mcp_guard.changes import servers  # noqa: E402
from mcp_guard.changes.record import Actor  # noqa: E402
from mcp_guard.models import RegisteredServer  # noqa: E402

ACTOR = Actor.of_command("tests", "tests")
GRANTED = (
    *("add", "pid", "remember", "count", "wait", "sleep", "crash", "hang", "noise", "log", "touch", "change"),
    *("where", "members", "spin", "trace", "cancelled"),
)
OTHERS = ("resources/read:fruit://apple", "resources/subscribe:fruit://apple", "prompts/get:praise")
METHODS = ("completion/complete", "logging/setLevel", "subscriptions/listen")


def add(rows: list[dict]) -> dict[str, str]:
    """Return the tokens of two clients for all of the rows."""
    call_command("migrate", verbosity=0)
    for values in rows:
        servers.add_server(ACTOR, **values)
    grants = rows[0].get("description", "").split() or [f"tools/call:{name}" for name in GRANTED]
    scope = testing.grant_scope("most", *grants, *OTHERS, *METHODS)
    endpoints = [f"servers.{values['name']}" for values in rows]
    clients = [testing.add_client(name) for name in ("ann", "bob")]
    tokens = {client.name: testing.issue_token(client, *endpoints, scopes=[scope]).text for client in clients}
    one = testing.issue_token(clients[0], endpoints[0], scopes=[scope], name="first alone")
    return {**tokens, "first": one.text}


def change(name: str, values: dict) -> None:
    """Change a row."""
    servers.set_server(ACTOR, RegisteredServer.objects.get(name=name), **values)


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["add"]:
            print(json.dumps(add(json.load(sys.stdin))))
        case ["set", name, values]:
            change(name, json.loads(values))
