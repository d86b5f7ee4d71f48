"""What keeps a case from being played."""

from __future__ import annotations


class CaseSkipped(Exception):
    """The case cannot be run here; the text says why."""


class ContractBroken(Exception):
    """The site does not keep its contract; the text says how."""
