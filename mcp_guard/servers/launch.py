"""Start what a row says, in a box; nothing of any request is at hand here."""

from __future__ import annotations

from mcp_guard.live.servers import all_registered
from mcp_guard.machine import confinement_of, user_of
from mcp_guard.policy.registration import Registration
from mcp_guard.sandbox import box
from mcp_guard.sandbox.box import Box
from mcp_guard.sandbox.command import Command, CommandRefusedError
from mcp_guard.servers.environment import values
from mcp_guard.servers.tail import Tail


async def start(registration: Registration, tail: Tail) -> Box:
    """Start the command of a row; the values of its environment will not be shown in what it writes.

    Raises:
        CommandRefusedError: when it is not fit to be run, or a value of its environment is missing.
        ConfinementUnavailableError: when this machine cannot confine it as the row says.
    """
    writable = {path for each in (registration, *all_registered().values()) for path in each.writable}
    environment = values(registration.environment, writable)
    tail.hide(environment.values())
    command = Command(registration.executable, registration.arguments, registration.folder, environment)
    try:
        confinement = confinement_of(registration, user_of(registration))
    except ValueError as error:
        raise CommandRefusedError(str(error)) from None
    return await box.start(command, confinement)
