"""What the benchmarks make of rounds: every key that has a floor, from numbers that are known."""

from __future__ import annotations

import json

from benchmarks import http_load, socket_load
from benchmarks.inprocess import GROUPS
from benchmarks.ratios import LIMITS, Limit, ratios
from benchmarks.report import markdown, picture
from benchmarks.servers import KINDS
from benchmarks.stacks import STACKS

ROUND = {"p50": 1_000.0, "rate": 10.0, "kib": 20.0, "cpu_us": 5.0}


def raw():
    cells = {
        part: {name: {scenario: [dict(ROUND)] * 3 for scenario in group.scenarios} for name in group.stacks}
        for part, group in GROUPS.items()
    }
    cells["http"] = {
        f"{name}, {kind}": {scenario: [dict(ROUND)] * 3 for scenario in http_load.SCENARIOS}
        for name in http_load.NAMES
        for kind in KINDS
    }
    cells["sockets"] = {
        f"{name}, {kind}": {"message": [dict(ROUND)] * 3, "idle": [dict(ROUND)] * 3}
        for name in socket_load.NAMES
        for kind in KINDS
    }
    memory = {"bytes_per_token": 250.0, "pause_ms": 7.0, "pause_without_ms": 4.0}
    return {**cells, "memory": [memory] * 3}


def test_every_key_with_a_floor_comes_out():
    found = ratios(raw())
    assert LIMITS.keys() <= found.keys()
    assert found["ws_message_rate_uvicorn"] == 1.0
    assert (found["bytes_per_cached_token"], found["gc_pause_ms"]) == (250.0, 3.0)
    assert json.loads(json.dumps(found)) == found


def test_a_ratio_of_added_costs_leaves_the_base_out():
    cells = raw()
    for name, cost in (("null", 1_000.0), ("null + bound", 3_000.0), ("null + guard", 9_000.0)):
        cells["pure"][name]["allowed"] = [{"p50": cost}] * 3
    assert ratios(cells)["request_asgi_vs_bound"] == 4.0


def test_a_floor_holds_in_its_direction():
    assert Limit(2, 1).holds(2)
    assert not Limit(2, 1).holds(2.1)
    assert Limit(2, 3, higher_is_better=True).holds(2)
    assert not Limit(2, 3, higher_is_better=True).holds(1.9)


def test_every_stack_that_is_measured_is_known():
    assert {name for group in GROUPS.values() for name in group.stacks} <= STACKS.keys()
    assert {*http_load.NAMES, *socket_load.NAMES} <= STACKS.keys()


def test_the_report_says_what_holds_and_what_does_not():
    found = {"request_asgi_vs_bound": 3.0, "ws_refused_vs_unguarded": 9.0, "noise_pure": 1.0}
    text = markdown(found, {}, "python -m benchmarks")
    assert "| `request_asgi_vs_bound` | 3 | 4 | 2 | yes |" in text
    assert "| `ws_refused_vs_unguarded` | 9 | 0.05 | 0.015 | **no** |" in text
    assert picture(found).count("<rect") == 3
