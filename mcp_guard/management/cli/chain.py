"""``audit status``, ``verify``, ``seal`` and ``prune``: the hash chain of the audit trail."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

from django.core.management.base import CommandError
from django.db import router

from mcp_guard.audit import prune, seal, verify
from mcp_guard.audit.seal import NotAuthentic
from mcp_guard.audit.state import State, state
from mcp_guard.audit.verify import Verdict
from mcp_guard.management.cli import ship
from mcp_guard.management.cli.arguments import SubParsers, days, declare_verb
from mcp_guard.management.cli.call import Answer, BadInput, Call
from mcp_guard.management.cli.text import iso, pairs
from mcp_guard.models import AuditEvent

_ANCHOR = re.compile(r"([1-9][0-9]{0,17}):([0-9a-f]{64})")


def declare(verbs: SubParsers) -> None:
    """Add the verbs to the noun ``audit``."""
    declare_verb(verbs, "status", _status, "say where the chain ends, and how far behind destinations are")
    check = declare_verb(verbs, "verify", _verify, "verify the chain, and say where it is broken")
    check.add_argument(
        "--head", metavar="SEQ:DIGEST", action="append", default=[],
        help="an end of the chain that was written down before; may be repeated",
    )  # fmt: skip
    sealing = declare_verb(verbs, "seal", _seal, "seal what is not sealed yet")
    sealing.add_argument(
        "--accept", action="store_true", help="go on from the last event although the end is not authentic"
    )
    pruning = declare_verb(verbs, "prune", _prune, "prune what AUDIT_DAYS and AUDIT_ROWS do not keep")
    pruning.add_argument("--days", metavar="N", help="keep only so many days")
    pruning.add_argument("--rows", metavar="N", help="keep only so many sealed events")
    pruning.add_argument("--broken", action="store_true", help="prune what does not verify, too")
    pruning.add_argument("--dry-run", action="store_true", help="say what would go, prune nothing")


def _status(call: Call) -> Answer:
    found, shipping = state(), ship.status(call)
    data = _state_object(found)
    lines = [*pairs(data), "", *shipping.lines]
    return Answer({"chain": data, "destinations": shipping.data}, lines, _warnings(found))


def _state_object(found: State) -> dict[str, Any]:
    last = found.last_verification
    return {
        "sealed_up_to": found.seal.seq,
        "head": found.anchor,
        "sealed_at": iso(found.seal.sealed_at),
        "authentic": found.is_authentic,
        "pruned_up_to": found.seal.pruned_seq,
        "unsealed": found.unsealed,
        "oldest_unsealed": iso(found.oldest_unsealed),
        "verified_at": iso(last.at) if last else None,
        "verified": last.outcome if last else None,
    }


def _warnings(found: State) -> list[str]:
    warnings = []
    if not found.is_authentic:
        warnings.append("the end of the chain is not authentic, so nothing more is sealed; see audit verify")
    if found.was_broken:
        warnings.append("the last verification found the chain broken")
    return warnings


def _verify(call: Call) -> Answer:
    anchors = dict(_anchor(text) for text in call.options.head)
    verdict = verify.verify(anchors)
    verify.record(verdict, call.actor.label)
    faults = [{"kind": each.kind.value, "seq": each.seq, "text": each.text} for each in verdict.faults]
    data = {
        "sound": verdict.is_sound,
        "first": verdict.first,
        "last": verdict.last,
        "verified": verdict.verified,
        "pruned_up_to": verdict.pruned,
        "unsealed": verdict.unsealed,
        "head": verdict.anchor,
        "fault_count": verdict.fault_count,
    }
    lines = [_summary(verdict), *(f"{each['kind']}: {each['text']}" for each in faults)]
    more = verdict.fault_count - len(faults)
    lines += [f"{more} more"] if more else []
    gone = [
        f"event {seq} is pruned, so its digest cannot be compared" for seq in anchors if seq < verdict.pruned
    ]
    return Answer(data | {"faults": faults}, lines, gone, status=0 if verdict.is_sound else 1)


def _summary(verdict: Verdict) -> str:
    events = f"events {verdict.first} to {verdict.last}" if verdict.last >= verdict.first else "no events"
    if verdict.is_sound:
        return f"sound: {events}, ends with {verdict.anchor}; {verdict.unsealed} not sealed yet"
    return f"BROKEN: {events}, {verdict.fault_count} faults"


def _anchor(text: str) -> tuple[int, str]:
    found = _ANCHOR.fullmatch(text)
    if not found:
        raise BadInput.in_field("head", f"{text[:80]!r} is not SEQ:DIGEST, as audit status prints it")
    return int(found[1]), found[2]


def _seal(call: Call) -> Answer:
    try:
        if call.options.accept:
            seal.accept(call.actor.label)
        sealed = seal.seal_all()
    except NotAuthentic as error:
        raise CommandError(f"{error}; see audit verify", returncode=1) from error
    head = state().anchor
    return Answer({"sealed": sealed, "head": head}, [f"sealed {sealed} events, up to {head}"])


def _prune(call: Call) -> Answer:
    options = call.options
    bounds = prune.Bounds.of_settings(call.now)
    if options.days is not None:
        bounds = replace(bounds, before=call.now - days(options.days, "days"))
    if options.rows is not None:
        bounds = replace(bounds, rows=_count(options.rows))
    bounds = replace(bounds, is_broken_pruned=options.broken)
    if options.dry_run:
        found = state().seal
        last, _ = prune.last_to_go(router.db_for_write(AuditEvent), found, bounds)
        going = max(0, last - found.pruned_seq)
        return Answer({"would_prune": going}, [f"would prune {going} events"])
    try:
        pruned = prune.prune_all(bounds, call.actor.label, waits=True)
    except (prune.Broken, NotAuthentic) as error:
        raise CommandError(f"{error}; see audit verify", returncode=1) from error
    return Answer({"pruned": pruned}, [f"pruned {pruned} events"])


def _count(text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,12}", text):
        raise BadInput.in_field("rows", f"{text[:40]!r} is not a number of rows")
    return int(text)
