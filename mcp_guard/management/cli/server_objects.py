"""A registered server as ``--json`` prints it, and what of it is not as it was approved."""

from __future__ import annotations

import shlex
from typing import Any

from mcp_guard.approval import Approval, names_of
from mcp_guard.conf import config
from mcp_guard.conf.servers import PREFIX
from mcp_guard.live.rows import UnparsableRow
from mcp_guard.management.cli.text import cell, iso
from mcp_guard.models import RegisteredServer
from mcp_guard.policy.registration import COVERED
from mcp_guard.server_state import Difference, differences, digest_of, server_state

_FIELDS = (*COVERED, "idle_seconds")


def server_object(row: RegisteredServer) -> dict[str, Any]:
    """Return a registered server as ``--json`` prints it; ``digest`` is None where the row cannot be used."""
    found = Approval.of_row(row.approval)
    return {
        "id": row.pk,
        "name": row.name,
        "endpoint": f"{PREFIX}{row.name}",
        "state": server_state(row, config().servers).value,
        "enabled": row.enabled,
        "description": row.description,
        **{name: getattr(row, name) for name in _FIELDS},
        "digest": _digest(row),
        "approved_by": found.by[1] if found else None,
        "approved_at": found.at if found else None,
        "changed_by": names_of(row.changed_by),
        "differences": [_object(each) for each in _differences(row)],
        "created_at": iso(row.created_at),
    }


def difference_lines(row: RegisteredServer) -> list[str]:
    """Return what is not as it was approved, one line for each field; empty when nothing is."""
    found = _differences(row)
    if not found:
        return []
    if all(each.granted is None for each in found):
        return ["", "nothing of it was approved yet"]
    lines = [_line(each) for each in found]
    return ["", "not as it was approved (+ needs an approval):", *lines]


def shown(data: dict[str, Any]) -> dict[str, Any]:
    """Return what people read of an object, the arguments so that none runs into the next."""
    found = {name: value for name, value in data.items() if name != "differences"}
    return found | {"arguments": _plain("arguments", data["arguments"])}


def _line(each: Difference) -> str:
    mark = "+" if each.is_more else " "
    granted, asked = (cell(_plain(each.field, value)) for value in (each.granted, each.asked))
    return f"{mark} {each.field}: {granted} -> {asked}"


def _plain(field: str, value: Any) -> Any:
    """Return a value as people read it; a row may hold anything."""
    is_texts = isinstance(value, list) and all(isinstance(text, str) for text in value)
    return shlex.join(value) if field == "arguments" and is_texts else value


def _object(each: Difference) -> dict[str, Any]:
    return {
        "field": each.field,
        "approved": each.granted,
        "asked": each.asked,
        "needs_approval": each.is_more,
    }


def _digest(row: RegisteredServer) -> str | None:
    try:
        return digest_of(row)
    except UnparsableRow:
        return None


def _differences(row: RegisteredServer) -> list[Difference]:
    try:
        return differences(row)
    except UnparsableRow:
        return []
