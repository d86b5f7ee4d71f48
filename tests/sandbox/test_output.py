"""What a server says is bounded by who reads it: lines, complaints, and silence."""

from __future__ import annotations

import json
import resource

import pytest

from mcp_guard.sandbox.box import start
from mcp_guard.sandbox.confinement import MIB
from tests.sandbox.scene import ask, scene

pytestmark = pytest.mark.sandbox

LINE = 64 * 1024
GIGABYTE = 10**9
REQUEST = (
    json.dumps(
        {"id": 1, "method": "tools/call", "params": {"name": "flood_stderr", "arguments": {"size": GIGABYTE}}}
    )
    + "\n"
).encode()


@pytest.fixture
async def box():
    with scene() as made:
        started = await start(made.command(), made.confinement(), line_bytes=LINE)
        yield started
        await started.stop(0)


def memory():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


async def test_a_line_without_an_end_is_refused_at_its_bound(box):
    before = memory()

    with pytest.raises(ValueError, match="limit"):
        await ask(box, "write_without_newlines", size=256 * MIB)

    assert memory() - before < 16 * MIB


async def test_a_gigabyte_of_complaints_goes_through_a_bounded_buffer(box):
    before, read = memory(), 0
    box.stdin.write(REQUEST)

    while read < GIGABYTE:
        read += len(await box.stderr.read(LINE))

    assert memory() - before < 16 * MIB
    assert b"contained" in await box.stdout.readline()


async def test_complaints_that_nobody_reads_stop_the_server_and_not_the_portal(box):
    before = memory()
    box.stdin.write(REQUEST)

    first = await box.stderr.readline()

    assert first == b"complaint\n"
    assert memory() - before < 16 * MIB
    assert (await box.stop(0.1)).detail == "it was stopped"
