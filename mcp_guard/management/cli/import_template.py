"""``import``: take over a JSON security template, or say what that would do; see docs/template.md."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from django.db import transaction

from mcp_guard import doubts
from mcp_guard.changes import IssuedSecret
from mcp_guard.management.cli.arguments import SubParsers, declare_verb
from mcp_guard.management.cli.call import Answer, BadInput, Call
from mcp_guard.management.cli.template_objects import (
    field_object,
    issued_object,
    lines,
    row_object,
    settings_object,
)
from mcp_guard.management.cli.template_request import Request, read_request, refuse
from mcp_guard.policy.credential import TokenKind
from mcp_guard.template import document
from mcp_guard.template.apply import StepRefusedError, apply, only_writer
from mcp_guard.template.asked import OF_SERVERS
from mcp_guard.template.plan import plan
from mcp_guard.template.present import awaits_approval, present
from mcp_guard.template.report import Problem
from mcp_guard.template.steps import Step

NAME: Final = "mcp_server"
"""The endpoint and the client when none is named."""

_NOT_IN_FORCE: Final = (
    "the settings do not say yet what the template says; --dry-run prints what to add to settings.py"
)
_NO_SERVER: Final = "process_isolation is for a registered server: name it with --server"


def declare(nouns: SubParsers) -> None:
    """Add the command; it has no verbs."""
    verb = declare_verb(nouns, "import", _import, "take over a JSON security template of an MCP server")
    verb.add_argument("file", metavar="FILE", help="the template")
    verb.add_argument("--dry-run", action="store_true", help="say what would happen and change nothing")
    which = verb.add_mutually_exclusive_group()
    which.add_argument("--endpoint", default=NAME, metavar="E", help=f"what it is for; default {NAME}")
    which.add_argument(
        "--server", default="", metavar="NAME", help="the registered server it is for, instead"
    )
    verb.add_argument("--client", default=NAME, metavar="NAME", help=f"client of its rows; default {NAME}")
    verb.add_argument(
        "--kind",
        choices=[kind.value for kind in TokenKind],
        help="kind of its tokens; default browser where an Origin is required, else server",
    )


def _import(call: Call) -> Answer:
    is_dry = call.options.dry_run
    asked = read_request(call.options, call.now)
    if not is_dry:
        _refuse_unprepared(asked)
    with only_writer() as alias:
        rows = present(asked.template, asked.target, call.now)
        steps = plan(asked.template, asked.target, rows, call.now, asked.report)
        refuse(asked.report.problems)
        _warn(asked)
        issued = [] if asked.missing else _apply(call, steps, asked)
        if is_dry:
            transaction.set_rollback(True, using=alias)
    return _answer(call, asked, steps, [] if is_dry else issued)


def _refuse_unprepared(asked: Request) -> None:
    """Refuse to write rows while something that the template says would not hold."""
    missing = [Problem(each.where, each.difference(asked.present)) for each in asked.missing]
    refuse(missing, _NOT_IN_FORCE)
    if asked.template.isolation and not asked.target.server:
        raise BadInput.in_field("server", _NO_SERVER)


def _warn(asked: Request) -> None:
    """Warn of doubtful origins, and of what nothing takes."""
    warnings = asked.report.warnings
    if asked.template.isolation and not asked.target.server:
        warnings.append(_NO_SERVER)
    if any(setting.keys[0] == OF_SERVERS for setting in asked.missing):
        warnings.append(f"MCP_GUARD[{OF_SERVERS!r}] holds for all registered servers, not for this one alone")
    lookalikes = doubts.lookalikes()
    for _, origin in asked.template.websocket.origins:
        warnings.extend(f"{origin}: {doubts.said(warned)}" for warned in lookalikes.warnings(origin))


def _apply(call: Call, steps: Sequence[Step], asked: Request) -> list[IssuedSecret]:
    try:
        issued = apply(call.actor, steps, asked.target)
    except StepRefusedError as error:
        refuse(error.problems)
        raise
    if awaits_approval(asked.target):
        name = asked.target.server
        asked.report.warnings.append(
            f"{name} serves nobody until what “server show {name}” shows is approved"
        )
    return issued


def _answer(call: Call, asked: Request, steps: Sequence[Step], issued: Sequence[IssuedSecret]) -> Answer:
    data = {
        "dry_run": call.options.dry_run,
        "endpoint": asked.target.endpoint,
        "client": asked.target.client,
        "fields": [*map(field_object, document.in_order(asked.document, asked.report.effects))],
        "rows": [row_object(step, asked.target) for step in steps],
        "settings": settings_object(asked.present, asked.missing),
        "tokens": [issued_object(each, call.now) for each in issued],
        "warnings": asked.report.warnings,
    }
    return Answer(data, lines(data), asked.report.warnings)
