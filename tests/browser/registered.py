"""Registered servers for the screens: as approved, changed since, waiting, and hostile."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from django.utils import timezone

from mcp_guard import changes
from mcp_guard.changes import Actor
from mcp_guard.models import RegisteredServer, ServerRun
from mcp_guard.server_state import digest_of
from mcp_guard.writing import policy_write

MAKER = Actor.of_command("server add", "maker")
APPROVER = Actor.of_command("server approve", "approver")


def register(settings: Any, hostile: str) -> dict[str, str]:
    """Serve servers and register some; return the pages about them."""
    servers = {"SERVERS": {"profile": "token"}, "SERVERS_NEED_APPROVAL": True}
    settings.MCP_GUARD = {**settings.MCP_GUARD, **servers}
    long = "/opt/" + "a-rather-long-folder/" * 6 + "server.py"
    files = changes.add_server(
        MAKER, name="files", executable="/usr/bin/env", description=hostile,
        arguments=["-i", long, "--root", "/srv/files of the team", hostile],
        environment=["API_KEY=file:/run/secrets/files-api-key"],
        readable=["/srv/files of the team"], hosts=["api.example.com:443"],
    )  # fmt: skip
    changes.approve_server(APPROVER, files, digest=digest_of(files))
    hosts = ["api.example.com:443", f"{'telemetry.' * 8}example.net:443"]
    changes.set_server(MAKER, files, arguments=["-i", long], hosts=hosts, memory_mb=1024)
    waiting = changes.add_server(MAKER, name="mail", executable="/usr/bin/env")
    broken = changes.add_server(MAKER, name="b" * 40, executable="/usr/bin/env")
    with policy_write():
        RegisteredServer.objects.filter(pk=broken.pk).update(arguments=hostile, changed_by=hostile)
    for number, state in enumerate(("running", "ended")):
        ServerRun.objects.create(
            process=uuid4(), server="files", key=str(number), party=f"acme, {hostile}", state=state,
            host="web-7f9c6d5b8-" + "x" * 60, portal_pid=7, pid=99 - number, seen_at=timezone.now(),
            started_at=timezone.now(), calls=12, open_calls=1, starts=3, failures=number * 4,
            end="violation" if number else "", violation="memory" if number else "", detail=hostile,
            tail="\n".join([hostile, "a line " * 60] * 12),
        )  # fmt: skip
    page = "mcp_guard/registeredserver/"
    return {
        "servers": page,
        "server-add": f"{page}add/",
        "server": f"{page}{files.pk}/change/",
        "server-approve": f"{page}{files.pk}/approve/",
        "server-waiting": f"{page}{waiting.pk}/approve/",
        "server-broken": f"{page}{broken.pk}/change/",
        "server-delete": f"{page}{waiting.pk}/delete/",
        "server-endpoint": "mcp_guard/endpointstate/servers.files/change/",
    }
