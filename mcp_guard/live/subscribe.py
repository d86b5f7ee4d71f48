"""What happens after policy was read: the one place that connects the holder with those who live by it."""

from __future__ import annotations

import atexit

from mcp_guard import nonce
from mcp_guard.audit import events, inbox_rows, lag, prune, seal, sums
from mcp_guard.audit.tally import tallies
from mcp_guard.audit.uses import uses
from mcp_guard.known_answers import known_refusals
from mcp_guard.live import lookup, sessions, tickets
from mcp_guard.live.connections import connections
from mcp_guard.live.errands import END_SECONDS, errands, recording
from mcp_guard.live.heartbeat import heartbeat
from mcp_guard.live.holder import holder
from mcp_guard.live.watch import watch
from mcp_guard.recall import recall
from mcp_guard.servers import pools
from mcp_guard.servers.record import record


def connect() -> None:
    """Connect them; called once, when the app is ready."""
    holder.listen(lookup.lookups.forget)
    holder.listen(recall.forget)
    holder.listen(known_refusals.forget)
    holder.listen(connections.recheck_all)
    holder.listen(pools.review_all)
    holder.after_each_read(watch.suspect)
    for each in (holder, lookup.readers, sessions.readers, tickets.issuers, tickets.redeemers):
        errands.add(each.interrupt_if_hanging)
    errands.add(watch.look)
    errands.add(heartbeat.beat)
    errands.add(lag.watch.look)
    errands.add(tickets.desk.sweep)
    errands.add(nonce.publish_if_needed)
    recording.add(sums.sum_up)
    recording.add(events.flush)
    recording.add(seal.run)
    recording.add(prune.run)
    recording.add(tallies.record)
    recording.add(uses.write)
    recording.add(inbox_rows.pace.flush_when_due)
    recording.add(record.write)
    recording.add_last(sums.sum_up_at_once)
    recording.add_last(events.flush)
    recording.add_last(seal.run_last)
    recording.add_last(tallies.record_all)
    recording.add_last(uses.write)
    recording.add_last(inbox_rows.flush)
    recording.add_last(record.write_last)
    atexit.register(recording.stop, END_SECONDS)
