"""docs/peers.md, written from the cases."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Final

from tests.peers.case import Case, Effect, Mark
from tests.peers.cases import PEERS, Cases

PAGE: Final = Path(__file__).parents[2] / "docs" / "peers.md"

_HEAD: Final = """\
# Next to other packages

What the tests of django-cors-headers, of Starlette's `CORSMiddleware` and of Channels' `OriginValidator`
ask, asked of the gate. Each case is a row of the decision table and played at every door. *There* is what
their test wants; the installed version does it, or tells caches more. Where they ask only for an origin, the
gate gets a token besides: no origin lets anybody in alone.

- **same**: the same code runs, and the same page may read the answer or go on after its preflight, with or
  without cookies; caches are told the same of `Origin`.
- **stricter**: nothing more is let in, and something less, or caches are told more.
- **different**: the rest, such as lists and numbers that can be configured there and not here.

This page is written by `python -m tests.peers`.
"""


def text() -> str:
    """Return the whole page."""
    return "\n".join([_HEAD, *(part for of in PEERS for part in _section(of))])


def _section(of: Cases) -> list[str]:
    counted = Counter(case.mark for case in of.cases)
    counts = ", ".join(f"{counted[mark]} {mark.value}" for mark in Mark)
    lines = [
        f"## {of.peer.name}",
        "",
        f"[{of.peer.path}]({of.peer.url}) at `{of.peer.commit[:9]}`: {counts}.",
        "",
        "| test | asked | there | here | mark | reason |",
        "|---|---|---|---|---|---|",
        *map(_line, of.cases),
        "",
    ]
    if of.others:
        lines += ["Not asked, since they ask nothing of a request:", ""]
        lines += [f"- `{test}`: {why}." for test, why in of.others.items()]
        lines.append("")
    return lines


def _line(case: Case) -> str:
    cells = (
        f"`{case.test}`",
        case.rule,
        _words(case.theirs, case),
        _words(case.ours, case),
        f"**{case.mark.value}**" if case.mark is not Mark.SAME else case.mark.value,
        case.reason,
    )
    return f"| {' | '.join(cells)} |".replace("  |", " |")


def _words(effect: Effect, case: Case) -> str:
    if not hasattr(case.exchange, "method"):
        return "opens" if effect.runs else "refused"
    is_preflight = case.exchange.method == "OPTIONS" and any(
        name == "Access-Control-Request-Method" for name, _ in case.exchange.headers
    )
    page = (
        ("may go on" if is_preflight else "page reads") if effect.page else ("stops" if is_preflight else "")
    )
    words = [
        "runs" if effect.runs else ("" if is_preflight else "does not run"),
        page + (" with cookies" if effect.credentials else ""),
        "" if effect.varies else "no Vary",
        "private network" if effect.private_network else "",
    ]
    return ", ".join(filter(None, words))
