"""A process that changes servers as it is told, one order on each line, and says when each is committed."""

from __future__ import annotations

import sys

import django

django.setup()

from mcp_guard import changes  # noqa: E402 (the models need the registry)
from mcp_guard.models import RegisteredServer  # noqa: E402
from tests.registry.registering import ADA, add, approve  # noqa: E402

ORDERS = {
    "add": add,
    "approve": lambda: approve(RegisteredServer.objects.get()),
    "change": lambda: changes.set_server(ADA, RegisteredServer.objects.get(), arguments=["-i"]),
    "disable": lambda: changes.set_server(ADA, RegisteredServer.objects.get(), enabled=False),
}

if __name__ == "__main__":
    for line in sys.stdin:
        ORDERS[line.strip()]()
        print("done", flush=True)
