"""``mcp_server.process_isolation``: what the process of a registered server may do."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Final

from mcp_guard.sandbox.seccomp import ABSENT, FORBIDDEN
from mcp_guard.template.report import Becomes, shown
from mcp_guard.template.section import Section

FIELDS: Final = {
    "resource_limits": "bounds of memory and processor",
    "network_access": "whether it may reach hosts",
    "allowed_hosts": "which ones, as host:port",
    "filesystem_access": "what of the file system it may write",
    "writable_paths": "folders that it may write",
    "blocked_syscalls": "system calls that it may not use",
}
"""Every field of the section and what it is; the documentation is checked against it."""

LIMIT_FIELDS: Final = {
    "max_memory_mb": "most memory in MiB",
    "max_cpu_percent": "most processor time, 100 being one core",
}
"""Every field of ``resource_limits``. The other fields of the section may stand there, too."""

READ_ONLY, RESTRICTED = "read_only", "restricted"

_HOST = re.compile(
    r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)+:[1-9][0-9]{0,4}"
)
_LIMITS: Final = {"max_memory_mb": ("memory_mb", 16, 65_536), "max_cpu_percent": ("cpu_percent", 1, 6_400)}
"""Fields of ``resource_limits``: the field of a registered server that each is, and its bounds."""

_SYSTEM: Final = (
    "bin",
    "boot",
    "dev",
    "etc",
    "lib",
    "lib32",
    "lib64",
    "proc",
    "root",
    "run",
    "sbin",
    "sys",
    "usr",
)


@dataclass(frozen=True, slots=True)
class Isolation:
    """What the section says: fields of a registered server and their values, only those that it says."""

    values: tuple[tuple[str, int | list[str]], ...] = ()


@dataclass(frozen=True, slots=True)
class _Places:
    """The section and its ``resource_limits``: most fields may stand in either."""

    outer: Section
    limits: Section | None

    def of(self, name: str) -> Section:
        """Return where a field stands; one that stands twice is noted."""
        if self.limits is None or not self.limits.has(name):
            return self.outer
        if self.outer.has(name):
            self.limits.wrong(name, f"stands at {self.outer.at(name)}, too: leave one of them")
        return self.limits


def read(section: Section) -> Isolation:
    """Return what the section says, its mistakes noted."""
    others = {name: about for name, about in FIELDS.items() if name != "resource_limits"}
    limits = section.section("resource_limits", LIMIT_FIELDS | others)
    places = _Places(section, limits)
    found: dict[str, int | list[str] | None] = {}
    for name, (field, low, high) in _LIMITS.items():
        found[field] = number = limits.number(name, low, high) if limits else None
        if limits and number is not None:
            limits.becomes(name, Becomes.ROW, f"{field} of the registered server is {number}")
    found["hosts"] = _hosts(places)
    found["writable"] = _writable(places)
    _syscalls(places.of("blocked_syscalls"))
    return Isolation(tuple((field, value) for field, value in found.items() if value is not None))


def _hosts(places: _Places) -> list[str] | None:
    access, allowed = places.of("network_access"), places.of("allowed_hosts")
    is_open = access.flag("network_access")
    hosts = [_host(allowed, path, text) for path, text in allowed.texts("allowed_hosts") or ()]
    found = [host for host in hosts if host]
    if is_open and not allowed.values.get("allowed_hosts"):
        access.wrong("network_access", "would let it reach everything: name the hosts in allowed_hosts")
    if found and not is_open:
        allowed.wrong("allowed_hosts", "names hosts, while network_access is not true")
    if is_open is not None:
        what = "only the hosts of allowed_hosts can be reached" if is_open else "no host can be reached"
        access.becomes("network_access", Becomes.ROW, what)
    return None if is_open is None else found


def _host(section: Section, path: str, text: str) -> str | None:
    host = text.lower()
    if not _HOST.fullmatch(host) or int(host.rpartition(":")[2]) > 65535:
        section.report.wrong(path, f"is {shown(text)}, not a host and its port such as api.example.com:443")
        return None
    if host.rpartition(":")[0].replace(".", "").isdigit():
        section.report.wrong(path, f"is {shown(text)}: name the host, not an address")
        return None
    section.report.becomes(path, Becomes.ROW, f"{host} can be reached")
    return host


def _writable(places: _Places) -> list[str] | None:
    access, paths = places.of("filesystem_access"), places.of("writable_paths")
    kind = access.text("filesystem_access")
    found = paths.texts("writable_paths")
    good = [text for path, text in found or () if _is_writable(paths, path, text)]
    if kind not in (None, READ_ONLY, RESTRICTED):
        what = f"not {READ_ONLY} or {RESTRICTED}, which opens writable_paths alone"
        access.wrong("filesystem_access", f"is {shown(kind)}, {what}")
    elif kind == READ_ONLY and found:
        paths.wrong("writable_paths", f"names folders, while filesystem_access is {READ_ONLY}")
    elif kind == RESTRICTED and not paths.values.get("writable_paths"):
        access.wrong("filesystem_access", f"is {RESTRICTED}, but writable_paths names no folder")
    elif kind is not None:
        where = "writable_paths and" if good else "nothing but"
        access.becomes(
            "filesystem_access", Becomes.ROW, f"it writes to {where} a temporary folder of its own"
        )
    return None if kind is None and found is None else good


def _is_writable(section: Section, path: str, text: str) -> bool:
    parts = PurePosixPath(text).parts
    problem = ""
    if parts[:1] != ("/",) or str(PurePosixPath(text)) != text or ".." in parts:
        problem = "is not an absolute path in its plain form, without .. and a / at its end"
    elif len(parts) < 3:
        problem = "is a folder of the system: name one of the server's own, below it"
    elif parts[1] in _SYSTEM:
        problem = f"lies in /{parts[1]}, which belongs to the system"
    if problem:
        section.report.wrong(path, f"{shown(text)} {problem}")
    else:
        section.report.becomes(path, Becomes.ROW, "it may write here")
    return not problem


def _syscalls(section: Section) -> None:
    for path, text in section.texts("blocked_syscalls") or ():
        if text in (*FORBIDDEN, *ABSENT):
            section.report.becomes(path, Becomes.ALWAYS, "the filter of every confined server forbids it")
        else:
            section.report.wrong(
                path, f"is {shown(text)}, which the filter of confined servers does not forbid"
            )
