"""Write the policy of the clients' tests and serve the probe: SERVER PORT TOKENS ORIGIN.

The texts of the tokens go to the file TOKENS; ORIGIN is what a page is listed under.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import django

os.environ["DJANGO_SETTINGS_MODULE"] = "tests.mcp.probe.settings"
django.setup()

from mcp_guard import testing  # noqa: E402 (needs the app registry)
from tests.migrated import migrate  # noqa: E402

APPLICATION = "tests.mcp.probe.asgi:application"
TOOLS = ("add", "whoami", "wait")


def write_policy(origin: str) -> dict[str, str]:
    """Return the texts of a token for programs and of one for pages; neither opens the tool ``forbidden``."""
    migrate()
    client = testing.add_client("partner")
    testing.list_origin(origin, client, "notes", "notes-view")
    scopes = [testing.grant_scope("most", *(f"tools/call:{name}" for name in TOOLS))]
    issue = {kind: testing.issue_token(client, "notes", "notes-view", scopes=scopes, kind=kind)
             for kind in ("server", "browser")}  # fmt: skip
    return {kind: issued.text for kind, issued in issue.items()}


def serve(server: str, port: int) -> None:
    match server:
        case "daphne":
            from daphne.cli import CommandLineInterface

            CommandLineInterface().run(["-v", "0", "-b", "127.0.0.1", "-p", str(port), APPLICATION])
        case "uvicorn":
            import uvicorn

            uvicorn.run(APPLICATION, host="127.0.0.1", port=port, log_level="warning")


if __name__ == "__main__":
    name, number, tokens, page = sys.argv[1:]
    Path(tokens).write_text(json.dumps(write_policy(page)))
    serve(name, int(number))
