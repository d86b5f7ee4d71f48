"""What a fault has shown: figures, and promises that held or not."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Promise:
    """One thing that has to hold, whether it did, and what was found."""

    text: str
    held: bool
    found: str


@dataclass
class Report:
    """The figures and promises of one run."""

    name: str
    quick: bool
    figures: dict[str, Any] = field(default_factory=dict)
    promises: list[Promise] = field(default_factory=list)

    def promise(self, text: str, *, held: bool, found: object = "") -> None:
        """Note whether something held."""
        self.promises.append(Promise(text, bool(held), str(found)))

    @property
    def broken(self) -> list[str]:
        """The promises that did not hold, with what was found."""
        return [f"{each.text}: {each.found}" for each in self.promises if not each.held]

    def lines(self) -> list[str]:
        """Return the report for a terminal."""
        title = f"# {self.name}{' --quick' if self.quick else ''}, load {os.getloadavg()[0]:.1f}"
        said = [f"{name}: {_short(value)}" for name, value in self.figures.items()]
        kept = [f"{'held' if p.held else 'BROKEN'}: {p.text} ({p.found})" for p in self.promises]
        return [title, *said, *kept]

    def as_json(self) -> str:
        """Return the report for a machine."""
        promises = [vars(promise) for promise in self.promises]
        found = {"name": self.name, "quick": self.quick, "load": os.getloadavg()}
        return json.dumps({**found, "figures": self.figures, "promises": promises}, indent=1)


def percentile(values: Sequence[float], share: float) -> float:
    """Return the smallest value that this share of the values does not exceed; NaN of none."""
    if not values:
        return math.nan
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)]


def spread(values: Sequence[float]) -> dict[str, float]:
    """Return how many values there are, their median, 99th percentile and maximum, in their own unit."""
    found = {"p50": percentile(values, 0.5), "p99": percentile(values, 0.99), "max": percentile(values, 1)}
    return {"n": len(values), **{name: round(value, 4) for name, value in found.items()}}


def _short(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {inner}" for name, inner in value.items())
    return str(value)
