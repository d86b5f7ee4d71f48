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
from typing import Any, NoReturn

import django
from django.db import connections, transaction

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.faults.site.settings")
django.setup()

from tests.faults.site.policy import ORDERS, revoke  # noqa: E402 (needs the app registry)
from tests.migrated import migrate  # noqa: E402


def carry_out(order: str, arguments: dict[str, Any]) -> dict[str, Any]:
    """Carry out one order and return what it returned, and when."""
    if order == "migrate":
        migrate()
        return {"result": None}
    if order == "revoke_and_die":
        return {"result": revoke_and_die(**arguments)}
    moments: list[float] = []
    with transaction.atomic():
        transaction.on_commit(lambda: moments.append(time.monotonic()))
        result = ORDERS[order](**arguments)
    return {"result": result, "committed": moments[0], "returned": time.monotonic()}


def revoke_and_die(token: int, after: float | None) -> tuple[list[str], float]:
    """Revoke a token in a child that is killed after some seconds, or between its commit and telling of it.

    Return the marks that it passed and when it was dead.
    """
    connections.close_all()
    reads, writes = os.pipe()
    child = os.fork()
    if not child:
        _revoke_in_child(token, writes, dies_at_commit=after is None)
    os.close(writes)
    if after is not None:
        time.sleep(after)
        os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    dead_at = time.monotonic()
    with os.fdopen(reads, "rb") as marks:
        return marks.read().decode().split(), dead_at


def _revoke_in_child(token: int, writes: int, *, dies_at_commit: bool) -> NoReturn:
    def committed() -> None:
        os.write(writes, b"committed ")
        if dies_at_commit:
            os.kill(os.getpid(), signal.SIGKILL)

    os.write(writes, b"began ")
    with transaction.atomic():
        transaction.on_commit(committed)
        revoke(token)
    os.write(writes, b"returned ")
    os._exit(0)


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
