"""An audit event as one JSON object with the field names of the Elastic Common Schema (ECS).

What ECS has no name for stands under ``mcp_guard``. Objects whose members differ from event to event
(``before``, ``after``, ``details``) are JSON texts, so that no field of an index ever changes its type.
"""

from __future__ import annotations

import hashlib
import ipaddress
import json
import re
from datetime import UTC, datetime
from typing import Any, Final

from mcp_guard import __version__
from mcp_guard.audit.alerts import Weight, weight
from mcp_guard.audit.redact import without_tokens
from mcp_guard.models import AuditEvent

VERSION: Final = "9.3.0"
"""The version of ECS. https://www.elastic.co/docs/reference/ecs"""

MAX_TEXT: Final = 1024
"""Longest text of a field in characters; Elasticsearch does not index longer ones by default."""

MAX_JSON: Final = 8192
"""Longest JSON text of a field in characters."""

FIELDS: Final = {
    "@timestamp": "when it happened, in UTC",
    "ecs.version": "the version of ECS that the names are of",
    "event.id": "the same for the same event, wherever it was sent to and however often",
    "event.sequence": "its place in the hash chain; absent in log lines, which are written before it has one",
    "event.hash": "its digest in the hash chain; absent in log lines",
    "event.kind": "`alert` when `ALERT_ON` chooses it, else `event`",
    "event.category": "categories of ECS",
    "event.type": "types of ECS",
    "event.action": "what happened, such as `token:revoke`",
    "event.outcome": "`success` or `failure`",
    "event.reason": "the outcome as the event has it, such as the reason of a refusal",
    "event.duration": "how long a call or a socket took, in nanoseconds",
    "event.severity": "from 0 to 10; alerts have 8, failures 5",
    "event.module": "`mcp_guard`",
    "event.dataset": "`mcp_guard.audit`",
    "log.level": "`info`, `warning` or `error`",
    "message": "the action and its subject",
    "observer.product": "`mcp_guard`",
    "observer.version": "the version of `mcp_guard`",
    "source.address": "the client's address",
    "source.ip": "the same, when it is an IP address",
    "user.name": "who did it: an operator, a command, or the user whom a token or session acts for",
    "user.id": "the primary key of that user",
    "user_agent.original": "the header `User-Agent`",
    "http.request.id": "the correlation id, which a refused party sees",
    "mcp_guard.category": "the category of the event",
    "mcp_guard.subject": "what it is about",
    "mcp_guard.endpoint": "name of the endpoint",
    "mcp_guard.exchange": "`request`, `preflight`, `handshake` or `message`",
    "mcp_guard.client": "name of the client",
    "mcp_guard.token": "name of the token, never its text",
    "mcp_guard.revision": "the revision of a change of policy",
    "mcp_guard.count": "how often it happened, where events were counted",
    "mcp_guard.before": "JSON text of what a change replaced",
    "mcp_guard.after": "JSON text of what it put there",
    "mcp_guard.details": "JSON text of what else is known",
    "mcp_guard.cut": "names of the fields that were cut",
}
"""Every field and what it holds; those without a value are left out. The documentation is checked."""

_CATEGORIES: Final[dict[str, tuple[str, str]]] = {
    "policy": ("configuration", "change"),
    "token": ("iam", "change"),
    "socket": ("session", "info"),
    "authentication": ("authentication", "start"),
    "refusal": ("api", "denied"),
    "call": ("api", "access"),
    "server": ("process", "info"),
    "audit": ("configuration", "info"),
}
"""The category and type of ECS for each category of events."""

_TYPES: Final = {
    "add": "creation", "list": "creation", "issue": "creation",
    "remove": "deletion", "delete": "deletion", "unlist": "deletion",
    "open": "start", "close": "end", "started": "start", "ended": "end",
}  # fmt: skip
"""The type of ECS for the verb of a tag."""

_SURROGATE: Final = re.compile("[\ud800-\udfff]")


def line(event: AuditEvent) -> str:
    """Return the event as one line of ASCII JSON, which holds no control character and no token text."""
    return json.dumps(document(event), separators=(",", ":"))


def document(event: AuditEvent) -> dict[str, Any]:
    """Return the event as a JSON object.

    Texts are as they were, whatever they hold, but for three things: token texts are masked, what is too
    long is cut and named in ``mcp_guard.cut``, and a lone surrogate, which no UTF-8 can hold, is written out.
    """
    cut: list[str] = []
    nested: dict[str, Any] = {}
    for name, value in _values(event).items():
        if isinstance(value, str):
            value = _bounded(name, value, cut)  # noqa: PLW2901 (the value of this field)
        if value not in ("", None):
            _put(nested, name, value)
    if cut:
        _put(nested, "mcp_guard.cut", cut)
    return nested


def identifier(event: AuditEvent) -> str:
    """Return what tells this event from every other one, before and after it is sealed.

    A restored database uses numbers of rows again, so that they alone would not do. Empty for an event
    that could not be written yet.
    """
    row: int | None = event.pk
    if row is None:
        return ""
    parts = (row, _moment(event.at), event.category, event.tag, event.subject, event.actor_label)
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:32]


def _values(event: AuditEvent) -> dict[str, Any]:
    """Return the value of every field; empty and None say that there is none."""
    found: Weight = weight(event)
    return {
        "@timestamp": _moment(event.at),
        "ecs.version": VERSION,
        "event.id": identifier(event),
        "event.sequence": event.seq,
        "event.hash": event.digest,
        "event.kind": "alert" if found.alerts else "event",
        **_categories(event),
        "event.action": event.tag,
        "event.outcome": "failure" if found.is_failure else "success",
        "event.reason": event.outcome,
        "event.duration": _nanoseconds(event.details),
        "event.severity": found.severity,
        "event.module": "mcp_guard",
        "event.dataset": "mcp_guard.audit",
        "log.level": found.level,
        "message": f"{event.tag} {event.subject}".strip(),
        "observer.product": "mcp_guard",
        "observer.version": __version__,
        "source.address": event.address,
        "source.ip": _ip(event.address),
        "user.name": event.actor_label,
        "user.id": "" if event.actor_id is None else str(event.actor_id),
        "user_agent.original": event.user_agent,
        "http.request.id": event.correlation_id,
        "mcp_guard.category": str(event.category),
        **_own(event),
    }


def _nanoseconds(details: Any) -> int | None:
    """Return the time that the details tell of something that took some."""
    for name, factor in (("ms", 1e6), ("seconds", 1e9)):
        value = details.get(name) if isinstance(details, dict) else None
        if isinstance(value, int | float) and 0 <= value < 1e9:
            return round(value * factor)
    return None


def _own(event: AuditEvent) -> dict[str, Any]:
    plain = ("subject", "endpoint", "exchange", "client", "token")
    own: dict[str, Any] = {f"mcp_guard.{name}": getattr(event, name) for name in plain}
    own |= {"mcp_guard.revision": event.revision or None, "mcp_guard.count": event.count}
    return own | {f"mcp_guard.{name}": _json(getattr(event, name)) for name in ("before", "after", "details")}


def _categories(event: AuditEvent) -> dict[str, Any]:
    category, kind = _CATEGORIES.get(str(event.category), ("configuration", "info"))
    kind = _TYPES.get(event.tag.rpartition(":")[2], kind)
    return {"event.category": [category], "event.type": [kind]}


def _bounded(name: str, text: str, cut: list[str]) -> str:
    longest = MAX_JSON if name.removeprefix("mcp_guard.") in ("before", "after", "details") else MAX_TEXT
    if len(text) > longest:
        cut.append(name)
        text = text[:longest]
    return _SURROGATE.sub(lambda found: f"\\u{ord(found[0]):04x}", without_tokens(text))


def _put(nested: dict[str, Any], name: str, value: Any) -> None:
    *parents, leaf = [name] if name.startswith("@") else name.split(".")
    for parent in parents:
        nested = nested.setdefault(parent, {})
    nested[leaf] = value


def _moment(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def _ip(address: str) -> str:
    try:
        return str(ipaddress.ip_address(address))
    except ValueError:
        return ""


def _json(value: Any) -> str:
    return json.dumps(value, default=str) if value else ""
