"""In which state a registered server is, as its row says it, and what about it is not approved."""

from __future__ import annotations

from enum import Enum
from typing import Any, NamedTuple

from mcp_guard import approval
from mcp_guard.approval import Approval
from mcp_guard.conf.servers import Servers
from mcp_guard.live.rows import UnparsableRow
from mcp_guard.live.server_rows import registration_of, serves
from mcp_guard.models import RegisteredServer
from mcp_guard.policy.decision import Reason
from mcp_guard.policy.registration import COVERED, beyond


class ServerState(Enum):
    """What keeps a server from running, or that nothing does; the value is the word for it."""

    READY = "ready"
    NOT_APPROVED = "waits for approval"
    DISABLED = "disabled"
    UNUSABLE = "cannot be used"
    NOT_SERVED = "not served"
    """The project has no SERVERS."""


_STATES = {
    Reason.SERVER_DISABLED: ServerState.DISABLED,
    Reason.SERVER_NOT_APPROVED: ServerState.NOT_APPROVED,
    Reason.SERVER_UNUSABLE: ServerState.UNUSABLE,
}


class Difference(NamedTuple):
    """A field that is not as it was approved. ``granted`` is None where nothing was.

    ``is_more`` says that it goes beyond the approval, and so needs another one.
    """

    field: str
    granted: Any
    asked: Any
    is_more: bool


def server_state(row: RegisteredServer, settings: Servers) -> ServerState:
    """Return the state of a server; whether this machine can start it, the start shows."""
    if settings.endpoint is None:
        return ServerState.NOT_SERVED
    try:
        unserved = serves(row, settings).unserved
    except UnparsableRow:
        return ServerState.UNUSABLE
    return ServerState.READY if unserved is None else _STATES[unserved]


def digest_of(row: RegisteredServer) -> str:
    """Return what names all that a server is registered with.

    Raises:
        UnparsableRow: when its row holds what no form would have let in.
    """
    return approval.digest(registration_of(row).asked())


def differences(row: RegisteredServer) -> list[Difference]:
    """Return what is not as it was approved, in the order of the fields; all of it where nothing was.

    An approval whose seal does not hold is none.

    Raises:
        UnparsableRow: when the row holds what no form would have let in.
    """
    asked, found = registration_of(row).asked(), Approval.of_row(row.approval)
    is_sealed = found is not None and approval.is_sealed(row.name, found, row.approval_seal)
    granted = found.granted if found is not None and is_sealed else {}
    more = beyond(asked, granted)
    return [
        Difference(name, granted.get(name), asked[name], name in more)
        for name in COVERED
        if asked[name] != granted.get(name)
    ]
