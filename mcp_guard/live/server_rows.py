"""Rows of registered servers become registrations: what may run, or why nothing does."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

from django.core.exceptions import ValidationError

from mcp_guard import approval
from mcp_guard.approval import Approval
from mcp_guard.conf import Config
from mcp_guard.conf.servers import PREFIX, Servers
from mcp_guard.live.rows import UnparsableRow
from mcp_guard.models import RegisteredServer
from mcp_guard.policy.decision import Reason
from mcp_guard.policy.endpoint import Endpoint
from mcp_guard.policy.registration import COVERED, Level, Registration

_CHECKED: Final = ("name", *COVERED, "idle_seconds")


class Serves(NamedTuple):
    """What a row makes of a server: ``unserved`` is why it does not run, None when it may."""

    registration: Registration
    unserved: Reason | None


def read_servers(alias: str, settings: Servers) -> tuple[dict[str, Serves | None], list[str]]:
    """Return every registered server by name, None for a row that holds none, and what is wrong with rows.

    Empty where the project serves none.

    Raises:
        django.db.Error: when the database cannot be read.
    """
    found: dict[str, Serves | None] = {}
    problems: list[str] = []
    if settings.endpoint is None:
        return found, problems
    rows = RegisteredServer.objects.using(alias).all()[: settings.rows + 1]
    if len(rows) > settings.rows:
        problems.append(
            f"SERVER_ROWS is {settings.rows}, and more are registered: the last ones are left out"
        )
    for row in rows[: settings.rows]:
        try:
            found[row.name] = serves(row, settings)
        except UnparsableRow as error:
            found[row.name] = None
            problems.append(f"{row._meta.verbose_name} #{row.pk}: {error}")
    return found, problems


def declared(
    servers: Mapping[str, Serves | None], settings: Config
) -> Iterator[tuple[Endpoint, Reason | None]]:
    """Yield each endpoint that there is, with why nothing is served behind it."""
    for endpoint in settings.endpoints.values():
        yield endpoint, None
    if settings.servers.endpoint is not None:
        yield settings.servers.endpoint, Reason.SERVER_UNKNOWN
    for name, found in servers.items():
        made = settings.servers.made_for(f"{PREFIX}{name}")
        if made is not None:
            yield made, Reason.SERVER_UNUSABLE if found is None else found.unserved


def running(servers: Mapping[str, Serves | None]) -> dict[str, Registration]:
    """Return what may run, by name."""
    return {
        name: found.registration
        for name, found in servers.items()
        if found is not None and found.unserved is None
    }


def serves(row: RegisteredServer, settings: Servers) -> Serves:
    """Return what a row makes of its server.

    Raises:
        UnparsableRow: when it holds what no form would have let in.
    """
    registration = registration_of(row)
    if not row.enabled:
        return Serves(registration, Reason.SERVER_DISABLED)
    if registration.level.is_looser_than(settings.level):
        return Serves(registration, Reason.SERVER_UNUSABLE)
    if not is_approved(row, registration, of_two=settings.need_approval):
        return Serves(registration, Reason.SERVER_NOT_APPROVED)
    return Serves(registration, None)


def registration_of(row: RegisteredServer) -> Registration:
    """Return what a row registers.

    Raises:
        UnparsableRow: when it holds what no form would have let in.
    """
    try:
        row.clean_fields(exclude={field.name for field in row._meta.fields} - {*_CHECKED})
    except ValidationError as error:
        name, texts = next(iter(error.message_dict.items()))
        raise UnparsableRow(f"{name}: {texts[0]}") from None
    values: dict[str, Any] = {name: _value(getattr(row, name)) for name in _CHECKED}
    values["level"] = Level(row.level)
    return Registration(**values)


def is_approved(row: RegisteredServer, registration: Registration, *, of_two: bool) -> bool:
    """Return whether an approval covers all that is registered; ``of_two`` asks for a second person's."""
    found = Approval.of_row(row.approval)
    return approval.granted(registration, found, row.approval_seal, of_two=of_two)


def _value(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
