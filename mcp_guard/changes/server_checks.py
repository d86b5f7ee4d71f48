"""What a registered server has to be before its row is written, besides what each field has to be."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from django.core.exceptions import ValidationError

from mcp_guard import machine
from mcp_guard.changes.record import check
from mcp_guard.conf import config
from mcp_guard.conf.servers import Servers
from mcp_guard.live.server_rows import registration_of
from mcp_guard.models import RegisteredServer
from mcp_guard.policy.registration import Level, is_within


def serving_settings() -> Servers:
    """Return what the settings say of registered servers.

    Raises:
        ValidationError: when the project serves none.
    """
    settings = config().servers
    if settings.endpoint is None:
        raise ValidationError("MCP_GUARD has no SERVERS, so this project serves none")
    return settings


def check_server(row: RegisteredServer, settings: Servers) -> None:
    """Check what was typed, and only then what this machine says of it.

    Raises:
        ValidationError: by field.
    """
    check(
        row,
        level=_level_errors(row.level, settings),
        executable=_replaceable_errors(row),
        writable=_writable_errors(row),
        hosts=_hosts_errors(row),
    )
    refusals = machine.refusals(registration_of(row))
    if refusals:
        raise ValidationError(refusals)


def _level_errors(level: str, settings: Servers) -> list[str]:
    known = {each.value: each for each in Level}
    if level in known and known[level].is_looser_than(settings.level):
        return [f"SERVERS_LEVEL is “{settings.level.value}”: no server may be confined less"]
    return []


def _hosts_errors(row: RegisteredServer) -> list[str]:
    """Return that a process without namespaces has no way out to some hosts alone."""
    if row.hosts and row.level == Level.LANDLOCK.value:
        return ["the level “landlock” has no network at all; “required” has a way out to named hosts"]
    return []


def _writable_errors(row: RegisteredServer) -> list[str]:
    """Return that a server could replace what it is started from, or what another one is."""
    own = [f"{held}: it could replace what was approved" for held in _held(row.writable, row)]
    return own + [
        f"{held}, which the server {other.name} is started from"
        for other in _others(row)
        for held in _held(row.writable, other)
    ]


def _replaceable_errors(row: RegisteredServer) -> list[str]:
    """Return that another server could replace what this one is started from."""
    return [
        f"the server {other.name} may write there: {held}"
        for other in _others(row)
        for held in _held(other.writable, row)
    ]


def _others(row: RegisteredServer) -> Iterable[RegisteredServer]:
    """Return every other server; one that is disabled may have left something behind."""
    return RegisteredServer.objects.exclude(pk=row.pk)


def _held(writable: object, row: RegisteredServer) -> Iterator[str]:
    """Return which writable path holds what of a server: its program, arguments that are paths, secrets."""
    references = [text.partition("=")[2] for text in _texts(row.environment)]
    files = [text.removeprefix("file:") for text in references if text.startswith("file:")]
    programs = [row.executable, *(text for text in _texts(row.arguments) if text.startswith("/"))]
    for path in _texts(writable):
        for file in (*programs, *files):
            if is_within(file, path):
                yield f"{path} holds {file}"


def _texts(value: object) -> Iterable[str]:
    return [text for text in value if isinstance(text, str)] if isinstance(value, list) else []
