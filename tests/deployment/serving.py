"""The site under the servers of the documentation, started by the very commands that stand there."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tests.deployment.page import TEXT
from tests.faults.process import ROOT, Child, accepts
from tests.ports import free_port

START_SECONDS: Final = 60

COMMANDS: Final = {
    title: shlex.split(command)
    for title, command in re.findall(r"^### (.+)\n(?:.*\n)*?```console\n\$ (.+)\n", TEXT, re.MULTILINE)
}
"""The command of each section about a server, by the section's title."""


@dataclass(frozen=True)
class Site:
    """A running site: its port, the texts of its tokens, its process, and what has reached it.

    ``release`` is a file that lets event streams go on once it is there.
    """

    port: int
    tokens: list[str]
    browser: str
    child: Child
    record: Path
    release: Path
    environment: dict[str, str]

    @property
    def lines(self) -> list[dict[str, Any]]:
        """Everything that was recorded, in its order."""
        return [json.loads(line) for line in self.record.read_text("ascii").splitlines()]

    @property
    def reached(self) -> list[dict[str, Any]]:
        """The exchanges that the server handed over."""
        return [line for line in self.lines if "reached" in line]

    @property
    def ran(self) -> list[str]:
        """The guarded code that ran."""
        return [line["ran"] for line in self.lines if "ran" in line]

    def forget(self) -> None:
        """Empty the record and hold event streams."""
        self.record.write_text("")
        self.release.unlink(missing_ok=True)


@contextmanager
def serving(
    title: str, folder: Path, *, database: str = "", extra: Sequence[str] = (), **environment: str
) -> Iterator[Site]:
    """Run the site by the documented command of a server, with a database of its own unless one is named."""
    port, record, release = free_port(), folder / "record", folder / "release"
    record.touch()
    environment = {
        "DATABASE_URL": database or f"sqlite:///{folder / 'site.sqlite3'}",
        "DJANGO_SETTINGS_MODULE": "tests.deployment.site.settings",
        "HOME": str(folder),  # where gunicorn keeps a control socket
        "PYTHONPATH": str(ROOT),
        "SITE_RECORD": str(record),
        "SITE_RELEASE": str(release),
        **environment,
    }
    prepared = subprocess.run(
        [sys.executable, "-m", "tests.deployment.site"],
        cwd=ROOT, env=os.environ | environment, capture_output=True, text=True, check=True,
    )  # fmt: skip
    child = Child([*command_of(title, port), *extra], folder / "server.log", environment=environment)
    try:
        child.wait_until(lambda: accepts(port), START_SECONDS)
        secrets = json.loads(prepared.stdout)
        yield Site(port, secrets["tokens"], secrets["browser"], child, record, release, environment)
    finally:
        child.stop()


def command_of(title: str, port: int) -> list[str]:
    """Return the documented command of a server, for the site of the tests and a port of its own."""
    program, *arguments = COMMANDS[title]
    assert any("8000" in argument for argument in arguments)
    arguments = [argument.replace("8000", str(port)) for argument in arguments]
    arguments = [argument.replace("mysite.", "tests.deployment.site.") for argument in arguments]
    return [str(Path(sys.executable).with_name(program)), *arguments]
