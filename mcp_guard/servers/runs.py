"""The processes of registered servers, as the processes of the portal last said."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from django.db import router
from django.utils import timezone

from mcp_guard.models import Revision, ServerRun
from mcp_guard.servers.record import SILENT_AFTER

MOST_TAILS: Final = 50
"""Of how many processes the words are read at once: each may have tens of kilobytes of them."""


def recorded(server: str = "") -> list[ServerRun]:
    """Return what is known of the processes of one server, or of all; the latest word of each.

    Of more than ``MOST_TAILS`` those that failed keep their words, then those that run, the latest first.
    """
    rows = ServerRun.objects.using(router.db_for_write(Revision))
    found = list((rows.filter(server=server) if server else rows.all()).defer("tail"))
    latest = sorted(found, key=lambda run: run.seen_at, reverse=True)
    heard = sorted(latest, key=lambda run: (not run.failures, run.state == ServerRun.State.ENDED))
    tails = dict(rows.filter(pk__in=[run.pk for run in heard[:MOST_TAILS]]).values_list("pk", "tail"))
    for run in found:
        run.tail = tails.get(run.pk, "")
    return found


def running(now: datetime | None = None) -> list[ServerRun]:
    """Return the processes that run, in all processes of the portal that still speak; without their words."""
    at = timezone.now() if now is None else now
    rows = ServerRun.objects.using(router.db_for_write(Revision)).defer("tail")
    found = rows.filter(seen_at__gte=at - SILENT_AFTER)
    return list(found.exclude(state=ServerRun.State.ENDED))
