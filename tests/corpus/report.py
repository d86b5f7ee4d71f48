"""Print the results of a run, and write them as JSON."""

from __future__ import annotations

import collections
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from tests.corpus.answer import Answer
from tests.corpus.run import Result


def print_report(results: Sequence[Result], remarks: Sequence[str], server: str, seconds: float) -> None:
    """Print every failure and skip with its reason, then the counts; the last line sums them up."""
    for line in failures(results):
        print(line)
    for reason, ids in _by_reason(result for result in results if result.outcome == "skipped").items():
        print(f"SKIP {len(ids)} x {reason}: {', '.join(ids)}")
    for remark in remarks:
        print(f"NOTE {remark}")
    _print_kinds(results)
    print(f"{server}: {seconds:.1f} s")
    print(summary(results))


def failures(results: Sequence[Result]) -> list[str]:
    """Return what went wrong, case by case; cases that a broken site kept from being played are one entry."""
    failed = [result for result in results if result.outcome == "failed"]
    unplayed = _by_reason(result for result in failed if result.answer is None)
    described = [_described(result, result.answer) for result in failed if result.answer is not None]
    return [f"FAIL {len(ids)} x {reason}: {', '.join(ids)}" for reason, ids in unplayed.items()] + described


def _described(result: Result, answer: Answer) -> str:
    """Return what a case expected, what came, and everything that is wrong with it."""
    case = result.case
    want = f"{case.expected} {case.status}" + (f" close {case.close}" if case.close else "")
    came = str(answer.status) + ("" if answer.close is None else f" close {answer.close}")
    lines = [f"FAIL {case.id} [{case.surface}, {case.policy}] expected {want}, came {came}"]
    lines += [f"     - {reason}" for reason in result.reasons]
    if case.note:
        lines.append(f"     note: {case.note}")
    if case.by_server:
        lines.append(f"     servers: {json.dumps(case.by_server)}")
    return "\n".join(lines)


def _by_reason(results: Iterable[Result]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = collections.defaultdict(list)
    for result in results:
        found["; ".join(result.reasons)].append(result.case.id)
    return found


def summary(results: Sequence[Result]) -> str:
    """Return how many passed, failed and were skipped."""
    totals = collections.Counter(result.outcome for result in results)
    return f"{totals['passed']} passed, {totals['failed']} failed, {totals['skipped']} skipped"


def write_json(path: Path, results: Sequence[Result], server: str, seconds: float) -> None:
    """Write the results for other programs."""
    totals = collections.Counter(result.outcome for result in results)
    report = {
        "server": server,
        "seconds": round(seconds, 1),
        "passed": totals["passed"],
        "failed": totals["failed"],
        "skipped": totals["skipped"],
        "cases": [_as_json(result) for result in results],
    }
    path.write_text(json.dumps(report, indent=1) + "\n", "utf-8")


def _as_json(result: Result) -> dict[str, Any]:
    case, answer = result.case, result.answer
    return {
        "id": case.id,
        "kind": case.kind,
        "surface": case.surface,
        "policy": case.policy,
        "outcome": result.outcome,
        "reasons": result.reasons,
        "status": answer.status if answer else None,
        "close": answer.close if answer else None,
        "seconds": round(answer.seconds, 3) if answer else None,
    }


def _print_kinds(results: Sequence[Result]) -> None:
    kinds: dict[str, collections.Counter[str]] = collections.defaultdict(collections.Counter)
    for result in results:
        kinds[result.case.kind][result.outcome] += 1
    print(f"{'kind':<20}{'passed':>8}{'failed':>8}{'skipped':>8}")
    for kind, count in sorted(kinds.items()):
        print(f"{kind:<20}{count['passed']:>8}{count['failed']:>8}{count['skipped']:>8}")
