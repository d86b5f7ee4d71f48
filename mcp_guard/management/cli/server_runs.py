"""``server status`` and ``server logs``: the processes of registered servers, as the portal last said."""

from __future__ import annotations

from typing import Any, Final

from mcp_guard.management.cli.arguments import SubParsers, declare_verb
from mcp_guard.management.cli.call import Answer, Call
from mcp_guard.management.cli.rows import server_named
from mcp_guard.management.cli.text import escaped, iso, table
from mcp_guard.models import ServerRun
from mcp_guard.servers.runs import recorded

_COLUMNS: Final = ("server", "party", "state", "place", "pid", "calls", "starts", "failures", "end", "detail")


def declare(verbs: SubParsers) -> None:
    """Add the two verbs."""
    status = declare_verb(verbs, "status", _status, "show the processes of registered servers")
    status.add_argument("name", nargs="?", help="only those of this server")
    logs = declare_verb(verbs, "logs", _logs, "show the end of what a server wrote to standard error")
    logs.add_argument("name", help="its name")


def _status(call: Call) -> Answer:
    name = call.options.name
    runs = recorded("" if name is None else server_named(name).name)
    rows = [_object(run) for run in runs]
    return Answer(rows, table(rows, _COLUMNS, empty="no process is known: nobody has used one lately"))


def _logs(call: Call) -> Answer:
    runs = [run for run in recorded(server_named(call.options.name).name) if run.tail]
    rows = [_object(run) | {"stderr": run.tail} for run in runs]
    lines = []
    for run in runs:
        lines += [f"== {run.party} at {run.host}:{run.portal_pid}", *map(escaped, run.tail.split("\n"))]
    return Answer(rows, lines or ["nothing was written to standard error"])


def _object(run: ServerRun) -> dict[str, Any]:
    return {
        "server": run.server,
        "party": run.party,
        "state": run.state,
        "place": f"{run.host}:{run.portal_pid}",
        "pid": run.pid or None,
        "started_at": iso(run.started_at),
        "calls": run.calls,
        "open_calls": run.open_calls,
        "starts": run.starts,
        "failures": run.failures,
        "end": run.end,
        "violation": run.violation,
        "detail": run.detail,
        "seen_at": iso(run.seen_at),
    }
