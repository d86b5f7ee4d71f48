"""A process that only writes: ``python -m tests.faults.site.writer``, one order in JSON per line of stdin.

Each answer says when the transaction was committed and when the order returned, on the clock that all
processes of a machine share.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from typing import Any

import django
from django.core.management import call_command
from django.db import connections, transaction

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.faults.site.settings")
django.setup()

from tests.faults.site.policy import ORDERS, revoke  # noqa: E402 (needs the app registry)


def carry_out(order: str, arguments: dict[str, Any]) -> dict[str, Any]:
    """Carry out one order and return what it returned, and when."""
    if order == "migrate":
        call_command("migrate", verbosity=0)
        return {"result": None}
    if order == "revoke_and_die":
        return {"result": revoke_and_die(**arguments)}
    moments: list[float] = []
    with transaction.atomic():
        transaction.on_commit(lambda: moments.append(time.monotonic()))
        result = ORDERS[order](**arguments)
    return {"result": result, "committed": moments[0], "returned": time.monotonic()}


def revoke_and_die(token: int, after: float) -> list[str]:
    """Revoke a token in a child that is killed after some seconds; return the marks that it passed."""
    connections.close_all()
    reads, writes = os.pipe()
    child = os.fork()
    if not child:
        os.write(writes, b"began ")
        with transaction.atomic():
            transaction.on_commit(lambda: os.write(writes, b"committed "))
            revoke(token)
        os.write(writes, b"returned ")
        os._exit(0)
    os.close(writes)
    time.sleep(after)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    with os.fdopen(reads, "rb") as marks:
        return marks.read().decode().split()


def main() -> None:
    for line in sys.stdin:
        order, arguments = json.loads(line)
        try:
            answer = carry_out(order, arguments)
        except Exception as error:  # noqa: BLE001 (whatever fails is for the one who gave the order)
            answer = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
