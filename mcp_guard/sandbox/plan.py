"""How a command is started under a confinement: command line, descriptors, and what has to be tidied up."""

from __future__ import annotations

import asyncio
import sys
from contextlib import AsyncExitStack, ExitStack
from dataclasses import dataclass
from typing import Any, Final

from mcp_guard.sandbox import bubblewrap, cgroup, needs
from mcp_guard.sandbox.bundle import archive, launcher, memory_file
from mcp_guard.sandbox.cgroup import Cgroups
from mcp_guard.sandbox.command import Command
from mcp_guard.sandbox.confinement import Confinement, Level
from mcp_guard.sandbox.egress import SOCKET
from mcp_guard.sandbox.filesystem import PRIVATE, SMALL, view
from mcp_guard.sandbox.inside import landlock
from mcp_guard.sandbox.interpreter import SYSTEM_PYTHON, Interpreter
from mcp_guard.sandbox.limits import limits
from mcp_guard.sandbox.private import make_folder, remove_folder, threads_of
from mcp_guard.sandbox.seccomp import watched
from mcp_guard.sandbox.steps import Steps, paths_in_namespaces, paths_of_machine

PATH: Final = "/usr/local/bin:/usr/bin:/bin"
LANGUAGE: Final = "C.UTF-8"
PROXY_PORT: Final = 3128
PROXY_FOLDER: Final = "/run/proxy"
PROXY_SOCKET: Final = f"{PROXY_FOLDER}/{SOCKET}"
PROXY_ENVIRONMENT: Final = {
    **dict.fromkeys(("HTTPS_PROXY", "https_proxy"), f"http://127.0.0.1:{PROXY_PORT}"),
    "NODE_USE_ENV_PROXY": "1",
}
"""What tells programs of the proxy: most HTTP clients, and Node from version 22.21 on."""


@dataclass(frozen=True, slots=True)
class Plan:
    """A start that is ready to be made.

    Attributes:
        argv: the command line: descriptors, and nothing that is secret.
        descriptors: those that the child inherits.
        cgroups: those of the box.
        user: user and group that it runs as.
        folder: a folder of the machine that is the box's own; empty for none.
        hosts: to which a proxy leads that has to listen in that folder.
    """

    argv: list[str]
    descriptors: tuple[int, ...]
    cgroups: Cgroups
    user: tuple[int, int]
    folder: str
    hosts: tuple[str, ...]


def plan(
    command: Command, confinement: Confinement, status: int, opened: ExitStack, tidy: AsyncExitStack
) -> Plan:
    """Return how a command is started.

    Args:
        command: what is started.
        confinement: what it may do.
        status: where the child says that it is ready, or what failed.
        opened: descriptors that can be closed once the child has them.
        tidy: what has to be removed when the box has ended, or has not been started.

    Raises:
        CommandRefusedError: when the command or a path of the confinement cannot be used.
        ConfinementUnavailableError: when this machine cannot confine it so.
    """
    return _Planning(command, confinement, status, opened).plan(tidy)


class _Planning:
    """One start while it is put together."""

    def __init__(self, command: Command, confinement: Confinement, status: int, opened: ExitStack) -> None:
        self.command = command
        self.confinement = confinement
        self.status = status
        self.opened = opened
        self.user = needs.user_of(confinement)
        self.python = needs.python_for(confinement)
        self.view = view(command, confinement, self.python)
        self.filter = needs.filter_for(confinement).hex()
        self.hosts = confinement.hosts if self.python else ()
        self.inherited = [status]

    def plan(self, tidy: AsyncExitStack) -> Plan:
        self.archive = self._file(archive())
        self.folder = make_folder(*self.user) if self.hosts or not self.python else ""
        if self.folder:
            tidy.push_async_callback(asyncio.to_thread, remove_folder, self.folder)
        self.cgroups = cgroup.create(self.confinement)
        tidy.push_async_callback(self.cgroups.remove)
        steps = self._of_machine(self.python) if self.python else self._alone()
        argv = launcher(sys.executable or SYSTEM_PYTHON, self.archive, self._file(steps.encoded()))
        return Plan(argv, tuple(self.inherited), self.cgroups, self.user, self.folder, self.hosts)

    def _of_machine(self, python: Interpreter) -> Steps:
        """Return the steps that lead into bubblewrap, and in it to the rest of them."""
        forward = {"port": PROXY_PORT, "socket": PROXY_SOCKET} if self.hosts else None
        last = self._last(forward=forward, landlock=self._landlock(paths_in_namespaces(self.view)))
        inner = self._file(last.encoded())
        user, group = self.user
        data = {
            "/etc/passwd": self._file(f"server:x:{user}:{group}::{PRIVATE}:/usr/sbin/nologin\n".encode()),
            "/etc/group": self._file(f"server:x:{group}:\n".encode()),
            "/etc/hosts": self._file(b"127.0.0.1 localhost\n::1 localhost\n"),
        }
        options = bubblewrap.options(
            self.view,
            folder=self.command.folder,
            tmp_bytes=self.confinement.tmp_bytes,
            data=data,
            sockets={PROXY_FOLDER: self.folder} if self.hosts else {},
        )
        around = needs.filter_around(self.confinement)
        options += bubblewrap.filtered(self._file(around)) if around else b""
        argv = [bubblewrap.PROGRAM, "--args", str(self._file(options)), "--"]
        argv += launcher(python.path, self.archive, inner)
        return Steps(
            status=self.status,
            argv=argv,
            keep=list(self.inherited),
            cgroups=self.cgroups.entrances,
            user=self.confinement.run_as,
            last=False,
        )

    def _alone(self) -> Steps:
        """Return the steps of a process that sees the machine."""
        confined = self.confinement.level is Level.LANDLOCK
        return self._last(
            cgroups=self.cgroups.entrances,
            user=self.confinement.run_as,
            alone=True,
            landlock=self._landlock(paths_of_machine(self.view, self.folder)) if confined else None,
        )

    def _last(self, **changes: Any) -> Steps:
        """Return the steps that end in the registered program."""
        memory, processes = not self.cgroups.has_memory, not self.cgroups.has_processes
        others = threads_of(self.user[0]) if processes and not self.python else 0
        return Steps(
            status=self.status,
            argv=[self.command.executable, *self.command.arguments],
            environment=self._environment(),
            folder=self.command.folder,
            limits=limits(self.confinement, memory=memory, processes=processes, others=others),
            watch=self._watch(),
            filter=self.filter,
            **changes,
        )

    def _watch(self) -> dict[str, Any] | None:
        if not (self.filter and self.confinement.kill):
            return None
        own = (PRIVATE, *SMALL) if self.python else (self.folder,)
        return watched() | {"writable": [*own, *self.view.writable], "readable": [*self.view.readable]}

    def _landlock(self, paths: dict[str, list[str]]) -> dict[str, Any] | None:
        ports = [PROXY_PORT] if self.hosts else []
        return {"paths": paths, "ports": ports} if landlock.version() else None

    def _environment(self) -> dict[str, str]:
        private = PRIVATE if self.python else self.folder
        own = {"PATH": PATH, "HOME": private, "TMPDIR": private, "LANG": LANGUAGE}
        if self.confinement.kill:
            own["PYTHONDONTWRITEBYTECODE"] = "1"  # beside its modules, which it would be killed for
        return own | (PROXY_ENVIRONMENT if self.hosts else {}) | dict(self.command.environment)

    def _file(self, content: bytes) -> int:
        """Return a descriptor that the child inherits and reads the content from."""
        descriptor = memory_file(self.opened, content)
        self.inherited.append(descriptor)
        return descriptor
