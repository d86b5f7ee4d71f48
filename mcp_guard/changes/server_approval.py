"""Approve what a registered server runs; who asked for it is known, and is somebody else.

What waits for approval is sealed like what is approved: a row that was edited past ``mcp_guard.changes``
is approved by nobody before somebody has saved it, and so has asked for it under his name.
"""

from __future__ import annotations

from django.core.exceptions import ValidationError
from django.utils import timezone

from mcp_guard import approval
from mcp_guard.approval import Approval
from mcp_guard.changes.record import Actor, change
from mcp_guard.changes.server_checks import check_server, serving_settings
from mcp_guard.conf import config
from mcp_guard.live.rows import UnparsableRow
from mcp_guard.live.server_rows import is_approved, registration_of
from mcp_guard.models import RegisteredServer

EDITED_PAST = "this row was edited past the admin; somebody has to save it before another approves it"


def approve_server(actor: Actor, row: RegisteredServer, *, digest: str) -> RegisteredServer:
    """Approve all that a server is registered with; ``digest`` names what the approver has seen.

    Raises:
        ValidationError: when it has changed since it was seen, when nothing is to be approved, when it
            cannot be used, or when the actor is among those who asked for it and the settings ask for a
            second person.
    """
    settings = serving_settings()
    with change(actor, "server:approve") as recorded:
        row = RegisteredServer.objects.select_for_update().get(pk=row.pk)
        errors = server_approval_errors(actor, row, digest)
        if errors:
            raise ValidationError(errors)
        check_server(row, settings)
        recorded.before = {"approved": _digest_approved(row)}
        _grant(actor, row)
        row.changed_by, row.changed_seal = [], ""
        row.save()
        recorded.subject, recorded.subject_id = row.name, str(row.pk)
        recorded.after = {"approved": _digest_approved(row), **registration_of(row).asked()}
    return row


def server_approval_errors(actor: Actor, row: RegisteredServer, digest: str) -> list[str]:
    """Return what keeps somebody from approving what they have seen of a server."""
    settings = config().servers
    try:
        registration = registration_of(row)
    except UnparsableRow as error:
        return [f"the row cannot be used: {error}"]
    if approval.digest(registration.asked()) != digest:
        return ["this was changed since you looked at it; look again"]
    if is_approved(row, registration, of_two=settings.need_approval):
        return ["this is approved already"]
    asked_by = askers(row)
    if not settings.need_approval:
        return []
    if asked_by is None:
        return [EDITED_PAST]
    if approval.is_among(actor.person, asked_by):
        return ["somebody else has to approve it: you are among those who changed it"]
    return []


def askers(row: RegisteredServer) -> list[list[str]] | None:
    """Return who asked for what of a row two people have not approved; None where nobody is known to."""
    try:
        registration = registration_of(row)
    except UnparsableRow:
        return None
    if is_approved(row, registration, of_two=True):
        return []
    is_known = approval.is_asked(row.name, registration.asked(), row.changed_by, row.changed_seal)
    return row.changed_by if is_known else None


def settle(
    actor: Actor, row: RegisteredServer, known: list[list[str]] | None, *, is_changed: bool, alone: bool
) -> None:
    """Note on a row that was changed who asked for what is not approved; ``known`` did before.

    Where one is enough, ``alone``, asking for it approves it.
    """
    registration = registration_of(row)
    if is_approved(row, registration, of_two=True):
        row.changed_by, row.changed_seal = [], ""
        return
    persons = list(known or [])
    if (is_changed or not persons) and actor.person not in persons:
        persons.append(actor.person)
    row.changed_by = persons
    row.changed_seal = approval.seal_asking(row.name, registration.asked(), persons)
    if alone:
        _grant(actor, row)


def _grant(actor: Actor, row: RegisteredServer) -> None:
    """Note that somebody grants what a row registers to those who asked for it."""
    moment = timezone.now().isoformat(timespec="seconds")
    given = Approval(registration_of(row).asked(), row.changed_by, actor.person, moment)
    row.approval, row.approval_seal = given._asdict(), approval.seal(row.name, given)


def _digest_approved(row: RegisteredServer) -> str:
    """Return the digest of what was approved; empty when nothing was."""
    found = Approval.of_row(row.approval)
    return "" if found is None else approval.digest(found.granted)
