"""Write the inbox down again and again: ``python -m tests.audit.flushing SEED TIMES`` with DATABASE_URL."""

from __future__ import annotations

import sys
import time
from datetime import UTC, datetime

import django


def main() -> None:
    """Count each time the same hundred groups and five that nobody else has; print how many refusals."""
    django.setup()
    from django.db import Error

    from mcp_guard.audit import inbox_rows
    from mcp_guard.audit.inbox import Glimpse, Group, Key

    seed, times = sys.argv[1], int(sys.argv[2])
    written = 0
    for turn in range(times):
        groups = {}
        for name in [*(f"shared{n}" for n in range(100)), *(f"own{seed}-{turn}-{n}" for n in range(5))]:
            key = Key("tools", "request", "origin_not_listed", "refused", f"https://{name}.example", "h")
            groups[key] = Group()
            for _ in range(2):
                groups[key].see(Glimpse(time.time(), seed, "203.0.113.9", "", key.origin, key.host))
        while True:
            try:
                inbox_rows.write(groups, datetime.now(UTC))
            except Error:  # as the errand does: what was not written is tried again
                time.sleep(0.05)
            else:
                break
        written += sum(group.count for group in groups.values())
    print(written)


if __name__ == "__main__":
    main()
