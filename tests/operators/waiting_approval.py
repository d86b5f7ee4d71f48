"""Approve while another connection holds the inbox, as a process does that hangs in the middle of a write.

Prints in which order a change of policy and the approval were done; the change must not wait.
"""

from __future__ import annotations

import threading
import time

import django


def main() -> None:
    django.setup()
    from django.core.management import call_command
    from django.db import connection, transaction

    from mcp_guard import changes, testing
    from mcp_guard.audit.inbox_rows import locked_window
    from tests.operators.refused import refusal

    call_command("migrate", verbosity=0)
    partner = testing.add_client("partner")
    row = refusal(endpoint="pages")
    done: list[str] = []

    def approve() -> None:
        changes.approve_refusal(testing.ACTOR, row, changes.Approval(partner, ["pages"]))
        done.append("approved")
        connection.close()

    def change() -> None:
        testing.add_client("other")
        done.append("changed")
        connection.close()

    with transaction.atomic():
        locked_window("default")
        approving = threading.Thread(target=approve)
        approving.start()
        _wait_until_blocked()
        changing = threading.Thread(target=change)
        changing.start()
        changing.join(20)
    approving.join(20)
    print(", then ".join(done))


def _wait_until_blocked() -> None:
    from django.db import connection

    waiting = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
    waiting += " AND wait_event_type = 'Lock'"
    deadline = time.monotonic() + 20
    with connection.cursor() as cursor:
        while time.monotonic() < deadline:
            cursor.execute(waiting)
            if cursor.fetchone()[0]:
                return
            time.sleep(0.02)


if __name__ == "__main__":
    main()
