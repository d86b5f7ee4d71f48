"""What the demo site takes from its environment: the database and the secret key."""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit


def database(url: str, sqlite_file: Path) -> dict[str, Any]:
    """Return Django's settings for a DATABASE_URL (postgres:// or sqlite:///), the file when it is empty.

    SQLite runs in WAL with IMMEDIATE transactions: readers never wait, and two writers queue up instead
    of failing when the second one upgrades its lock. A connection to PostgreSQL that has lost its network
    fails after five seconds instead of hanging for a quarter of an hour.

    Raises:
        ValueError: for another scheme.
    """
    parts = urlsplit(url)
    if parts.scheme in {"", "sqlite"}:
        sqlite_file = Path(unquote(parts.path[1:])) if parts.path[1:] else sqlite_file
        sqlite_file.parent.mkdir(parents=True, exist_ok=True)
        return {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": sqlite_file,
            "OPTIONS": {
                "transaction_mode": "IMMEDIATE",
                "timeout": 10,
                "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
            },
        }
    if parts.scheme in {"postgres", "postgresql"}:
        return {
            "ENGINE": "django.db.backends.postgresql",
            "NAME": unquote(parts.path[1:]),
            "USER": unquote(parts.username or ""),
            "PASSWORD": unquote(parts.password or ""),
            "HOST": parts.hostname or "",
            "PORT": str(parts.port or ""),
            "OPTIONS": {
                "connect_timeout": 3,
                "keepalives_idle": 5,
                "keepalives_interval": 2,
                "keepalives_count": 3,
                "tcp_user_timeout": 5000,
            },
        }
    raise ValueError(f"DATABASE_URL has the scheme {parts.scheme!r}; postgres and sqlite are known")


def secret_key(file: Path) -> str:
    """Return the key kept in a file that only its owner may read, writing a new one the first time."""
    file.parent.mkdir(parents=True, exist_ok=True)
    try:
        handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return file.read_text("ascii").strip()
    with os.fdopen(handle, "w", encoding="ascii") as new:
        new.write(secrets.token_urlsafe(50))
    return file.read_text("ascii").strip()
