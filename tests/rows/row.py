"""A row of the table, and what groups rows by endpoint configuration."""

from __future__ import annotations

from dataclasses import dataclass

from tests.rows.exchanges import Request, Socket
from tests.rows.outcomes import Admits, Grants, Opens, Refuses, RefusesHandshake

Outcome = Admits | Grants | Refuses | RefusesHandshake | Opens


@dataclass(frozen=True)
class Row:
    """One rule: on this endpoint configuration, this exchange has this outcome."""

    endpoint: str
    rule: str
    exchange: Request | Socket
    outcome: Outcome


def on(endpoint: str, *entries: tuple[str, Request | Socket, Outcome]) -> list[Row]:
    """Return the rows of one endpoint configuration."""
    return [Row(endpoint, *entry) for entry in entries]
