"""Write the policy into an empty database and serve the site: SERVER PORT."""

from __future__ import annotations

import os
import sys

import django

os.environ["DJANGO_SETTINGS_MODULE"] = "tests.conformance.site.settings"
django.setup()

from mcp_guard import testing  # noqa: E402 (needs the app registry)
from tests.conformance.site.grants import GRANTS  # noqa: E402
from tests.migrated import migrate  # noqa: E402

APPLICATION = "tests.conformance.site.asgi:application"


def write_policy(port: int) -> str:
    """Return the text of a token for everything that the server offers."""
    migrate()
    client = testing.add_client("conformance")
    testing.list_origin(f"http://127.0.0.1:{port}", client, "mounted", "viewed")
    scope = testing.grant_scope("everything", *GRANTS)
    return testing.issue_token(client, "mounted", "viewed", scopes=[scope], kind="any").text


def serve(server: str, port: int) -> None:
    match server:
        case "daphne":
            from daphne.cli import CommandLineInterface

            arguments = ["-v", "0", "-b", "127.0.0.1", "-p", str(port), APPLICATION]
            CommandLineInterface().run(arguments)
        case "uvicorn":
            import uvicorn

            uvicorn.run(APPLICATION, host="127.0.0.1", port=port, log_level="warning")


name, number = sys.argv[1], int(sys.argv[2])
os.environ["CONFORMANCE_TOKEN"] = write_policy(number)
serve(name, number)
