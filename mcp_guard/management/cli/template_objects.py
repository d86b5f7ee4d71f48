"""What ``import`` prints: what becomes of each field, rows, settings, and the tokens that were issued."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final, assert_never

from mcp_guard.changes import IssuedSecret
from mcp_guard.management.cli.text import cell, iso, pairs, table
from mcp_guard.management.cli.token_objects import in_cells, secret_line, token_object
from mcp_guard.template.report import Effect
from mcp_guard.template.rows import Target
from mcp_guard.template.setting import Setting, block
from mcp_guard.template.steps import AddClient, IssueToken, Keep, ListOrigin, SetServer, Step, WriteScope

SHOWN_ONCE: Final = "This is the only time these tokens are shown; only their SHA-256 is stored."
DRY_RUN: Final = "dry run: nothing was changed"

_FIELDS: Final = ("field", "becomes", "text")
_ROWS: Final = ("result", "what", "name", "detail")
_SETTINGS: Final = ("setting", "difference")


def field_object(effect: Effect) -> dict[str, Any]:
    """Return what becomes of a field as ``--json`` prints it."""
    return {"field": effect.path, "becomes": effect.becomes.value, "text": effect.text}


def row_object(step: Step, target: Target) -> dict[str, Any]:
    """Return what is done to a row as ``--json`` prints it."""
    match step:
        case AddClient():
            return _row("added", "client", target.client)
        case ListOrigin(_, origin, opened):
            also = f" besides {', '.join(opened)}" if opened else ""
            return _row("set" if opened else "added", "origin", origin, f"on {target.endpoint}{also}")
        case WriteScope(_, name, grants, replaced):
            before = "" if replaced is None else f", before: {', '.join(replaced)}"
            return _row("added" if replaced is None else "set", "scope", name, f"{', '.join(grants)}{before}")
        case IssueToken(_, name, kind, scope, expires_at):
            until = f"until {iso(expires_at)}" if expires_at else "for the default time"
            return _row("issued", "token", name, f"kind {kind.value}, scope {scope}, {until}")
        case SetServer(_, name, values, before):
            changes = (f"{key} {cell(before[key])} becomes {cell(value)}" for key, value in values.items())
            return _row("set", "server", name, ", ".join(changes))
        case Keep(_, what, name, why):
            return _row("kept", what, name, why)
        case _:
            assert_never(step)


def settings_object(present: Mapping[str, Any], missing: Sequence[Setting]) -> dict[str, Any]:
    """Return the settings that are not in force as ``--json`` prints them, and how to write them."""
    differences = [
        {"setting": each.where, "difference": each.difference(present), "fields": list(each.fields)}
        for each in missing
    ]
    return {"missing": differences, "block": "\n".join(block(present, missing)) if missing else ""}


def issued_object(issued: IssuedSecret, now: datetime) -> dict[str, Any]:
    """Return an issued token with its text as ``--json`` prints it."""
    return token_object(issued.token, now) | {"token": issued.text}


def lines(data: Mapping[str, Any]) -> list[str]:
    """Return the answer as people read it."""
    found = [f"template for endpoint {data['endpoint']}, client {data['client']}", ""]
    found += table(data["fields"], _FIELDS, empty="no field")
    found += ["", *table(data["rows"], _ROWS, empty="no row is written")]
    found += ["", *_settings(data["settings"])]
    for token in data["tokens"]:
        found += ["", f"issued token {token['id']}", *_token(token)]
    if data["tokens"]:
        found += ["", SHOWN_ONCE]
    return [*found, "", DRY_RUN] if data["dry_run"] else found


def _settings(settings: Mapping[str, Any]) -> list[str]:
    if not settings["missing"]:
        return ["the settings say what the template says"]
    added = ["", "add this to the end of settings.py, then import the template:", ""]
    return [*table(settings["missing"], _SETTINGS, empty=""), *added, *settings["block"].splitlines()]


def _token(token: Mapping[str, Any]) -> list[str]:
    secrets = [secret_line(secret) for secret in token["secrets"]]
    return pairs(in_cells(dict(token)) | {"secrets": secrets})


def _row(result: str, what: str, name: str, detail: str = "") -> dict[str, Any]:
    return {"result": result, "what": what, "name": name, "detail": detail}
