"""What the benchmarks make of rounds: every key that has a floor, from numbers that are known."""

from __future__ import annotations

import json
import os
import queue
import threading
from contextlib import contextmanager

import pytest
from websockets.sync.server import serve

from benchmarks import http_load, socket_load
from benchmarks.inprocess import GROUPS
from benchmarks.ratios import LIMITS, Limit, ratios
from benchmarks.report import markdown, picture
from benchmarks.servers import KINDS
from benchmarks.socket_client import Client, exchange
from benchmarks.stacks import STACKS

ROUND = {"p50": 1_000.0, "rate": 10.0, "kib": 20.0, "cpu_us": 5.0, "load": 0.1}


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


@contextmanager
def open_sockets(port, count=3):
    clients = [
        Client(port, "mcp.example.com", "/ws/", [("origin", "https://a.example")]) for _ in range(count)
    ]
    try:
        yield clients
    finally:
        for client in clients:
            client.abort()


@contextmanager
def peer(handler, **options):
    """Run somebody else's WebSocket server; return the port it listens on."""
    with serve(handler, "127.0.0.1", 0, **options) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.socket.getsockname()[1]
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize("length", [5, 200, 70_000], ids=["7 bits", "16 bits", "64 bits"])
def test_the_client_counts_what_a_server_answers(length):
    asked, heads, codes = [], [], queue.Queue()

    def answer(socket):
        heads.append(socket.request.headers)
        for message in socket:
            asked.append(message)
            socket.send("y" * length)
        codes.put(socket.close_code)

    with peer(answer) as port, open_sockets(port) as clients:
        done = exchange([client.open() for client in clients], "x" * length, "y" * length, 0.05)
        for client in clients:
            client.close()
    assert done == len(asked) >= len(clients)
    assert set(asked) == {"x" * length}
    assert {(head["host"], head["origin"]) for head in heads} == {("mcp.example.com", "https://a.example")}
    assert [codes.get(timeout=30) for _ in clients] == [1000] * len(clients)


@pytest.mark.parametrize("wrong", ["z" * 200, "y" * 199, "y" * 201, b"y" * 200])
def test_the_client_stops_at_an_answer_that_is_wrong(wrong):
    def answer(socket):
        for _ in socket:
            socket.send(wrong)

    wrongly = pytest.raises(RuntimeError, match="a message was answered with")
    with peer(answer) as port, open_sockets(port) as clients, wrongly:
        exchange([client.open() for client in clients], "x", "y" * 200, 5)


def test_the_client_takes_an_answer_in_pieces():
    frame = bytes([0x81, 5]) + b"hello"

    def answer(socket):
        for _ in socket:
            for byte in frame:
                os.write(socket.socket.fileno(), bytes([byte]))

    with peer(answer) as port, open_sockets(port, 1) as (client,):
        assert exchange([client.open()], "x", "hello", 0.05) > 0


def test_the_client_takes_no_handshake_that_is_refused():
    with (
        peer(lambda socket: None, origins=["https://other.example"]) as port,
        open_sockets(port, 1) as (client,),
        pytest.raises(RuntimeError, match="403"),
    ):
        client.open()


def test_the_client_takes_no_handshake_that_is_answered_with_another_key():
    def accept_wrongly(connection, request, response):
        response.headers["Sec-WebSocket-Accept"] = "AAAAAAAAAAAAAAAAAAAAAAAAAAA="
        return response

    with (
        peer(lambda socket: None, process_response=accept_wrongly) as port,
        open_sockets(port, 1) as (client,),
        pytest.raises(RuntimeError, match="101"),
    ):
        client.open()
