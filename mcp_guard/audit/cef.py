r"""An audit event in the Common Event Format (CEF), as the message of an RFC 5424 syslog line.

CEF can escape line breaks and nothing else that is not printable. So every other control character, and
what turns the direction of writing, is written out, such as ``\u202e``; a backslash of the text is doubled.
"""

from __future__ import annotations

import ipaddress
import json
import os
import re
import socket
from datetime import UTC
from typing import Final

from mcp_guard import __version__
from mcp_guard.audit.alerts import weight
from mcp_guard.audit.ecs import identifier
from mcp_guard.audit.redact import UNSAFE, without_tokens
from mcp_guard.models import AuditEvent

FACILITY: Final = 13
"""Log audit (RFC 5424 section 6.2.1)."""

_SYSLOG_SEVERITY: Final = {"error": 1, "warning": 4, "info": 6}
"""Alert, warning and informational, by the level of the event."""

LIMITS: Final = {
    "act": 63, "cat": 1023, "externalId": 40, "msg": 1023, "outcome": 63, "reason": 1023, "suid": 1023,
    "suser": 1023, "requestClientApplication": 1023,
    **{f"cs{n}": 4000 for n in range(1, 7)}, "flexString1": 1023, "flexString2": 1023,
}  # fmt: skip
"""How many characters the dictionary of CEF gives to the texts that are sent."""

LABELS: Final = {
    "cs1": "endpoint", "cs2": "client", "cs3": "token", "cs4": "before", "cs5": "after", "cs6": "details",
    "cn1": "sequence", "cn2": "revision", "flexString1": "exchange", "flexString2": "correlationId",
}  # fmt: skip
"""What the custom fields hold."""


def message(event: AuditEvent) -> bytes:
    """Return the event as an RFC 5424 message whose text is CEF, in UTF-8, on one line."""
    priority = FACILITY * 8 + _SYSLOG_SEVERITY[weight(event).level]
    moment = event.at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
    host, kind = _name(socket.gethostname(), 255), _name(event.tag, 32)
    head = f"<{priority}>1 {moment} {host} mcp_guard {os.getpid()} {kind} - "
    return f"{head}{cef(event)}".encode()


def cef(event: AuditEvent) -> str:
    """Return the event in CEF."""
    head = ("mcp_guard", "mcp_guard", __version__, event.tag, f"{event.tag} {event.subject}".strip()[:512])
    extension = " ".join(f"{key}={_value(key, text)}" for key, text in fields(event).items())
    escaped = "|".join(_header(text) for text in head)
    return f"CEF:0|{escaped}|{weight(event).severity}|{extension}"


def fields(event: AuditEvent) -> dict[str, str]:
    """Return the keys of the extension with their texts; those without a value are left out."""
    found = weight(event)
    values = {
        "rt": str(int(event.at.timestamp() * 1000)),
        "externalId": identifier(event),
        "cat": str(event.category),
        "act": event.tag,
        "outcome": "failure" if found.is_failure else "success",
        "reason": event.outcome,
        **_address(event.address),
        "suser": event.actor_label,
        "suid": "" if event.actor_id is None else str(event.actor_id),
        "requestClientApplication": event.user_agent,
        "cnt": str(event.count),
        "msg": event.subject,
        **_custom(event),
    }
    return {key: text for key, text in values.items() if text}


def _custom(event: AuditEvent) -> dict[str, str]:
    values = {
        "cs1": event.endpoint, "cs2": event.client, "cs3": event.token,
        "cs4": _json(event.before), "cs5": _json(event.after), "cs6": _json(event.details),
        "cn1": str(event.seq or ""), "cn2": str(event.revision or ""),
        "flexString1": event.exchange, "flexString2": event.correlation_id,
    }  # fmt: skip
    found: dict[str, str] = {}
    for key, text in values.items():
        if text:
            found |= {f"{key}Label": LABELS[key], key: text}
    return found


def _address(address: str) -> dict[str, str]:
    """Return the address under the key for its kind; one that is none is told as a host."""
    try:
        is_old = ipaddress.ip_address(address).version == 4
    except ValueError:
        return {"shost": address}
    return {"src": address} if is_old else {"c6a2Label": "Source IPv6 Address", "c6a2": address}


def _json(value: object) -> str:
    return json.dumps(value, default=str) if value else ""


def visible(text: str) -> str:
    """Return the text without token texts, with every character written out that CEF cannot carry."""
    return UNSAFE.sub(_written_out, without_tokens(text))


def _written_out(found: re.Match[str]) -> str:
    return found[0] if found[0] in "\n\r" else f"\\u{ord(found[0]):04x}"


def _header(text: str) -> str:
    one_line = visible(text).replace("\r", " ").replace("\n", " ")
    return one_line.replace("\\", "\\\\").replace("|", "\\|")


def _value(key: str, text: str) -> str:
    shown = visible(text[: LIMITS.get(key, 1023)])
    return shown.replace("\\", "\\\\").replace("=", "\\=").replace("\n", "\\n").replace("\r", "\\r")


def _name(text: str, longest: int) -> str:
    """Return a name as the head of a message may hold it: printable ASCII without a space."""
    return re.sub(r"[^!-~]", "_", without_tokens(text))[:longest] or "-"
