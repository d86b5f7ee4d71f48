"""Run one copy of the corpus site: ``python -m tests.corpus.site --policy NAME --port N --server NAME``.

It prints the ready line that tests/corpus/README.md describes, and ends on SIGTERM.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import signal
import sys
import tempfile
from pathlib import Path
from typing import Final

import django

from tests.databases import postgres_database, sqlite_database
from tests.migrated import migrate

ROOT: Final = Path(__file__).resolve().parents[3]
ACTIONS: Final = ("revoke", "expire", "remove_origin", "origins")
ENVIRONMENT: Final = (
    "DJANGO_SETTINGS_MODULE",
    "CORPUS_POLICY",
    "CORPUS_DATABASE",
    "CORPUS_NONCE_FILE",
    "CORPUS_SECRET_KEY",
)


def main() -> None:
    """Serve until SIGTERM, then remove the database."""
    parser = argparse.ArgumentParser(prog="python -m tests.corpus.site")
    parser.add_argument("--policy", required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--server", choices=["daphne", "uvicorn"], required=True)
    parser.add_argument("--postgres", metavar="URL", help="a server for the database (default: SQLite)")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    server = options.postgres
    folder = tempfile.TemporaryDirectory()  # of the user alone, as the nonce file needs it
    with folder as private, postgres_database(server) if server else sqlite_database() as database:
        os.environ["DJANGO_SETTINGS_MODULE"] = "tests.corpus.site.settings"
        os.environ["CORPUS_POLICY"] = options.policy
        os.environ["CORPUS_DATABASE"] = database
        os.environ["CORPUS_NONCE_FILE"] = f"{private}/ws-nonce"
        django.setup()
        serve(options.server, options.port)


def serve(server: str, port: int) -> None:
    """Set the database up and hand the application to the server."""
    from django.conf import settings

    from tests.corpus.site import servers
    from tests.corpus.site.populate import populate

    migrate()
    placeholders, admin = populate(settings.POLICY)
    ready = {
        "ready": True,
        "port": port,
        "placeholders": placeholders,
        "actions": {name: _command(name) for name in ACTIONS},
        "admin": admin,
        "logs": [],
    }
    run = {"daphne": servers.run_daphne, "uvicorn": servers.run_uvicorn}[server]
    run(port, lambda: print(json.dumps(ready), flush=True))


def _command(action: str) -> str:
    """Return a shell command that runs an action on the database of this copy."""
    settings = [f"{name}={shlex.quote(os.environ[name])}" for name in ENVIRONMENT]
    python = [shlex.quote(sys.executable), "-m", "tests.corpus.site.action", action]
    return f"cd {shlex.quote(str(ROOT))} && " + " ".join(["env", *settings, *python])


if __name__ == "__main__":
    main()
