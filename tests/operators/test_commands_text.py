"""Durations, moments and plain text: what is typed and what is printed."""

from __future__ import annotations

import unicodedata
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_guard.management.cli.arguments import duration, moment
from mcp_guard.management.cli.call import BadInput, without_tokens
from mcp_guard.management.cli.text import cell, escaped, iso, pairs, table
from mcp_guard.tokens import mint

NOW = datetime(2030, 1, 31, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "length"),
    [
        ("45m", timedelta(minutes=45)),
        ("12h", timedelta(hours=12)),
        ("30d", timedelta(days=30)),
        ("2w", timedelta(days=14)),
        ("0h", timedelta(0)),
    ],
)
def test_a_duration_is_a_number_and_a_unit(text, length):
    assert duration(text, "overlap") == length
    assert moment(text, NOW, "until") == NOW + length


@pytest.mark.parametrize(
    "text", ["", "30", "d", "-1d", "1.5h", "30 d", "30D", "1h30m", "9999999d", "\u0661d", "30d\n"]
)
def test_what_is_no_duration_is_refused_beside_its_field(text):
    with pytest.raises(BadInput) as raised:
        duration(text, "overlap")
    assert set(raised.value.fields) == {"overlap"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2030-02-01T10:00Z", datetime(2030, 2, 1, 10, tzinfo=UTC)),
        ("2030-02-01T10:00:30+02:00", datetime(2030, 2, 1, 8, 0, 30, tzinfo=UTC)),
        ("2030-02-01 10:00", datetime(2030, 2, 1, 9, tzinfo=UTC)),
        ("2030-08-01T10:00", datetime(2030, 8, 1, 8, tzinfo=UTC)),
        ("2030-02-01", datetime(2030, 1, 31, 23, tzinfo=UTC)),
    ],
)
def test_a_moment_without_an_offset_is_in_the_projects_time_zone(settings, text, expected):
    settings.TIME_ZONE = "Europe/Berlin"
    assert moment(text, NOW, "until") == expected


@pytest.mark.parametrize(
    "text",
    [
        "", "tomorrow", "30", "2030-13-01", "2030-02-30", "10:00", "999999w", "0001-01-01T00:00+14:00",
        "2030-03-31T02:30", "2030-10-27T02:30",
    ],
)  # fmt: skip
def test_what_is_no_moment_or_two_is_refused_beside_its_field(settings, text):
    settings.TIME_ZONE = "Europe/Berlin"
    with pytest.raises(BadInput) as raised:
        moment(text, NOW, "until")
    assert set(raised.value.fields) == {"until"}


@given(st.text(), st.datetimes(timezones=st.just(UTC), min_value=datetime(2000, 1, 1)))  # noqa: DTZ001 (hypothesis)
def test_any_text_is_a_moment_or_bad_input(text, now):
    with suppress(BadInput):
        assert moment(text, now, "until").tzinfo is UTC


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain ÄÖ 漢字 😀", "plain ÄÖ 漢字 😀"),
        ("a\x1b[31mb", "a\\x1b[31mb"),
        ("a\r\nb\tc", "a\\x0d\\x0ab\\x09c"),
        ("\u202egnp", "\\u202egnp"),
        ("a\u200bb\u2028c", "a\\u200bb\\u2028c"),
        ("\x9b2J", "\\x9b2J"),
        ("\U000e0041", "\\U000e0041"),
        ("\udc80", "\\udc80"),
    ],
)
def test_what_a_terminal_would_obey_is_escaped(text, shown):
    assert escaped(text) == shown


@given(st.text())
def test_escaped_text_is_one_printable_line(text):
    shown = escaped(text)
    assert shown.isprintable()
    assert escaped(shown) == shown
    assert shown == text or not text.isprintable()


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, "-"),
        ("", "-"),
        ([], "-"),
        (True, "yes"),
        (False, "no"),
        (0, "0"),
        (["a", "b\n"], "a, b\\x0a"),
        ({"http": "bearer"}, "http bearer"),
    ],
)
def test_a_cell_is_one_line(value, shown):
    assert cell(value) == shown


@given(st.lists(st.fixed_dictionaries({"a": st.text(), "b": st.text(), "c": st.integers()}), min_size=1))
def test_every_column_of_a_table_begins_at_the_same_place(rows):
    lines = table(rows, ("a", "b", "c"), empty="none")
    assert len(lines) == len(rows) + 1
    starts = {width(line) - width(cell(row["c"])) for line, row in zip(lines[1:], rows, strict=True)}
    assert starts == {width(lines[0]) - 1}
    assert all(line.isprintable() for line in lines)


def width(text: str) -> int:
    wide = sum(
        unicodedata.east_asian_width(char) in ("W", "F") and not unicodedata.combining(char) for char in text
    )
    return len(text) - sum(unicodedata.combining(char) > 0 for char in text) + wide


def test_an_empty_table_says_so():
    assert table([], ("a",), empty="no clients") == ["no clients"]


def test_pairs_are_aligned():
    assert pairs({"a_b": 1, "c": ["x", "y"]}) == ["  a b  1", "  c    x, y"]


def test_moments_are_printed_in_utc_to_the_second():
    berlin = datetime.fromisoformat("2030-01-31T13:00:00.999+01:00")
    assert iso(berlin) == "2030-01-31T12:00:00Z"
    assert iso(None) is None


def test_token_texts_are_taken_out_of_messages():
    text = mint()
    assert without_tokens(f"“{text}” and {text}x!") == "“mcpg_…” and mcpg_…!"
