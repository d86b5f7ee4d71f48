"""Texts as somebody may send them who wants to forge or break what is written about it."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import strategies

HOSTILE = (
    "a\nb", "a\r\nb", "\x00", "\x1b[2J\x1b[31m", "\u202egnp.exe", "\u2066x\u2069", "\u2028\u2029\x85", "\x7f",
    "\ud800", "\udc80\udcff", "|", "\\", "\\|", "a=b c=d", "x suser=root", "\\n", "\\=", "\\\\=", '","a":"',
    "=cmd|' /C calc'!A0", "<script>", "%n%s", "CEF:0|x|y|z|1|n|10|", "<13>1 - - - - - -", " lead", "trail ",
    "\u00e9\u4e2d\U0001f600", "\ufeff", "a\tb", "{{7*7}}", "${jndi:ldap://x}", "e\u0301", "\u0600\u200f",
)  # fmt: skip

texts = strategies.one_of(
    strategies.sampled_from(HOSTILE),
    strategies.text(max_size=60),
    strategies.text(alphabet="ab=|\\ \n\r\t\x00\x1b\u202e\ud800\"'{}:,", max_size=60),
    strategies.lists(strategies.sampled_from(HOSTILE), max_size=5).map("".join),
)
"""Any texts, hostile ones above all."""


def as_json(value: Any) -> Any:
    """Return a value as JSON has it, in which two halves of a surrogate pair are one character."""
    return json.loads(json.dumps(value))
