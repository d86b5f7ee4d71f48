"""Ask as fast as it goes, each time from another origin: ``python -m tests.faults.flooder PORT SECONDS``.

With ``--same`` all come from one origin. It is a process of its own, so that who measures is not slowed.
Prints the number of answers by status as JSON; 0 counts requests whose answer never came.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import secrets
import time
from collections import Counter

from tests.faults.client import HttpClient

CONNECTIONS = 16


async def flood(port: int, seconds: float, *, same: bool) -> Counter[int]:
    """Return how many answers of each status came."""
    answered: Counter[int] = Counter()
    deadline = time.monotonic() + seconds

    async def ask() -> None:
        client = HttpClient(port)
        while time.monotonic() < deadline:
            name = "same" if same else secrets.token_hex(8)
            headers = {"Origin": f"https://{name}.example", "User-Agent": name}
            answered[(await client.get("/call", headers)).status] += 1
        client.close()

    await asyncio.gather(*(ask() for _ in range(CONNECTIONS)))
    return answered


def main() -> None:
    """Flood as the command line says."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults.flooder")
    parser.add_argument("port", type=int)
    parser.add_argument("seconds", type=float)
    parser.add_argument("--same", action="store_true", help="all from one origin")
    options = parser.parse_args()
    print(json.dumps(asyncio.run(flood(options.port, options.seconds, same=options.same))))


if __name__ == "__main__":
    main()
