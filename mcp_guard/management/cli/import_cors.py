"""``origin import-cors``: take over what django-cors-headers lets in, as far as it names origins.

Its regular expressions and its switch for all origins name nobody, so they are reported, not imported.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import router, transaction

from mcp_guard import changes
from mcp_guard.changes.origins import endpoint_errors
from mcp_guard.management.cli.arguments import SubParsers, add_names, declare_verb, distinct, moment
from mcp_guard.management.cli.call import Answer, BadInput, Call
from mcp_guard.management.cli.rows import client_named
from mcp_guard.management.cli.text import table
from mcp_guard.models import AllowedOrigin
from mcp_guard.policy.origin import OriginError, canonical

_COLUMNS = ("typed", "result", "origin", "why")
_LISTS = ("CORS_ALLOWED_ORIGINS", "CORS_ORIGIN_WHITELIST")
_REGEXES = ("CORS_ALLOWED_ORIGIN_REGEXES", "CORS_ORIGIN_REGEX_WHITELIST")
_SWITCHES = ("CORS_ALLOW_ALL_ORIGINS", "CORS_ORIGIN_ALLOW_ALL")


def declare(verbs: SubParsers) -> None:
    """Add the verb."""
    verb = declare_verb(verbs, "import-cors", _import, "list what CORS_ALLOWED_ORIGINS of the settings names")
    verb.add_argument("--client", required=True, metavar="NAME", help="on whose behalf their pages call")
    add_names(verb, "--endpoint", "endpoints that their pages may call", required=True)
    verb.add_argument("--expires", metavar="T", help="when they are listed no longer: 30d or an ISO time")
    verb.add_argument("--note", default="imported from CORS_ALLOWED_ORIGINS", help="why they are listed")
    verb.add_argument("--dry-run", action="store_true", help="say what would happen and list nothing")


def _import(call: Call) -> Answer:
    options = call.options
    fields = {
        "client": client_named(options.client),
        "endpoints": distinct(options.endpoint),
        "note": options.note,
        "expires_at": moment(options.expires, call.now, "expires_at") if options.expires else None,
    }
    errors = endpoint_errors(fields["endpoints"])
    if errors:
        raise BadInput("", {"endpoints": errors})
    typed = _origins()
    if options.dry_run:
        lines = _listed_and_undone(call, typed, fields)
    else:
        lines = [_list_one(call, text, fields) for text in typed]
    lines += _not_importable()
    data = {"dry_run": options.dry_run, "lines": lines, "counts": _counts(lines)}
    text = table(lines, _COLUMNS, empty="the settings name no origin for django-cors-headers")
    return Answer(data, [*text, *(["dry run: nothing was changed"] if options.dry_run else [])])


def _listed_and_undone(call: Call, typed: Sequence[str], fields: dict[str, Any]) -> list[dict[str, Any]]:
    """Do the very same and roll it back, so that a dry run cannot promise what the run refuses."""
    alias = router.db_for_write(AllowedOrigin)
    with transaction.atomic(using=alias):
        lines = [_list_one(call, text, fields) for text in typed]
        transaction.set_rollback(True, using=alias)
    return lines


def _list_one(call: Call, typed: str, fields: dict[str, Any]) -> dict[str, Any]:
    try:
        origin = canonical(typed)
    except OriginError as error:
        return _line(typed, "rejected", why=str(error))
    present = AllowedOrigin.objects.select_related("client").filter(origin=origin).first()
    if present is not None:
        return _line(typed, "already listed", origin, f"for the client {present.client.name}; not changed")
    try:
        changes.list_origin(call.actor, origin=origin, **fields)
    except ValidationError as error:
        return _line(typed, "rejected", origin, "; ".join(BadInput.of(error).lines()))
    return _line(typed, "listed", origin, "" if typed == origin else "in the form that browsers send")


def _not_importable() -> Iterator[dict[str, Any]]:
    for pattern in _setting(_REGEXES, ()):
        yield _line(
            getattr(pattern, "pattern", str(pattern)),
            "not importable",
            why="a regular expression: list each origin that it is meant to match",
        )
    if _setting(_SWITCHES, False):
        yield _line("all origins", "not importable", why="names nobody: list each origin on its own")


def _origins() -> list[str]:
    value = _setting(_LISTS, ())
    if not isinstance(value, list | tuple | set | frozenset) or not all(isinstance(v, str) for v in value):
        raise BadInput("CORS_ALLOWED_ORIGINS of the settings is not a list of strings")
    return sorted(value) if isinstance(value, set | frozenset) else list(value)


def _setting(names: Sequence[str], default: Any) -> Any:
    """Return the first of the settings that is there: the second is the name of older releases."""
    return next((getattr(settings, name) for name in names if hasattr(settings, name)), default)


def _line(typed: str, result: str, origin: str = "", why: str = "") -> dict[str, Any]:
    return {"typed": typed, "result": result, "origin": origin or None, "why": why}


def _counts(lines: Sequence[dict[str, Any]]) -> dict[str, int]:
    results = [line["result"] for line in lines]
    return {
        result.replace(" ", "_"): results.count(result)
        for result in ("listed", "already listed", "rejected", "not importable")
    }
