"""Changes of registered servers. What runs has to be approved, by a second person unless settings say not.

An approval is the most that may run: whatever stays within it needs no other, whatever goes beyond it has
the server refuse everyone, and its processes stopped, until somebody has approved that, too.
"""

from __future__ import annotations

from typing import Any, Final

from django.core.exceptions import ValidationError
from django.db.models import TextField
from django.db.models.functions import Cast

from mcp_guard.changes.record import Actor, Recorded, change, fields
from mcp_guard.changes.server_approval import askers, settle
from mcp_guard.changes.server_checks import check_server, serving_settings
from mcp_guard.conf import config
from mcp_guard.conf.servers import PREFIX
from mcp_guard.models import AllowedOrigin, EndpointState, RegisteredServer, Token
from mcp_guard.policy.registration import COVERED

_AUDITED: Final = ("name", "description", "enabled", *COVERED, "idle_seconds")


def add_server(actor: Actor, *, name: str, executable: str, **values: Any) -> RegisteredServer:
    """Register a server; it serves nobody before it is approved, where the settings ask for that.

    Raises:
        ValidationError: by field.
    """
    settings = serving_settings()
    with change(actor, "server:add") as recorded:
        if RegisteredServer.objects.count() >= settings.rows:
            raise ValidationError(f"SERVER_ROWS lets {settings.rows} servers be registered, and they are")
        row = RegisteredServer(name=name, executable=executable)
        _assign(row, values)
        check_server(row, settings)
        settle(actor, row, None, is_changed=True, alone=not settings.need_approval)
        row.save()
        _record(recorded, row)
    return row


def set_server(actor: Actor, row: RegisteredServer, **values: Any) -> RegisteredServer:
    """Change fields of a registered server; ``enabled=False`` stops it and refuses everyone at once.

    Raises:
        ValidationError: by field. Its name stays: tokens and origins name its endpoint.
    """
    is_stop = values == {"enabled": False}  # which depends on nothing
    settings = config().servers if is_stop else serving_settings()
    with change(actor, _tag(values)) as recorded:
        row = RegisteredServer.objects.select_for_update().get(pk=row.pk)
        if values.get("name", row.name) != row.name:
            raise ValidationError({"name": ["a server keeps its name, as tokens name its endpoint"]})
        recorded.before, known = fields(row, *_AUDITED), askers(row)
        _assign(row, values)
        if not is_stop:
            check_server(row, settings)
            is_changed = any(recorded.before[name] != getattr(row, name) for name in COVERED)
            settle(actor, row, known, is_changed=is_changed, alone=not settings.need_approval)
        row.save()
        _record(recorded, row)
    return row


def remove_server(actor: Actor, row: RegisteredServer) -> None:
    """Remove a server whose endpoint nothing names any more, and what was switched on that.

    Raises:
        ValidationError: while a token that is not revoked, or an origin, names its endpoint: a later server
            of the same name would inherit them.
    """
    with change(actor, "server:remove") as recorded:
        row = RegisteredServer.objects.select_for_update().get(pk=row.pk)
        _refuse_while_named(f"{PREFIX}{row.name}")
        recorded.subject, recorded.subject_id = row.name, str(row.pk)
        recorded.before = fields(row, *_AUDITED)
        EndpointState.objects.filter(name=f"{PREFIX}{row.name}").delete()
        row.delete()


def _tag(values: dict[str, Any]) -> str:
    if set(values) != {"enabled"}:
        return "server:set"
    return "server:enable" if values["enabled"] else "server:disable"


def _assign(row: RegisteredServer, values: dict[str, Any]) -> None:
    for name, value in values.items():
        if name not in _AUDITED:
            raise TypeError(f"a registered server has no field {name!r}")
        setattr(row, name, value)


def _record(recorded: Recorded, row: RegisteredServer) -> None:
    recorded.subject, recorded.subject_id = row.name, str(row.pk)
    recorded.after = fields(row, *_AUDITED)


def _refuse_while_named(endpoint: str) -> None:
    quoted = f'"{endpoint}"'
    tokens = Token.objects.filter(revoked_at=None).alias(text=Cast("endpoints", TextField()))
    origins = AllowedOrigin.objects.alias(text=Cast("endpoints", TextField()))
    for rows, what in ((tokens, "tokens that are not revoked"), (origins, "origins")):
        count = rows.filter(text__contains=quoted).count()
        if count:
            raise ValidationError(
                f"{count} {what} name the endpoint {endpoint}; take it from them first, or disable the server"
            )
