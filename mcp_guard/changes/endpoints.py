"""Changes of how an endpoint answers: report-only and enforce."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.core.exceptions import ValidationError
from django.utils import timezone

from mcp_guard.changes.origins import endpoint_errors
from mcp_guard.changes.record import Actor, change, fields
from mcp_guard.conf import REPORT_ONLY_DAYS
from mcp_guard.models import EndpointState


def report_only(actor: Actor, name: str, *, until: datetime | None = None) -> EndpointState:
    """Let unlisted origins in and report them, until a moment at most 14 days ahead (the default).

    Raises:
        ValidationError: for an unknown endpoint or a moment that has passed or lies too far ahead.
    """
    longest = timezone.now() + timedelta(days=REPORT_ONLY_DAYS)
    until = until or longest
    errors = endpoint_errors([name])
    if errors:
        raise ValidationError({"name": errors})
    if not timezone.now() < until <= longest + timedelta(minutes=1):
        raise ValidationError({"until": [f"report-only lasts at most {REPORT_ONLY_DAYS} days from now"]})
    return _set(actor, "endpoint:report-only", name, until)


def enforce(actor: Actor, name: str) -> EndpointState:
    """Refuse unlisted origins again.

    Raises:
        ValidationError: for an unknown endpoint.
    """
    errors = endpoint_errors([name])
    if errors:
        raise ValidationError({"name": errors})
    return _set(actor, "endpoint:enforce", name, None)


def _set(actor: Actor, tag: str, name: str, until: datetime | None) -> EndpointState:
    state: EndpointState
    with change(actor, tag) as recorded:
        state, _ = EndpointState.objects.select_for_update().get_or_create(name=name)
        recorded.before = fields(state, "report_only_until")
        state.report_only_until = until
        state.save()
        recorded.subject = recorded.subject_id = name
        recorded.after = fields(state, "report_only_until")
    return state
