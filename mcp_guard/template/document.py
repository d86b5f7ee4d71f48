"""A whole template: its sections, read, with what becomes of each field."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final

from mcp_guard.template import authentication, isolation, logs, websocket
from mcp_guard.template.authentication import Authentication
from mcp_guard.template.isolation import Isolation
from mcp_guard.template.logs import Logging
from mcp_guard.template.report import Effect, Report, item, member, shown
from mcp_guard.template.section import Section
from mcp_guard.template.websocket import WebSocket

ROOT: Final = "mcp_server"

SECTIONS: Final = {
    "websocket": "who may open a connection, and over what",
    "authentication": "what clients present, and what each token may do",
    "process_isolation": "what the process of a registered server may do",
    "logging": "what is recorded, where it is shipped, and what alerts",
}
"""The sections of a template; each may be left out."""


@dataclass(frozen=True, slots=True)
class Template:
    """What a template says. A section that is left out says nothing; without isolation it is None.

    ``said`` are the paths of everything in it.
    """

    websocket: WebSocket = field(default_factory=WebSocket)
    authentication: Authentication = field(default_factory=Authentication)
    isolation: Isolation | None = None
    logging: Logging = field(default_factory=Logging)
    said: frozenset[str] = frozenset()


def read(document: object, now: datetime, report: Report) -> Template:
    """Return what any JSON value says as a template at a moment; what is wrong with it goes to the report."""
    if not isinstance(document, dict):
        report.wrong("", f"the template is {shown(document)}, not an object")
        return Template()
    top = Section("", document, report)
    top.refuse_unknown({ROOT: ""})
    server = top.section(ROOT, SECTIONS)
    if server is None:
        if not top.has(ROOT):
            top.wrong(ROOT, "is missing: a template is an object with this one member")
        return Template()
    if not server.values:
        top.wrong(ROOT, f"says nothing; it has some of {', '.join(SECTIONS)}")
    return replace(_sections(server, now), said=frozenset(paths(document)))


def in_order(document: object, effects: list[Effect]) -> list[Effect]:
    """Return effects in the order of the fields of a document; those of no field come last."""
    order = {path: place for place, path in enumerate(paths(document))}
    return sorted(effects, key=lambda effect: order.get(effect.path, len(order)))


def paths(value: object, path: str = "") -> Iterator[str]:
    """Yield the path of everything in a JSON value, in its order."""
    yield path
    inner: list[tuple[str, Any]] = []
    if isinstance(value, dict):
        inner = [(member(path, name), each) for name, each in value.items()]
    elif isinstance(value, list):
        inner = [(item(path, index), each) for index, each in enumerate(value)]
    for below, each in inner:
        yield from paths(each, below)


def _sections(server: Section, now: datetime) -> Template:
    doors = server.section("websocket", websocket.FIELDS)
    clients = server.section("authentication", authentication.FIELDS)
    process = server.section("process_isolation", isolation.FIELDS)
    records = server.section("logging", logs.FIELDS)
    return Template(
        websocket.read(doors) if doors else WebSocket(),
        authentication.read(clients, now) if clients else Authentication(),
        isolation.read(process) if process else None,
        logs.read(records) if records else Logging(),
    )
