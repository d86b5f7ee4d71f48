"""A process that records events and seals them: ``python -m tests.faults.site.recorder NAME COUNT``.

It says how many of its events are in the database, a line for each look.
"""

from __future__ import annotations

import os
import sys
import time

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.faults.site.settings")
django.setup()

from mcp_guard.audit import events  # noqa: E402 (needs the app registry)
from mcp_guard.audit.events import Category, Event, recorder  # noqa: E402
from mcp_guard.live.errands import END_SECONDS, recording  # noqa: E402

BURST = 25
PAUSE = 0.02


def main(name: str, count: int) -> None:
    recording.start()
    for number in range(1, count + 1):
        events.put(Event(Category.CALL, "tool:call", subject=f"{name} {number}", details={"number": number}))
        if number % BURST == 0:
            time.sleep(PAUSE)
            print(number, recorder.written, flush=True)
    recording.stop(END_SECONDS)
    print("ended", flush=True)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
