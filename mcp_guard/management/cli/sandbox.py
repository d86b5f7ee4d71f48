"""``sandbox``: what this machine holds a confined process off, tried in a real one."""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from typing import Any

from mcp_guard import conf
from mcp_guard.machine import account
from mcp_guard.management.cli.arguments import SubParsers, declare_noun, declare_verb
from mcp_guard.management.cli.call import Answer, BadInput, Call
from mcp_guard.management.cli.text import GAP, table
from mcp_guard.sandbox.command import CommandRefusedError
from mcp_guard.sandbox.confinement import Confinement, ConfinementUnavailableError, Level
from mcp_guard.sandbox.probe import Finding, probe

UNAVAILABLE = 1
"""The exit status when the level is not there, or does not hold what it promises."""


def declare(nouns: SubParsers) -> None:
    """Add the noun and its verb."""
    verbs = declare_noun(nouns, "sandbox", "ask what this machine holds a confined process off")
    check = declare_verb(verbs, "check", _check, "run a probe in a real box and say what is contained")
    check.add_argument(
        "--level", choices=[*Level], help="how it is confined; default: the setting SERVERS_LEVEL"
    )
    check.add_argument("--run-as", metavar="USER", help="user of the machine to run as; needed as root")


def _check(call: Call) -> Answer:
    level = Level(call.options.level or conf.parse().servers.level.value)
    try:
        run_as = account(call.options.run_as) if call.options.run_as else None
    except CommandRefusedError as error:
        raise BadInput.in_field("run_as", str(error)) from None
    try:
        findings = asyncio.run(probe(Confinement(level=level, run_as=run_as)))
    except (ConfinementUnavailableError, CommandRefusedError) as error:
        data: dict[str, Any] = {
            "level": level.value,
            "available": False,
            "reason": str(error),
            "findings": [],
        }
        return Answer(data, [f"level {level.value}: not available", GAP + str(error)], status=UNAVAILABLE)
    return _answer(level, findings)


def _answer(level: Level, findings: list[Finding]) -> Answer:
    broken = [one.name for one in findings if one.promised and not one.contained]
    data: dict[str, Any] = {
        "level": level.value,
        "available": not broken,
        "reason": None,
        "findings": [*map(asdict, findings)],
    }
    rows = [{"attempt": one.name, "contained": _word(one), "detail": one.detail} for one in findings]
    lines = [f"level {level.value}: {'it does not hold' if broken else 'available'}"]
    lines += table(rows, ("attempt", "contained", "detail"), empty="")
    warnings = [f"{name}: the level promises to stop it, and did not" for name in broken]
    return Answer(data, lines, warnings, UNAVAILABLE if broken else 0)


def _word(finding: Finding) -> str:
    if finding.contained:
        return "yes"
    return "NO" if finding.promised else "no"
