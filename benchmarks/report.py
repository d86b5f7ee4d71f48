"""A table in Markdown and a picture in SVG, from the ratios of one run."""

from __future__ import annotations

import math
import platform
from html import escape
from pathlib import Path
from statistics import median
from typing import Any, Final

from benchmarks.ratios import LIMITS, Limit, Raw

ROW: Final = 26
LEFT: Final = 270
WIDTH: Final = 420


def markdown(found: dict[str, float], raw: Raw, command: str) -> str:
    """Return the report."""
    lines = [
        "# Benchmarks",
        "",
        f"`{command}`, {platform.machine()}, {_processor()}, Python {platform.python_version()}.",
    ]
    lines += ["", "| key | value | floor | goal | holds |", "|---|---|---|---|---|"]
    for key, limit in LIMITS.items():
        if key in found:
            mark = "yes" if limit.holds(found[key]) else "**no**"
            arrow = " ↑" if limit.higher_is_better else ""
            lines.append(f"| `{key}`{arrow} | {found[key]:.3g} | {limit.floor:g} | {limit.goal:g} | {mark} |")
    lines += ["", "Further figures:", "", "| key | value |", "|---|---|"]
    lines += [f"| `{key}` | {value:.3g} |" for key, value in found.items() if key not in LIMITS]
    lines += ["", "## Medians", ""]
    for part, cells in raw.items():
        if isinstance(cells, dict):
            lines += _medians(part, cells)
    return "\n".join(lines) + "\n"


def _medians(part: str, cells: dict[str, dict[str, list[dict[str, Any]]]]) -> list[str]:
    scenarios = list(next(iter(cells.values())))
    lines = [
        f"### {part}",
        "",
        "| stack | " + " | ".join(scenarios) + " |",
        "|---" * (len(scenarios) + 1) + "|",
    ]
    for name, by_scenario in cells.items():
        lines.append(f"| {name} | " + " | ".join(_shown(by_scenario[one]) for one in scenarios) + " |")
    return [*lines, ""]


def _shown(rounds: list[dict[str, Any]]) -> str:
    for key, unit, divisor in (("rate", "/s", 1.0), ("kib", "KiB", 1.0), ("p50", "us", 1e3)):
        if rounds and key in rounds[0]:
            return f"{median(one[key] for one in rounds) / divisor:,.4g} {unit}"
    return "-"


def picture(found: dict[str, float]) -> str:
    """Return a bar for each key: how far it is from its floor, on a logarithmic scale, longer is better."""
    keys = [key for key in LIMITS if key in found]
    height = ROW * (len(keys) + 1) + 10
    rows = [_bar(number, key, found[key], LIMITS[key]) for number, key in enumerate(keys)]
    middle = LEFT + WIDTH / 2
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {LEFT + WIDTH + 90} {height}" '
        f'font-family="sans-serif" font-size="12"><title>Ratios against their floors</title>'
        f'<rect width="100%" height="100%" fill="#fff"/>{"".join(rows)}'
        f'<line x1="{middle}" y1="4" x2="{middle}" y2="{height - ROW}" stroke="#444" stroke-dasharray="3 3"/>'
        f'<text x="{middle}" y="{height - 10}" text-anchor="middle" fill="#444">'
        "the floor; full length is a factor of 8</text>"
        "</svg>\n"
    )


def _bar(number: int, key: str, value: float, limit: Limit) -> str:
    better = value / limit.floor if limit.higher_is_better else limit.floor / max(value, 1e-9)
    units = max(-3.0, min(3.0, math.log2(max(better, 1e-9))))
    middle, length = LEFT + WIDTH / 2, units * WIDTH / 6
    color = "#2a7a4b" if limit.holds(value) else "#b3261e"
    x, y = min(middle, middle + length), 8 + number * ROW
    return (
        f'<text x="{LEFT - 8}" y="{y + 13}" text-anchor="end" fill="#111">{escape(key)}</text>'
        f'<rect x="{x:.1f}" y="{y}" width="{max(1.0, abs(length)):.1f}" height="18" fill="{color}"/>'
        f'<text x="{LEFT + WIDTH + 6}" y="{y + 13}" fill="#111">{value:.3g}</text>'
    )


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text("utf-8").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return "unknown processor"
