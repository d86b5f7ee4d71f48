"""What turns the direction of text, or begins a line, is escaped before it is logged."""

from __future__ import annotations

import pytest

from mcp_guard.audit.redact import redacted


@pytest.mark.parametrize("character", [*"\u061c\u200e\u200f\u202a\u202e\u2066\u2069\u2028\x1b\x85\r"])
def test_a_character_that_could_forge_a_line_is_escaped(character):
    text = redacted(f"a{character}b")
    assert character not in text
    assert text == "a" + character.encode("unicode_escape").decode() + "b"
