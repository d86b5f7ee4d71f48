"""The pages of the documentation, taken apart."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final, NamedTuple

ROOT: Final = Path(__file__).parents[2]
README: Final = ROOT / "README.md"
PAGES: Final = sorted([*ROOT.glob("*.md"), ROOT / "mcp_guard" / "README.md", *(ROOT / "docs").glob("*.md")])
"""Everything a user reads."""

_FENCE = re.compile(r"^```([a-z]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_HEADING = re.compile(r"^(#{1,6}) +(.+?) *$", re.MULTILINE)


class Block(NamedTuple):
    """One fenced block: the heading it stands under, the paragraph before it, its language and its text."""

    heading: str
    before: str
    language: str
    text: str


def blocks(page: Path) -> list[Block]:
    """Return the fenced blocks of a page in their order."""
    text = page.read_text("utf-8")
    found = []
    for match in _FENCE.finditer(text):
        above = text[: match.start()]
        heading = [name for _, name in _HEADING.findall(_FENCE.sub("", above))][-1:]
        before = " ".join(above.rstrip("\n").rpartition("\n\n")[2].split())
        found.append(Block(heading[0] if heading else "", before, match[1], match[2]))
    return found


def headings(page: Path) -> list[str]:
    """Return the headings of a page; what stands in a fenced block is none."""
    return [name for _, name in _HEADING.findall(_FENCE.sub("", page.read_text("utf-8")))]


def section(page: Path, heading: str) -> str:
    """Return what stands under a heading, down to the next one of its level or above."""
    text = page.read_text("utf-8")
    starts = [match for match in _HEADING.finditer(text) if match[2] == heading]
    assert len(starts) == 1, f"{page.name} has {len(starts)} headings {heading!r}"
    start = starts[0]
    following = (m for m in _HEADING.finditer(text, start.end()) if len(m[1]) <= len(start[1]))
    end = next(following, None)
    return text[start.end() : end.start() if end else None]


def rows(text: str) -> list[list[str]]:
    """Return the cells of every row of the tables in a text, without their heads."""
    found: list[list[str]] = []
    for line in text.splitlines():
        if re.fullmatch(r"\|(?:[-: ]+\|)+", line):
            found = found[:-1]
        elif line.startswith("|"):
            cells = re.split(r"(?<!\\)\|", line.strip().removeprefix("|").removesuffix("|"))
            found.append([cell.strip() for cell in cells])
    return found


def code(cell: str) -> str:
    """Return what stands between the backticks of a cell."""
    match = re.fullmatch(r"`([^`]+)`", cell)
    assert match, f"{cell!r} is not one piece of code"
    return match[1]
