"""What an administrator says of refusals: approve an origin for a client, never, or open again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from django.core.exceptions import ValidationError
from django.db import router, transaction
from django.utils import timezone

from mcp_guard.audit.inbox_rows import locked_window
from mcp_guard.changes.origins import endpoint_errors, expiry_errors
from mcp_guard.changes.record import Actor, Recorded, change, check, decision, fields
from mcp_guard.conf import config
from mcp_guard.endpoints import endpoints_of
from mcp_guard.models import AllowedOrigin, Client, Refusal
from mcp_guard.policy.decision import Reason
from mcp_guard.policy.endpoint import Endpoint, Profile
from mcp_guard.policy.origin import is_canonical

LISTED: Final = ("origin", "client", "endpoints", "cookies", "active", "expires_at", "note")
"""What makes up a row of the allowlist."""

Difference = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Approval:
    """What is asked for. ``expires_at`` None is for good; ``cookies`` never takes cookies away."""

    client: Client
    endpoints: Sequence[str]
    cookies: bool = False
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """The row that an approval writes: what it held before, None when there is none yet, and what it will."""

    row: AllowedOrigin
    before: Difference | None
    after: Difference


def plan_approval(refusal: Refusal, asked: Approval) -> Plan:
    """Return the row that ``approve_refusal`` would write now, writing nothing.

    A row of the same client that is in force gets further endpoints and never expires sooner than before.
    One that was switched off or has expired begins anew: it opens what is asked for and nothing else.

    Raises:
        ValidationError: by field; without a field when this refusal is not one that listing would mend.
    """
    if refusal_errors(refusal):
        raise ValidationError(refusal_errors(refusal))
    row = AllowedOrigin.objects.select_related("client").filter(origin=refusal.origin).first()
    before = None if row is None else fields(row, *LISTED)
    if row is None:
        row = AllowedOrigin(origin=refusal.origin, client=asked.client, expires_at=asked.expires_at)
    elif _is_in_force(row):
        row.expires_at = _later(row.expires_at, asked.expires_at)
    else:
        row.expires_at, row.endpoints, row.cookies = asked.expires_at, [], False
    errors = {
        "client": _client_errors(row, asked.client),
        "endpoints": _endpoints_errors(asked.endpoints),
        "cookies": _cookies_errors(asked),
        "expires_at": expiry_errors(asked.expires_at),
    }
    row.endpoints = list(dict.fromkeys([*_names(row.endpoints), *asked.endpoints]))
    row.cookies, row.active = row.cookies or asked.cookies, True
    check(row, **errors)
    return Plan(row, before, fields(row, *LISTED))


def approve_refusal(
    actor: Actor, refusal: Refusal, asked: Approval, *, shown: Difference | None = None
) -> AllowedOrigin:
    """List the origin of a refusal, or let its row open further endpoints; its refusals are then approved.

    ``shown`` is what the operator has been shown as ``after``; when the row would be another one by now,
    nothing is written.

    Raises:
        ValidationError: as ``plan_approval`` does, and when the row would not be the one that was shown.
    """
    alias = router.db_for_write(Refusal)
    with transaction.atomic(using=alias):
        locked_window(alias)  # before the revision: who waits for the inbox must keep no change waiting
        with change(actor, "origin:approve") as recorded:
            plan = plan_approval(refusal, asked)
            if shown is not None and shown != plan.after:
                raise ValidationError("the row was changed meanwhile: look at it again")
            plan.row.save()
            recorded.subject, recorded.subject_id = plan.row.origin, str(plan.row.pk)
            recorded.before, recorded.after = plan.before or {}, plan.after
            mended = Refusal.objects.filter(origin=refusal.origin, endpoint__in=list(asked.endpoints))
            _decide(mended.filter(reason=Reason.ORIGIN_NOT_LISTED.value), actor, Refusal.State.APPROVED)
    return plan.row


def set_refusal_aside(actor: Actor, refusal: Refusal) -> int:
    """Keep an origin refused on an endpoint and out of the way, also in groups that appear later.

    A refusal without an origin is set aside alone. Returns how many groups were.

    Raises:
        ValidationError: when the origin is listed for the endpoint, or this is the rest of others.
    """
    with decision(actor, "refusal:never") as recorded:
        locked_window(router.db_for_write(Refusal))
        if refusal.is_rest:
            raise ValidationError("this counts all refusals without a row of their own: nobody to set aside")
        row = AllowedOrigin.objects.filter(origin=refusal.origin).first()
        if row is not None and refusal.endpoint in _names(row.endpoints):
            raise ValidationError(f"{row.origin} is listed for {row.client}: take it off the allowlist first")
        return _say(recorded, actor, refusal, Refusal.State.NEVER)


def reopen_refusal(actor: Actor, refusal: Refusal) -> int:
    """Take back what was said of an origin on an endpoint; what is listed stays so.

    Returns how many groups are open again.
    """
    with decision(actor, "refusal:reopen") as recorded:
        locked_window(router.db_for_write(Refusal))
        return _say(recorded, actor, refusal, Refusal.State.OPEN)


def refusal_errors(refusal: Refusal) -> list[str]:
    """Return why listing its origin would not mend a refusal; empty when it would."""
    if refusal.is_rest:
        return ["this counts all refusals without a row of their own: it has no origin to approve"]
    if refusal.reason != Reason.ORIGIN_NOT_LISTED.value:
        return [f"this was refused for {refusal.reason}: listing its origin would change nothing"]
    if not is_canonical(refusal.origin):
        return ["no browser sends this origin in this form, so it cannot be listed"]
    return []


def asks_allowlist(endpoint: Endpoint) -> bool:
    """Return whether it matters on an endpoint if an origin is listed."""
    return not endpoint.opens_to_all_origins and endpoint.profile is not Profile.BACKEND


def _client_errors(row: AllowedOrigin, client: Client) -> list[str]:
    if row.client_id != client.pk:
        return [f"{row.origin} is listed for the client “{row.client}”; one origin belongs to one client"]
    return [] if client.active else ["this client is disabled: its origins are refused"]


def _endpoints_errors(names: Sequence[str]) -> list[str]:
    if not names:
        return ["choose at least one endpoint"]
    declared = endpoints_of(config())
    asked = [name for name in names if name in declared and not asks_allowlist(declared[name])]
    return [*endpoint_errors(names), *(f"“{name}” asks no allowlist" for name in asked)]


def _cookies_errors(asked: Approval) -> list[str]:
    declared = endpoints_of(config())
    found = [declared[name] for name in asked.endpoints if name in declared]
    if asked.cookies and not any(endpoint.profile.reads_cookies for endpoint in found):
        return ["no chosen endpoint takes cookies: their profiles do not"]
    return []


def _is_in_force(row: AllowedOrigin) -> bool:
    return row.active and (row.expires_at is None or row.expires_at > timezone.now())


def _later(first: datetime | None, second: datetime | None) -> datetime | None:
    """Return the later of two ends; None is for good."""
    return None if first is None or second is None else max(first, second)


def _say(recorded: Recorded, actor: Actor, refusal: Refusal, state: Refusal.State) -> int:
    alike = Refusal.objects.filter(endpoint=refusal.endpoint, origin=refusal.origin, is_rest=False)
    rows = alike if refusal.origin else Refusal.objects.filter(pk=refusal.pk)
    recorded.subject = f"{refusal.origin or refusal.reason} {refusal.endpoint}"
    recorded.subject_id = str(refusal.pk)
    recorded.before = {"states": sorted(set(rows.order_by().values_list("state", flat=True)))}
    recorded.after = {"states": [state.value]}
    return _decide(rows, actor, state)


def _decide(rows: Any, actor: Actor, state: Refusal.State) -> int:
    is_open = state is Refusal.State.OPEN
    decided: int = rows.update(
        state=state,
        decided_by="" if is_open else actor.label[:150],
        decided_at=None if is_open else timezone.now(),
    )
    return decided


def _names(stored: object) -> list[str]:
    return [name for name in stored if isinstance(name, str)] if isinstance(stored, list) else []
