"""How an audit event is shown: what differs before and after, and what else is known of it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from mcp_guard.admin import columns
from mcp_guard.models import AuditEvent


def what(event: AuditEvent) -> SafeString:
    """Return the tag with its outcome, and how often it happened where that was counted."""
    parts = [columns.code(event.tag)]
    if event.outcome:
        parts.append(note(event.outcome))
    if event.count > 1:
        parts.append(note(_("%(count)s times") % {"count": event.count}))
    return format_html_join("", "{}", ((part,) for part in parts))


def who(event: AuditEvent) -> SafeString:
    """Return who did it and from where: a user or command, the client, its token, the address."""
    names = [event.actor_label, event.client, event.token, event.address]
    return format_html_join("", "{}", ((_line(name),) for name in names if name)) or nothing()


def seal(event: AuditEvent) -> SafeString:
    """Return the number in the hash chain, or that there is none yet."""
    if event.seq is None:
        return format_html('<span class="mcp-guard-state mcp-guard-off">{}</span>', _("not sealed yet"))
    return format_html('<span class="mcp-guard-state mcp-guard-on">{}</span>', _("number %s") % event.seq)


def digest(event: AuditEvent) -> SafeString:
    """Return the digest in the hash chain."""
    return columns.code(event.digest) if event.digest else nothing()


def difference(event: AuditEvent) -> SafeString:
    """Return a table of the fields that differ before and after."""
    rows = [(name, _shown(old), _shown(new)) for name, old, new in differing(event.before, event.after)]
    return _table([_("field"), _("before"), _("after")], rows) if rows else format_html("{}", _("nothing"))


def details(event: AuditEvent) -> SafeString:
    """Return a table of what else is known."""
    known = event.details if isinstance(event.details, dict) else {"": event.details}
    rows = [(name, _shown(value)) for name, value in sorted(known.items())]
    return _table([_("name"), _("value")], rows) if rows else nothing()


def differing(before: Any, after: Any) -> list[tuple[str, Any, Any]]:
    """Return name, old and new value of each field that differs, in the order of the names."""
    old = before if isinstance(before, dict) else {"": before}
    new = after if isinstance(after, dict) else {"": after}
    return [
        (name, old.get(name), new.get(name))
        for name in sorted({*old, *new})
        if (name in old, old.get(name)) != (name in new, new.get(name))
    ]


def note(text: object) -> SafeString:
    """Return a text that is less important."""
    return format_html('<span class="mcp-guard-note"><bdi>{}</bdi></span>', text)


def nothing() -> SafeString:
    """Return what stands for nothing."""
    return format_html("{}", columns.NOTHING)


def _line(text: str) -> SafeString:
    return format_html('<span class="mcp-guard-link">{}</span>', columns.code(text))


def _table(head: list[str], rows: Iterable[tuple[Any, ...]]) -> SafeString:
    titles = format_html_join("", '<th scope="col">{}</th>', ((title,) for title in head))
    body = format_html_join("", "<tr>{}</tr>", ((_cells(row),) for row in rows))
    return format_html(
        '<table class="mcp-guard-table"><thead><tr>{}</tr></thead><tbody>{}</tbody></table>', titles, body
    )


def _cells(row: tuple[Any, ...]) -> SafeString:
    first, *others = row
    cells = format_html_join("", "<td>{}</td>", ((cell,) for cell in others))
    return format_html('<th scope="row" class="mcp-guard-name">{}</th>{}', first, cells)


def _shown(value: Any) -> SafeString:
    if value is None or value in ("", [], {}):
        return nothing()
    if isinstance(value, dict):
        return columns.code(json.dumps(value, ensure_ascii=False))
    if isinstance(value, list):
        return format_html_join(" ", "{}", ((columns.code(item),) for item in value))
    return columns.code(value)
