"""Which checks run a function: when one of its rules is gone, only these come out otherwise."""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Callable, Mapping
from types import CodeType, FrameType
from typing import Any


def reached(checks: Mapping[str, Callable[[], bool]]) -> dict[CodeType, list[str]]:
    """Run all checks, and return the names of those that run the code of a function, for each that ran."""
    found = defaultdict(list)
    for name, check in checks.items():
        for code in _codes(check):
            found[code].append(name)
    return dict(found)


def _codes(check: Callable[[], bool]) -> set[CodeType]:
    ran = set()

    def note(frame: FrameType, event: str, _argument: Any) -> None:
        if event == "call":
            ran.add(frame.f_code)

    before = sys.getprofile()
    sys.setprofile(note)
    try:
        check()
    finally:
        sys.setprofile(before)
    return ran
