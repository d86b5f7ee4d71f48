"""Set the demo site up, serve it, and take a tour of it with real clients."""

from __future__ import annotations

import asyncio
import os
import signal
from argparse import ArgumentParser, ArgumentTypeError
from pathlib import Path
from typing import Any
from urllib.parse import quote

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from project.settings import BASE_DIR
from project.tour.guide import take_tour
from project.tour.serving import COMMANDS, HOST, NotServing, command, is_free, serving
from project.tour.site import ADMINISTRATOR, LISTED_ORIGIN, Site, recreate, set_up


class Command(BaseCommand):
    """manage.py demo."""

    help = "Set the demo site up, serve it on 127.0.0.1, and take a tour of it with real clients."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--port", type=_port, default=8000, help="where to listen (8000)")
        parser.add_argument("--server", choices=sorted(COMMANDS), default="daphne", help="which server")
        parser.add_argument(
            "--once", action="store_true", help="end after the tour; exit 0 only if all of it held"
        )

    def handle(self, *, port: int, server: str, once: bool, **_options: Any) -> None:
        if not is_free(port):
            raise CommandError(f"Port {port} on {HOST} is in use; choose another with --port.", returncode=2)
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        try:
            self._demonstrate(port, server, once=once)
        except NotServing as error:
            raise CommandError(str(error)) from None
        except KeyboardInterrupt:
            if once:
                raise CommandError("Interrupted.", returncode=130) from None
            self._say("\nStopped.")

    def _demonstrate(self, port: int, server: str, *, once: bool) -> None:
        var = BASE_DIR / "var"
        environment = _environment(var / f"demo-{port}.sqlite3")
        site = set_up()
        self._say(f"Administrator: {ADMINISTRATOR}, password (shown once): {site.password}")
        log = var / f"demo-{port}.log"
        with serving(command(server, port), port, BASE_DIR, log, environment) as process:
            failed = asyncio.run(take_tour(port, site, self._say))
            if once:
                _report(failed)
                return
            self._say(_where_to_click(port, site))
            raise CommandError(f"The server ended with status {process.wait()}.")

    def _say(self, text: str) -> None:
        self.stdout.write(text)
        self.stdout.flush()


def _report(failed: int) -> None:
    if failed:
        raise CommandError(f"{failed} stops of the tour did not hold.")


def _port(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 0 < int(text) < 65536:
        raise ArgumentTypeError("a port is a number from 1 to 65535")
    return int(text)


def _environment(file: Path) -> dict[str, str]:
    """Return what the server's environment needs besides; without DATABASE_URL, start over with a file."""
    hosts = ",".join(sorted({HOST, "localhost", *settings.ALLOWED_HOSTS}))
    if os.environ.get("DATABASE_URL"):
        return {"ALLOWED_HOSTS": hosts}
    recreate(file)
    return {"ALLOWED_HOSTS": hosts, "DATABASE_URL": f"sqlite:///{quote(str(file))}"}


def _where_to_click(port: int, site: Site) -> str:
    base = f"{HOST}:{port}"
    return f"""
The site goes on serving until Ctrl-C.
  http://{base}/admin/       log in as {ADMINISTRATOR}: revoke a token, list an origin, change a scope
  http://{base}/mcp          the notes, with a token
  http://{base}/django/mcp   the same behind a Django view
  http://{base}/public/mcp   public notes, without a token
  ws://{base}/ws/mcp         the notes over WebSocket
Tokens, shown once:
  for agents, which send no Origin:              {site.server_token}
  for pages of {LISTED_ORIGIN}:  {site.browser_token}"""
