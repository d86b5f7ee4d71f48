"""The demo site as a team hosts it: PostgreSQL, two Daphne processes, an administrator.

``python -m tests.browser.portal`` sets its database up and prints its secrets as JSON.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.child import ROOT, SERVERS, serving
from tests.ports import free_port

PASSWORD = "root"


@dataclass(frozen=True)
class Portal:
    """The running site: the ports of its processes, a token for the partner's pages, numbers of some rows."""

    ports: list[int]
    token: str
    rows: dict[str, int]

    @property
    def admin(self) -> str:
        """Where the admin of the first process is."""
        return f"http://127.0.0.1:{self.ports[0]}/admin/"


@contextmanager
def portal(database: str, folder: Path) -> Iterator[Portal]:
    """Serve the site from two processes on one database until the block ends."""
    environment = {
        "DATABASE_URL": database,
        "DJANGO_SETTINGS_MODULE": "tests.browser.portal_settings",
        "SECRET_KEY": "tests only",
    }
    prepared = subprocess.run(
        [sys.executable, "-m", "tests.browser.portal"],
        cwd=ROOT, env=os.environ | environment, capture_output=True, text=True, check=True,
    )  # fmt: skip
    said = json.loads(prepared.stdout)
    with ExitStack() as stack:
        ports = [free_port(), free_port()]
        for port in ports:
            command = [*SERVERS["daphne"], str(port), "project.asgi:application"]
            stack.enter_context(
                serving(*command, port=port, log=folder / f"{port}.log", environment=environment)
            )
        yield Portal(ports, said["token"], said["rows"])


def _prepare() -> None:
    import django

    django.setup()
    from django.contrib.auth import get_user_model

    from project.tour.site import set_up
    from tests.browser.refused_rows import write_refusals

    site = set_up()
    get_user_model().objects.create_superuser("root", password=PASSWORD)
    print(json.dumps({"token": site.browser_token, "rows": write_refusals()}))


if __name__ == "__main__":
    _prepare()
