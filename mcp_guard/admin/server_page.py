"""What the screens say of a registered server: its command, what of it is approved, its last words."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import Any

from django.utils.dateparse import parse_datetime
from django.utils.formats import localize
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from mcp_guard import machine
from mcp_guard.admin import columns
from mcp_guard.approval import Approval, names_of
from mcp_guard.conf import parse
from mcp_guard.conf.servers import PREFIX
from mcp_guard.live.rows import UnparsableRow
from mcp_guard.live.server_rows import registration_of
from mcp_guard.models import RegisteredServer, ServerRun
from mcp_guard.policy.registration import COVERED, Level
from mcp_guard.server_state import ServerState, differences, digest_of, server_state
from mcp_guard.servers.runs import recorded

STATES = {
    ServerState.READY: gettext_lazy("ready"),
    ServerState.NOT_APPROVED: gettext_lazy("waits for approval"),
    ServerState.DISABLED: gettext_lazy("disabled"),
    ServerState.UNUSABLE: gettext_lazy("cannot be used"),
    ServerState.NOT_SERVED: gettext_lazy("not served: MCP_GUARD has no SERVERS"),
}

UNITS = {
    "memory_mb": gettext_lazy("%(number)s MiB"),
    "file_mb": gettext_lazy("%(number)s MiB"),
    "tmp_mb": gettext_lazy("%(number)s MiB"),
    "cpu_percent": gettext_lazy("%(number)s %%"),
    "cpu_seconds": gettext_lazy("%(number)s s"),
}
"""How the number in a field is shown."""


@dataclass(frozen=True, slots=True)
class Line:
    """One field of what would run, beside what was approved of it."""

    name: str
    asked: SafeString
    granted: SafeString
    needs_approval: bool


@dataclass(frozen=True, slots=True)
class ServerPage:
    """What one page says of a server. ``problem`` is why its row cannot be used, then there are no lines.

    ``runs`` are its processes as they last said, each with the end of what it wrote to standard error.
    """

    endpoint: str
    lines: list[Line]
    digest: str
    approved: str
    asked_by: list[str]
    runs: list[ServerRun]
    problem: str = ""

    @property
    def is_as_approved(self) -> bool:
        """Whether nothing of it needs another approval."""
        return not any(line.needs_approval for line in self.lines)


def server_page(row: RegisteredServer) -> ServerPage:
    """Return what a page says of a server."""
    known = approved(row), names_of(row.changed_by), recorded(row.name)
    try:
        return ServerPage(f"{PREFIX}{row.name}", _lines(row), digest_of(row), *known)
    except UnparsableRow as error:
        return ServerPage(f"{PREFIX}{row.name}", [], "", *known, str(error))


def state(row: RegisteredServer) -> SafeString:
    """Return the state of a server: a word, and a class for its colour."""
    found = server_state(row, parse().servers)
    return format_html(
        '<span class="mcp-guard-state mcp-guard-{}" data-state="{}">{}</span>',
        "on" if found is ServerState.READY else "off", found.name.lower(), STATES[found],
    )  # fmt: skip


def notices(row: RegisteredServer) -> list[str]:
    """Return what keeps a server from running: its row, and this machine as far as it can tell."""
    match server_state(row, parse().servers):
        case ServerState.DISABLED:
            return [_("This server is disabled: everybody is refused.")]
        case ServerState.UNUSABLE:
            return [_("This row cannot be used: everybody is refused.")]
        case ServerState.NOT_SERVED:
            return [_("MCP_GUARD has no SERVERS: this project serves no server.")]
        case ServerState.NOT_APPROVED:
            text = _("What it runs is not approved: everybody is refused until somebody else approves it.")
            return [text, *_obstacles(row)]
        case ServerState.READY:
            return _obstacles(row)


def _obstacles(row: RegisteredServer) -> list[str]:
    found = machine.obstacle(registration_of(row))
    return [_("This machine would not start it: %(why)s") % {"why": found}] if found else []


def command(row: RegisteredServer) -> SafeString:
    """Return the executable and its arguments, so that none runs into the next."""
    arguments = row.arguments if isinstance(row.arguments, list) else []
    return format_html('<span class="mcp-guard-names">{}</span>', _codes([row.executable, *arguments]))


def level(row: RegisteredServer) -> SafeString:
    """Return how a server is confined, the loosest with a warning."""
    if row.level == Level.REQUIRED.value:
        return columns.code(row.level)
    return columns.warning(row.level)


def texts(stored: object) -> SafeString:
    """Return a list of texts, each on a line of its own."""
    if not isinstance(stored, list):
        return columns.warning(_("not a list of texts"))
    return _value(stored)


def approved(row: RegisteredServer) -> str:
    """Return who approved a server and when, empty when nobody did."""
    found = Approval.of_row(row.approval)
    if found is None:
        return ""
    moment = parse_datetime(found.at)
    return _("%(name)s, %(at)s") % {"name": found.by[1], "at": localize(moment) if moment else found.at}


def _lines(row: RegisteredServer) -> list[Line]:
    changed = {each.field: each for each in differences(row)}
    lines = []
    for name in COVERED:
        found = changed.get(name)
        asked, before = getattr(row, name), found.granted if found else getattr(row, name)
        label = str(row._meta.get_field(name).verbose_name)  # type: ignore[union-attr] # no relation
        is_more = found is not None and found.is_more
        lines.append(Line(label, _shown(name, asked), _shown(name, before), is_more))
    return lines


def _shown(name: str, value: Any) -> SafeString:
    if name in UNITS and isinstance(value, int):
        return columns.code(UNITS[name] % {"number": value})
    return _value(value)


def _value(value: Any) -> SafeString:
    match value:
        case None | "" | []:
            return columns.code(columns.NOTHING)
        case bool():
            return columns.code(_("yes") if value else _("no"))
        case list():
            return format_html('<span class="mcp-guard-stacked">{}</span>', _codes(value))
        case _:
            return _code(value)


def _codes(found: list[Any]) -> SafeString:
    return format_html_join(" ", "{}", ((_code(each),) for each in found))


def _code(value: Any) -> SafeString:
    """Return a text so that no space of it goes unseen, and no letter passes for another."""
    text = str(value)
    shown = columns.code(shlex.quote(text) if not text or any(map(str.isspace, text)) else text)
    if text.isascii():
        return shown
    return format_html("{} {}", shown, columns.warning(_("with letters beyond ASCII")))
