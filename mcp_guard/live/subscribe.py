"""What happens after policy was read: the one place that connects the holder with those who live by it."""

from __future__ import annotations

from mcp_guard.live import lookup, sessions
from mcp_guard.live.connections import connections
from mcp_guard.live.errands import errands
from mcp_guard.live.heartbeat import heartbeat
from mcp_guard.live.holder import holder
from mcp_guard.live.watch import watch


def connect() -> None:
    """Connect them; called once, when the app is ready."""
    holder.listen(lookup.lookups.forget)
    holder.listen(connections.recheck_all)
    holder.after_each_read(watch.suspect)
    for each in (holder, lookup.readers, sessions.readers):
        errands.add(each.interrupt_if_hanging)
    errands.add(watch.look)
    errands.add(heartbeat.beat)
