"""Bars as SVG: no script, no style attribute, nothing from elsewhere, so the strictest policy shows them.

What a bar is made of is told by a class, whose colour comes from the style sheet; hatching tells it to those
who see no colour, and a title in words to those who see nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

HEIGHT: Final = 100
"""Height of a picture in its own units; the style sheet says how large it is shown."""

STEP: Final = 10
"""From one bar to the next, in the picture's units."""

WIDTH: Final = 8

LEAST: Final = 3
"""Height of the smallest bar that is not nothing: one request among a million is seen."""


class Bar(NamedTuple):
    """One bar: what it is about, in words, and its parts from the bottom up, none of them negative."""

    words: str
    parts: tuple[int, ...]


def bars(name: str, title: str, description: str, kinds: Sequence[str], shown: Sequence[Bar]) -> SafeString:
    """Return a picture of its own.

    ``name`` is an identifier on the page, ``kinds`` the class of each part; the second and later ones are
    hatched. Empty when no bar has any height.
    """
    drawn = _draw(shown, kinds, f"{name}-hatch")
    if not drawn:
        return SafeString()
    return format_html(
        '<svg class="mcp-guard-bars" viewBox="0 0 {} {}" preserveAspectRatio="none" role="img"'
        ' aria-labelledby="{}-title {}-text"><title id="{}-title">{}</title><desc id="{}-text">{}</desc>'
        "{}{}</svg>",
        len(shown) * STEP, HEIGHT, name, name, name, title, name, description,
        _hatch(f"{name}-hatch", kinds), drawn,
    )  # fmt: skip


def line_of_bars(kind: str, amounts: Sequence[int]) -> SafeString:
    """Return a small picture beside a number that says the same; empty when all is nothing."""
    drawn = _draw([Bar("", (amount,)) for amount in amounts], [kind], "")
    if not drawn:
        return SafeString()
    return format_html(
        '<svg class="mcp-guard-line" viewBox="0 0 {} {}" preserveAspectRatio="none" aria-hidden="true"'
        ' focusable="false">{}</svg>',
        len(amounts) * STEP, HEIGHT, drawn,
    )  # fmt: skip


def _draw(shown: Sequence[Bar], kinds: Sequence[str], hatch: str) -> SafeString:
    highest = max((sum(bar.parts) for bar in shown), default=0)
    if not highest:
        return SafeString()
    drawn = ((_bar(index * STEP, bar, kinds, highest, hatch),) for index, bar in enumerate(shown))
    return format_html_join("", "{}", drawn)


def _bar(left: int, bar: Bar, kinds: Sequence[str], highest: int, hatch: str) -> SafeString:
    rectangles, top = [], float(HEIGHT)
    for number, (kind, amount) in enumerate(zip(kinds, bar.parts, strict=True)):
        if amount:
            height = max(LEAST, amount / highest * HEIGHT)
            top = max(0.0, top - height)
            rectangles.append(_rectangle(left, top, height, kind, hatch if number else ""))
    if not rectangles:
        return SafeString()
    words = format_html("<title>{}</title>", bar.words) if bar.words else SafeString()
    return format_html("<g>{}{}</g>", words, format_html_join("", "{}", ((one,) for one in rectangles)))


def _rectangle(left: int, top: float, height: float, kind: str, hatch: str) -> SafeString:
    places = (left + (STEP - WIDTH) // 2, f"{top:.2f}", WIDTH, f"{height:.2f}")
    solid = format_html('<rect x="{}" y="{}" width="{}" height="{}" class="{}"/>', *places, kind)
    if not hatch:
        return solid
    return solid + format_html('<rect x="{}" y="{}" width="{}" height="{}" fill="url(#{})"/>', *places, hatch)


def _hatch(name: str, kinds: Sequence[str]) -> SafeString:
    if len(kinds) < 2:
        return SafeString()
    return format_html(
        '<defs><pattern id="{}" width="4" height="8" patternUnits="userSpaceOnUse">'
        '<path d="M0 8 L4 0" class="mcp-guard-hatch"/></pattern></defs>',
        name,
    )
