"""The hash chain of the audit trail: what of an event counts, its digest, and the MAC over both ends.

Each digest covers the one before it, so that no event can be altered, removed, inserted or moved without
breaking all that follow. Anybody who can write to the database can compute digests; the row that holds the
ends is authenticated with a key that is not in the database.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final

from django.conf import settings
from django.utils.crypto import constant_time_compare, salted_hmac

from mcp_guard.conf import config
from mcp_guard.models import AuditEvent, AuditSeal

FIELDS: Final = (
    "seq", "id", "at", "category", "actor_label", "tag", "subject", "before", "after", "revision", "outcome",
    "endpoint", "exchange", "client", "token", "address", "user_agent", "correlation_id", "count", "details",
)  # fmt: skip
"""What of an event is sealed: all that it says. ``actor`` is a reference that a deleted user takes along."""

START: Final = "0" * 64
"""What the first event follows."""

_VERSION: Final = 1
_SALT: Final = "mcp_guard.audit.seal"


def canonical(event: AuditEvent) -> bytes:
    """Return an event as the same bytes wherever it is read: JSON with sorted names, times in UTC."""
    values = {name: _value(getattr(event, name)) for name in FIELDS}
    return json.dumps([_VERSION, values], sort_keys=True, separators=(",", ":")).encode("ascii")


def digest(previous: str, event: AuditEvent) -> str:
    """Return the digest of an event that follows the one with the digest ``previous``: 64 hex digits."""
    return hashlib.sha256(previous.encode("ascii", "replace") + b"\n" + canonical(event)).hexdigest()


def mac(seal: AuditSeal, key: str | bytes | None = None) -> str:
    """Return the MAC of both ends of the chain, under the key that signs unless another one is given."""
    ends = [seal.seq, seal.digest, seal.pruned_seq, seal.pruned_digest, _value(seal.sealed_at)]
    return salted_hmac(_SALT, json.dumps(ends), secret=key or keys()[0], algorithm="sha256").hexdigest()


def is_authentic(seal: AuditSeal) -> bool:
    """Return whether the ends of the chain are what a process with the key has written.

    That holds for the ends of an empty chain, too: they are made with their MAC, so a blank row is nobody's.
    """
    return any(constant_time_compare(mac(seal, key), seal.mac) for key in keys())


def keys() -> Sequence[str | bytes]:
    """Return the keys in use, the one that signs first: AUDIT_KEYS, else SECRET_KEY and its fallbacks."""
    return config().audit_keys or (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)


def end(seal: AuditSeal) -> str:
    """Return the digest that the next event follows."""
    return seal.digest or START


def start(seal: AuditSeal) -> str:
    """Return the digest that the oldest event which is kept follows."""
    return seal.pruned_digest or START


def anchor(seal: AuditSeal) -> str:
    """Return the end of the chain as it is written down elsewhere: ``SEQ:DIGEST``."""
    return f"{seal.seq}:{end(seal)}"


def _value(value: Any) -> Any:
    return value.astimezone(UTC).isoformat() if isinstance(value, datetime) else value
