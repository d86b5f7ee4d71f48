"""Tokens that expire soon, and the signal by which a project hears of them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any, Final

from django.db.models import QuerySet
from django.dispatch import Signal

from mcp_guard.models import Token
from mcp_guard.token_uses import services, with_uses

token_expiring: Final = Signal()
"""Sent by ``manage.py mcp_guard token expiring`` for each token that it lists.

The sender is ``Token``. ``token`` is the row, ``services`` who uses it (``token_uses.Service``), ``left``
how long it still works, as a ``timedelta``. What a receiver raises keeps no other from being called.
"""


def expiring(now: datetime, within: timedelta) -> QuerySet[Any]:
    """Return the tokens that are neither revoked nor expired and expire within a time, the soonest first."""
    found = Token.objects.filter(revoked_at=None, expires_at__gt=now, expires_at__lte=now + within)
    found = found.select_related("client", "user").prefetch_related("scopes", "secrets")
    return with_uses(found).order_by("expires_at", "pk")


def announce(tokens: Iterable[Token], now: datetime) -> list[str]:
    """Send the signal for each token and return what went wrong, one text for each receiver that raised."""
    failures = []
    for token in tokens:
        values = {"token": token, "services": services(token), "left": token.expires_at - now}
        for receiver, result in token_expiring.send_robust(sender=Token, **values):
            if isinstance(result, Exception):
                name = getattr(receiver, "__qualname__", type(receiver).__name__)
                failures.append(f"receiver {name} failed for token {token.pk}: {type(result).__name__}")
    return failures
