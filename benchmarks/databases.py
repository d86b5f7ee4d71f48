"""Databases with so many origins and tokens, filled once: rows of the guard and of the peers."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections.abc import Iterable, Iterator
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from benchmarks import credentials
from benchmarks.stacks import SIZES, Stack, environment

SERVER: Final = os.environ.get("BENCHMARKS_POSTGRES_URL", "postgres://postgres@127.0.0.1:5432/postgres")
VERSION: Final = "5"
"""To be raised when what is filled in changes, so that a database of before is made anew."""

_NOW: Final = "2026-01-01 00:00:00+00:00"
_FAR: Final = "2099-01-01 00:00:00+00:00"
_GRANTS: Final = '["http:POST", "tools/call:echo"]'

Table = tuple[str, tuple[str, ...], Iterable[tuple[Any, ...]]]


def name_of(size: str) -> str:
    """Return the name of the database of a size."""
    return f"mcp_guard_benchmarks_{VERSION}_{size}"


def settings_of(size: str) -> dict[str, Any]:
    """Return Django's settings for the database of a size: its connections are kept."""
    parts = urlsplit(SERVER)
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": name_of(size),
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": parts.hostname or "",
        "PORT": str(parts.port or ""),
        "CONN_MAX_AGE": None,
    }


def make(sizes: Iterable[str]) -> None:
    """Make the databases that are missing; one that was not finished is made anew."""
    import psycopg

    with psycopg.connect(SERVER, autocommit=True) as connection:
        for size in sizes:
            name, unfinished = name_of(size), f"{name_of(size)}_unfinished"
            if connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone():
                continue
            print(f"filling the database {name}", flush=True)
            connection.execute(f'DROP DATABASE IF EXISTS "{unfinished}"')
            connection.execute(f'CREATE DATABASE "{unfinished}"')
            child = {
                **environment(Stack("filling", "null", size=size)),
                "MCP_GUARD_BENCHMARKS_FILL": unfinished,
            }
            subprocess.run([sys.executable, "-m", "benchmarks.databases"], env=child, check=True)
            connection.execute(f'ALTER DATABASE "{unfinished}" RENAME TO "{name}"')


def fill() -> None:
    """Migrate and fill the database that the environment names; runs in a process of its own."""
    import django
    from django.conf import settings

    settings.DATABASES["default"]["NAME"] = os.environ["MCP_GUARD_BENCHMARKS_FILL"]
    django.setup()
    from django.core.management import call_command
    from django.db import connection, transaction

    call_command("migrate", verbosity=0)
    with transaction.atomic(), connection.cursor() as cursor:
        for table, columns, rows in tables(*SIZES[settings.STACK.size]):
            with cursor.copy(f"COPY {table} ({', '.join(columns)}) FROM STDIN") as copy:
                for row in rows:
                    copy.write_row(row)
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")


def tables(origins: int, tokens: int) -> Iterator[Table]:
    """Yield table, columns and rows of everything, in the order of their dependencies."""
    yield from _guard_tables(origins, tokens)
    if tokens <= 1_000:
        yield from _peer_tables(tokens)


def _guard_tables(origins: int, tokens: int) -> Iterator[Table]:
    endpoints = '["benchmarks"]'
    scope = ("id", "name", "grants", "endpoints", "description")
    yield "mcp_guard_scope", scope, [(1, "all", _GRANTS, "[]", "")]
    client = ("id", "name", "owner", "contact", "notes", "active", "created_at")
    yield "mcp_guard_client", client, [(1, "client", "", "", "", True, _NOW)]
    yield (
        "mcp_guard_allowedorigin",
        ("id", "origin", "client_id", "endpoints", "cookies", "active", "expires_at", "note", "created_at"),
        ((n + 1, credentials.origin(n), 1, endpoints, False, True, None, "", _NOW) for n in range(origins)),
    )
    yield (
        "mcp_guard_token",
        (
            "id",
            "client_id",
            "user_id",
            "name",
            "kind",
            "endpoints",
            "not_before",
            "expires_at",
            "revoked_at",
            "created_at",
        ),
        ((n + 1, 1, None, f"t{n}", "any", endpoints, None, _FAR, None, _NOW) for n in range(tokens)),
    )
    yield "mcp_guard_token_scopes", ("token_id", "scope_id"), ((n + 1, 1) for n in range(tokens))
    yield (
        "mcp_guard_tokensecret",
        ("token_id", "digest", "mask", "created_at", "expires_at"),
        ((n + 1, _sha256(credentials.guard_token(n)), "mcpg_x", _NOW, None) for n in range(tokens)),
    )


def _peer_tables(tokens: int) -> Iterator[Table]:
    yield (
        "auth_user",
        (
            "id",
            "password",
            "is_superuser",
            "username",
            "first_name",
            "last_name",
            "email",
            "is_staff",
            "is_active",
            "date_joined",
        ),
        ((n + 1, "!", False, f"user{n}", "", "", "", False, True, _NOW) for n in range(tokens)),
    )
    keys = ((credentials.drf_token(n), _NOW, n + 1) for n in range(tokens))
    yield "authtoken_token", ("key", "created", "user_id"), keys
    knox = (
        (_sha512(credentials.knox_token(n)), credentials.knox_token(n)[:15], n + 1, _NOW, _FAR)
        for n in range(tokens)
    )
    yield "knox_authtoken", ("digest", "token_key", "user_id", "created", "expiry"), knox
    yield (
        "rest_framework_api_key_apikey",
        ("id", "prefix", "hashed_key", "created", "name", "revoked", "expiry_date"),
        (_api_key(credentials.api_key(n)) for n in range(tokens)),
    )


def _api_key(key: str) -> tuple[Any, ...]:
    prefix, hashed = key[:8], f"sha512$${_sha512(key)}"
    return f"{prefix}.{hashed}", prefix, hashed, _NOW, prefix, False, _FAR


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _sha512(text: str) -> str:
    return hashlib.sha512(text.encode()).hexdigest()


if __name__ == "__main__":
    fill()
