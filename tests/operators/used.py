"""Uses of tokens, written down as a process writes them."""

from __future__ import annotations

from datetime import timedelta

from django.utils import timezone

from mcp_guard.models import GrantUse, Token, TokenSecret, TokenUse
from mcp_guard.writing import policy_write


def used(number: int, address: str, agent: str, days: int = 0) -> None:
    """Write down a use of the newest secret of a token."""
    secret = TokenSecret.objects.filter(token_id=number).first()
    at = timezone.now() - timedelta(days=days)
    TokenUse.objects.create(
        token_id=number, secret=secret, endpoint="notes", address=address, user_agent=agent,
        first_at=at, last_at=at,
    )  # fmt: skip


def used_grant(number: int, grant: str, days: int = 0) -> None:
    """Write down a use of a grant."""
    GrantUse.objects.create(token_id=number, grant=grant, last_at=timezone.now() - timedelta(days=days))


def aged(number: int, days: int) -> None:
    """Make a token older than it is."""
    with policy_write():
        Token.objects.filter(pk=number).update(created_at=timezone.now() - timedelta(days=days))
