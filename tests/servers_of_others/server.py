"""A project with somebody else's server, changed as docs/other-servers.md says, and served by uvicorn."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection
from pathlib import Path
from typing import Any, Final, NamedTuple

from tests.docs.pages import blocks
from tests.docs.project import file_of
from tests.environments import ROOT, Environment, cached_environment
from tests.faults.process import Child, accepts
from tests.ports import free_port

PAGE: Final = ROOT / "docs" / "other-servers.md"
COMMON: Final = "Other people's servers"
OWN_NEEDS: Final = (
    "Django>=5.2.19,<6",
    "channels>=4.3.2,<5",
    "django-cors-headers>=4.9,<5",
    "uvicorn>=0.37,<1",
)
"""What the gate itself needs, and the server; the gate is taken from the checkout."""

START_SECONDS: Final = 60
_RECORD: Final = """
def ran(what):
    with open("ran.txt", "a") as record:
        record.write(f"{what}\\n")
"""


def bearer(token: str) -> dict[str, str]:
    """Return the header that presents a token."""
    return {"Authorization": f"Bearer {token}"}


class Answer(NamedTuple):
    """One HTTP answer."""

    status: int
    body: str


@dataclass
class Server:
    """Somebody else's server in a project of its own.

    ``needs`` are its packages, ``files`` what the project held before it was guarded, to be appended where
    Django has made the file already. ``shares`` are the packages of an environment that it shares.
    """

    heading: str
    needs: tuple[str, ...]
    files: dict[str, str]
    shares: tuple[str, ...] = ()
    environment: Environment = field(init=False)
    folder: Path = field(init=False)
    port: int = field(init=False, default=0)

    @property
    def ran(self) -> list[str]:
        """What ran behind the gate."""
        record = self.folder / "ran.txt"
        return record.read_text().split() if record.exists() else []

    def prepare(self, folder: Path) -> None:
        """Make the project and change it as the page says."""
        self.environment = cached_environment(*OWN_NEEDS, *(self.shares or self.needs))
        self.environment.run("django-admin", "startproject", "mysite", folder=folder)
        self.folder = folder / "mysite"
        self._append("mysite/record.py", _RECORD)
        for name, text in self.files.items():
            self._append(name, text)
        for block in blocks(PAGE):
            if block.language == "python" and block.heading in (COMMON, self.heading):
                self._append(file_of(block), block.text)
        self.manage("migrate", "-v", "0")

    def manage(self, *arguments: str) -> str:
        """Run ``manage.py`` and return what it printed."""
        variables = {"PYTHONPATH": str(ROOT)}
        return self.environment.run(
            "python", "manage.py", *arguments, folder=self.folder, variables=variables
        )

    def issue(self, endpoint: str, grant: str, *options: str) -> str:
        """Issue a token for one grant and return its text."""
        name = f"of-{len(grant)}-{len(options)}"
        self.manage("mcp_guard", "scope", "add", name, "--grant", grant)
        self.manage("mcp_guard", "client", "add", name)
        of = ("--client", name, "--name", name, "--endpoint", endpoint, "--scope", name)
        return str(json.loads(self.manage("mcp_guard", "token", "issue", *of, *options, "--json"))["token"])

    def request(self, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        """Send one request; underscores in the names of headers stand for hyphens."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=20)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        sent = None if body is None else json.dumps(body)
        if sent is not None:
            named.setdefault("Content-Type", "application/json")
        connection.request(method, path, sent, named)
        answer = connection.getresponse()
        read = Answer(answer.status, answer.read().decode())
        connection.close()
        return read

    @contextmanager
    def served(self) -> Iterator[None]:
        """Serve the project."""
        self.port = free_port()
        command = ["uvicorn", "mysite.asgi:application", "--port", str(self.port)]
        child = Child(
            [self.environment.program(command[0]), *command[1:]],
            self.folder / "uvicorn.log",
            environment={"DJANGO_SETTINGS_MODULE": "mysite.settings", "PYTHONPATH": str(ROOT)},
            folder=self.folder,
        )
        try:
            child.wait_until(lambda: accepts(self.port), START_SECONDS)
            yield
        finally:
            child.stop()

    def _append(self, name: str, text: str) -> None:
        path = self.folder / name
        old = path.read_text("utf-8") if path.exists() else ""
        path.write_text(f"{old}\n{text}", "utf-8")


@contextmanager
def prepared(server: Server, folder: Path) -> Iterator[Server]:
    """Prepare a server and serve it."""
    server.prepare(folder)
    with server.served():
        yield server
