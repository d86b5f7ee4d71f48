"""How often something may happen: never more than said, and no less once time has passed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_guard.policy.rate import CELLS, ROWS, Bucket, Failures

GAPS = st.lists(st.floats(0, 5), max_size=80)


@given(GAPS, st.integers(1, 20), st.integers(1, 40))
def test_a_bucket_lets_no_window_have_more_than_its_burst_and_rate(gaps, per_second, burst):
    bucket, now, taken = Bucket(burst, 0.0), 0.0, []
    for gap in gaps:
        now += gap
        if bucket.take(now, per_second, burst):
            taken.append(now)

    for first in range(len(taken)):
        for last in range(first, len(taken)):
            assert last - first + 1 <= burst + (taken[last] - taken[first]) * per_second + 1e-6


@given(st.integers(1, 20), st.integers(1, 40))
def test_a_bucket_refills_to_its_burst_and_no_further(per_second, burst):
    bucket = Bucket(burst, 0.0)
    assert [bucket.take(0.0, per_second, burst) for _ in range(burst + 1)] == [True] * burst + [False]

    later = 10_000.0

    assert [bucket.take(later, per_second, burst) for _ in range(burst + 1)] == [True] * burst + [False]


def test_a_clock_that_goes_back_gives_nothing():
    bucket = Bucket(1, 100.0)

    assert [bucket.take(now, 1, 1) for now in (100.0, 50.0, 50.5)] == [True, False, False]


def test_failures_are_within_the_bound_until_they_are_more_than_it():
    failures = Failures(b"salt")

    waits = [failures.add(b"a", 0.0, 60) for _ in range(62)]

    assert waits[:60] == [0.0] * 60
    assert waits[60:] == pytest.approx([1.0, 1.0])


def test_failures_are_forgiven_with_time_and_never_kept_for_longer_than_a_minute():
    failures = Failures(b"salt")
    for _ in range(10_000):
        assert failures.add(b"a", 0.0, 60) <= 1.0

    assert failures.add(b"a", 0.9, 60) > 0
    assert failures.add(b"a", 62.0, 60) == 0.0


@given(st.lists(st.tuples(st.sampled_from([b"a", b"b", b"c"]), st.floats(0, 30)), max_size=100))
def test_a_key_is_never_counted_too_low(steps):
    """The estimate is at least that of a table that keeps each key for itself."""
    shared, alone, now = Failures(b"salt"), {}, 0.0
    for key, gap in steps:
        now += gap
        own = alone.setdefault(key, Failures(b"own"))
        assert shared.add(key, now, 5) >= own.add(key, now, 5) - 1e-6


def test_memory_stays_the_same_however_many_keys_there_are():
    failures = Failures(b"salt")
    for number in range(20_000):
        failures.add(number.to_bytes(4), 0.0, 60)

    assert len(failures._levels) == len(failures._times) == ROWS * CELLS
    assert failures.add(b"new", 120.0, 60) == 0.0


def test_keys_share_no_place_that_a_stranger_could_know():
    one, other = Failures(b"salt"), Failures(b"another")

    assert one._cells(b"a") != other._cells(b"a")
    assert len(set(one._cells(b"a"))) == ROWS
