"""How refusals are shown: warnings in words, the latest of a group, its week."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from django.template.loader import render_to_string
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from mcp_guard.admin import columns
from mcp_guard.admin.timeline import timeline
from mcp_guard.doubts import said
from mcp_guard.explain.reasons import advice
from mcp_guard.models import Refusal
from mcp_guard.policy.decision import Reason
from mcp_guard.policy.lookalike import Warned
from mcp_guard.policy.origin import is_canonical


def warnings(found: Iterable[Warned]) -> SafeString:
    """Return warnings one below the other; empty when there is none."""
    texts = [columns.warning(said(warned)) for warned in found]
    return format_html_join("", '<span class="mcp-guard-note">{}</span>', ((text,) for text in texts))


def who(refusal: Refusal) -> SafeString:
    """Return the origin of a group, or what stands in its place; never a link that a stranger wrote."""
    if refusal.is_rest:
        return format_html("<em>{}</em>", _("all without a row of their own"))
    if not refusal.origin:
        return format_html("<em>{}</em>", _("no Origin"))
    if is_canonical(refusal.origin):
        return columns.origin(refusal.origin)
    return format_html('<span class="mcp-guard-origin">{}</span>', columns.code(refusal.origin))


def state(refusal: Refusal) -> SafeString:
    """Return what was said of a group, and by whom."""
    label = refusal.get_state_display()
    mark = "off" if refusal.state == Refusal.State.NEVER else "on"
    if refusal.state == Refusal.State.OPEN:
        return format_html("{}", label)
    if refusal.decided_by:
        by = _("by %(who)s") % {"who": refusal.decided_by}
    else:
        by = _("like the others of this origin")
    return format_html(
        '<span class="mcp-guard-state mcp-guard-{}">{}</span><span class="mcp-guard-note">{}</span>',
        mark, label, by,
    )  # fmt: skip


def reason(refusal: Refusal) -> SafeString:
    """Return the reason with what it means; a name that no release knows stands alone."""
    try:
        meaning = advice(Reason(refusal.reason))
    except ValueError:
        return columns.code(refusal.reason)
    return format_html('{}<span class="mcp-guard-note">{}</span>', columns.code(refusal.reason), meaning)


def refused(refusal: Refusal) -> SafeString:
    """Return for what and where a group was refused, in one cell of the list."""
    place = " · ".join(filter(None, (refusal.endpoint, refusal.exchange, refusal.host)))
    outcome = refusal.get_outcome_display() if refusal.outcome != Refusal.Outcome.REFUSED else ""
    return format_html(
        '{}<span class="mcp-guard-note">{}</span><span class="mcp-guard-note">{}</span>',
        columns.code(refusal.reason), columns.code(place), outcome,
    )  # fmt: skip


def week(refusal: Refusal, now: datetime) -> SafeString:
    """Return the time line of a group."""
    return render_to_string("admin/mcp_guard/refusal/timeline.html", {"line": timeline(refusal.hours, now)})


def latest(refusal: Refusal) -> SafeString:
    """Return the latest refusals of a group, each with its correlation id."""
    context = {"shown": [_moment(one) for one in refusal.recent], "is_rest": refusal.is_rest}
    return render_to_string("admin/mcp_guard/refusal/latest.html", context)


def others(found: Sequence[tuple[str, Refusal]]) -> SafeString:
    """Return the other groups of an origin, each with the path of its page."""
    if not found:
        return format_html("{}", columns.NOTHING)
    rows = ((url, row.endpoint, row.exchange, row.reason, row.count) for url, row in found)
    return format_html_join("", '<span class="mcp-guard-link"><a href="{}">{} {} {}</a>: {}</span>', rows)


def _moment(one: dict[str, Any]) -> dict[str, Any]:
    """Return one refusal with its time as a moment, None when the row was edited by hand."""
    try:
        at = datetime.fromisoformat(str(one.get("at")))
    except ValueError:
        at = None
    return {**one, "at": at}
