"""What a process may write, how it is shown, and how long one that fails is left alone."""

from __future__ import annotations

import asyncio

import pytest

from mcp_guard.mcp.ear import MOST_WAITING, Ear
from mcp_guard.mcp.pipes import BURST, MAX_LINE, PER_SECOND, LineTooLongError, Pace, lines
from mcp_guard.servers.backoff import FIRST_SECONDS, LONGEST_SECONDS, SOUND_SECONDS, Backoff
from mcp_guard.servers.tail import MAX_BYTES, MAX_LINES, MOST_HIDDEN, Tail
from mcp_guard.servers.tail import MAX_LINE as LONGEST_SHOWN


def stream_of(*parts: bytes) -> asyncio.StreamReader:
    stream = asyncio.StreamReader(limit=2**26)
    for part in parts:
        stream.feed_data(part)
    stream.feed_eof()
    return stream


async def read(*parts: bytes) -> list[bytes]:
    return [line async for line in lines(stream_of(*parts))]


async def test_lines_are_those_between_line_feeds_however_they_come():
    assert await read(b"a\nb", b"c\n", b"\n", b"never ended") == [b"a", b"bc", b""]
    longest = b"x" * MAX_LINE
    assert await read(longest, b"\nnext\n") == [longest, b"next"]


@pytest.mark.parametrize("end", [b"", b"\n", b"x" * 2**20])
async def test_a_line_that_is_too_long_is_nothing_of_it(end):
    with pytest.raises(LineTooLongError):
        await read(b"x" * (MAX_LINE + 1), end)


def test_who_says_more_than_it_may_waits_for_as_long_as_it_takes():
    pace = Pace(0.0)

    assert pace.owed(BURST, 0.0) == 0
    assert pace.owed(PER_SECOND, 0.0) == pytest.approx(1.0)
    assert pace.owed(0, 1.0) == 0
    assert pace.owed(BURST, 1000.0) == 0


def test_each_failure_doubles_the_time_that_a_server_is_left_alone_up_to_a_bound():
    backoff, waits = Backoff(), []
    for number in range(15):
        backoff.failed(0.1, now=1000.0 * number)
        waits.append(backoff.wait(1000.0 * number))

    assert waits[:4] == [FIRST_SECONDS * factor for factor in (1, 2, 4, 8)]
    assert waits[-1] == LONGEST_SECONDS
    assert backoff.wait(1000.0 * 14 + LONGEST_SECONDS) == 0
    backoff.failed(SOUND_SECONDS, now=20_000.0)
    assert (backoff.failures, backoff.wait(20_000.0)) == (1, FIRST_SECONDS)
    backoff.ended(SOUND_SECONDS)
    assert (backoff.failures, backoff.wait(20_000.0)) == (0, 0)


def test_only_the_last_lines_are_kept_whatever_is_written():
    tail = Tail()
    for number in range(20_000):
        tail.feed(f"line {number}\n".encode())
    tail.feed(b"y" * 10_000_000)

    text = tail.text()
    assert len(text) <= MAX_BYTES + LONGEST_SHOWN
    assert "line 19999" in text
    assert "line 0\n" not in text
    assert text.endswith("y" * LONGEST_SHOWN)


def test_a_line_without_an_end_is_cut_and_control_characters_and_secrets_are_not_shown():
    tail = Tail()
    tail.hide(["hunter2-hunter2"])
    tail.feed(b"\x1b]0;title\x07 key is hunter2-hunter2 \xff\r\n" + b"z" * 5000 + b"\nnext")

    first, second, third = tail.text().split("\n")
    assert first == r"\x1b]0;title\x07 key is [redacted] " + "\N{REPLACEMENT CHARACTER}"
    assert second == "z" * LONGEST_SHOWN + " [cut]"
    assert third == "next"


def test_a_flood_of_empty_lines_is_not_kept_as_so_many():
    tail = Tail()
    for _ in range(10):
        tail.feed(b"\n" * 32_768)

    assert len(tail.text().split("\n")) == MAX_LINES


def test_secrets_of_many_lines_and_those_of_earlier_processes_are_not_shown():
    tail = Tail()
    tail.hide(["first-line\nsecond-line\n", "short", "rotated-out"])
    tail.hide(["rotated-out-and-longer", "rotated-in"])
    tail.feed(b"first-line\nat second-line\nrotated-out rotated-out-and-longer rotated-in short\n")

    assert tail.text().split("\n") == [
        "[redacted]",
        "at [redacted]",
        "[redacted] [redacted] [redacted] short",
    ]


def test_as_many_secrets_are_hidden_as_there_may_be_the_latest_of_them():
    tail = Tail()
    tail.hide([f"secret-{number:04}" for number in range(MOST_HIDDEN + 1)])

    assert tail.without_secrets("secret-0000 secret-0001 secret-0256") == "secret-0000 [redacted] [redacted]"


async def test_one_who_does_not_listen_is_told_the_latest_and_holds_up_nobody():
    ear, listening, told = Ear(), asyncio.Event(), []

    def say(number: int):
        async def tell() -> None:
            await listening.wait()
            told.append(number)

        return tell

    for number in range(1000):
        ear.tell(number, say(number))
    ear.tell("same", say(1000))
    ear.tell("same", say(1001))
    listening.set()
    await ear.told()

    assert told == [*range(1001 - MOST_WAITING, 1000), 1001]
