"""A kernel without Landlock: what keeps a program from the calls that processes beside it could make."""

from __future__ import annotations

import json

import pytest

from mcp_guard.sandbox.box import start
from mcp_guard.sandbox.command import Command
from mcp_guard.sandbox.ended import Violation
from mcp_guard.sandbox.inside import landlock
from tests.sandbox.machine import PYTHON, confinement

pytestmark = pytest.mark.sandbox

SEEN = """
import json, os
def filtered(process):
    with open(f"/proc/{process}/status") as file:
        return [line.split()[1] for line in file if line.startswith("Seccomp:")][0]
print(json.dumps([filtered(name) for name in os.listdir("/proc") if name.isdecimal()]), flush=True)
"""


@pytest.mark.parametrize("values", [{}, {"hosts": ("api.example.com:443",)}, {"kill": True}], ids=str)
async def test_every_process_of_a_box_is_filtered(monkeypatch, values):
    monkeypatch.setattr(landlock, "version", lambda: 0)
    box = await start(Command(PYTHON, ("-I", "-c", SEEN)), confinement(**values))
    try:
        modes = json.loads(await box.stdout.readline())
    finally:
        ended = await box.stop(1)

    assert len(modes) >= 2
    assert {*modes} == {"2"}
    assert ended.code == 0


async def test_the_watcher_of_kill_mode_still_sees_what_is_written_elsewhere(monkeypatch):
    monkeypatch.setattr(landlock, "version", lambda: 0)
    box = await start(Command(PYTHON, ("-I", "-c", "open('/usr/x', 'w')")), confinement(kill=True))
    ended = await box.wait()
    await box.stop(1)

    assert ended.violation is Violation.WRITE
