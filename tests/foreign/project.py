"""A project that a stranger started and then guarded by following the README, served by real servers."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection
from pathlib import Path
from typing import Final, NamedTuple

from tests.docs.project import change, commands
from tests.environments import Environment
from tests.faults.process import Child, accepts
from tests.ports import free_port

CALL: Final = "Issue a token and call a tool"
START_SECONDS: Final = 60

SERVERS: Final = {
    "Daphne": "python manage.py runserver --noreload {port}",
    "uvicorn": "uvicorn mysite.asgi:application --port {port}",
    "gunicorn": "gunicorn mysite.wsgi --bind 127.0.0.1:{port}",
}
"""How each server is started in the folder of the project."""

_RECORD: Final = """
class Ran(list):
    def append(self, what):
        with open("ran.txt", "a") as record:
            record.write(f"{what}\\n")

RAN = Ran()
"""
_SESSION: Final = """
from django.contrib.auth import get_user_model
from django.test import Client
client = Client()
client.force_login(get_user_model().objects.create_user("victim"))
print(client.session.session_key)
"""


class Answer(NamedTuple):
    """What curl got."""

    status: int
    body: str


@dataclass
class Project:
    """A guarded project in a folder. ``tokens`` are those that the README's commands printed."""

    environment: Environment
    folder: Path
    tokens: list[str] = field(default_factory=list)
    session: str = ""
    port: int = 0

    @property
    def ran(self) -> list[str]:
        """What ran behind the gate."""
        record = self.folder / "ran.txt"
        return record.read_text().split() if record.exists() else []

    def curl(self, *extra: str, token: str | None = None, replaced: tuple[str, str] = ("", "")) -> Answer:
        """Run the README's curl as a shell does, with more options; return what it got."""
        [line] = [line for line in commands(CALL) if line.startswith("curl ")]
        assert "http://127.0.0.1:8000/" in line
        assert replaced[0] in line
        line = line.replace(":8000/", f":{self.port}/").replace(*replaced)
        if token is None:
            line = line.replace('-H "Authorization: Bearer $TOKEN"', "")
        script = f"{line} -sS -w '\\n%{{http_code}}' \"$@\""
        done = subprocess.run(
            ["bash", "-c", script, "curl", *extra],
            env=self.environment.variables | {"TOKEN": token or ""},
            capture_output=True,
            text=True,
            check=True,
        )
        body, _, status = done.stdout.rpartition("\n")
        return Answer(int(status), body)

    def handshake(self, origin: str) -> int:
        """Return the status of a WebSocket handshake with the victim's cookie."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=10)
        headers = {
            "Connection": "Upgrade",
            "Upgrade": "websocket",
            "Sec-WebSocket-Version": "13",
            "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
            "Sec-WebSocket-Protocol": "mcp",
            "Origin": origin,
            "Cookie": f"sessionid={self.session}",
        }
        connection.request("GET", "/ws/mcp", headers=headers)
        status = connection.getresponse().status
        connection.close()
        return status

    @contextmanager
    def served_by(self, server: str) -> Iterator[None]:
        """Serve the project."""
        self.port = free_port()
        program, *arguments = SERVERS[server].format(port=self.port).split()
        child = Child(
            [self.environment.program(program), *arguments],
            self.folder / f"{server}.log",
            environment={"DJANGO_SETTINGS_MODULE": "mysite.settings", "HOME": str(self.folder)},
            folder=self.folder,
        )
        try:
            child.wait_until(lambda: accepts(self.port), START_SECONDS)
            yield
        finally:
            child.stop()


def start_project(environment: Environment, empty: Path, variant: str) -> Project:
    """Start a project in an empty folder and follow the README for a variant, command by command."""
    environment.run("django-admin", "startproject", "mysite", folder=empty)
    project = Project(environment, empty / "mysite")
    change(project.folder, variant)
    (project.folder / "mysite" / "ran.py").write_text(_RECORD, "utf-8")
    for line in commands(CALL):
        if not line.startswith("curl "):
            done = subprocess.run(
                ["bash", "-c", line],
                cwd=project.folder,
                env=environment.variables,
                capture_output=True,
                text=True,
                check=False,
            )
            assert done.returncode == 0, f"{line}: {done.stderr}"
            project.tokens += re.findall(r"mcpg_[0-9A-Za-z]{49}", done.stdout)
    made = environment.run("python", "manage.py", "shell", "-v", "0", "-c", _SESSION, folder=project.folder)
    project.session = made.split()[-1]
    return project
