"""The short form of every fault: its promises have to hold. ``python -m tests.faults`` runs the long ones."""

from __future__ import annotations

import asyncio

import pytest

from tests.faults.cases import FAULTS
from tests.faults.lag import Lag
from tests.faults.report import Report, percentile, spread


@pytest.mark.faults
@pytest.mark.parametrize("name", sorted(FAULTS))
def test_the_promises_hold(name):
    report = asyncio.run(FAULTS[name](quick=True))

    print("\n".join(report.lines()))
    assert report.promises
    assert report.broken == []


def test_a_report_tells_what_was_broken():
    report = Report("fault", quick=True)
    report.promise("this holds", held=True, found=1)
    report.promise("this does not", held=False, found=2)

    assert report.broken == ["this does not: 2"]
    assert report.lines()[1:] == ["held: this holds (1)", "BROKEN: this does not (2)"]


def test_percentiles_are_values_that_were_measured():
    values = [float(number) for number in range(1, 101)]

    assert [percentile(values, share) for share in (0.5, 0.99, 1.0)] == [50, 99, 100]
    assert spread([3.0, 1.0, 2.0]) == {"n": 3, "p50": 2, "p99": 3, "max": 3}


def test_only_what_is_later_than_usual_is_lag():
    lag = Lag()
    for late in (0.002, 0.009, 0.11, 0.31):
        lag.note(late)

    assert (round(lag.worst, 3), round(lag.total, 3)) == (0.3, 0.4)
