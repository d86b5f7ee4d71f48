"""``mcp_server.authentication``: what clients present, and what each token may do."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from mcp_guard.moments import moment_of
from mcp_guard.template.capabilities import CapabilityError, grant_of
from mcp_guard.template.report import Becomes, shown
from mcp_guard.template.section import Section
from mcp_guard.template.token_value import objection

FIELDS: Final = {
    "method": "how clients authenticate",
    "token_header": "header that carries the token",
    "rotation_warning_days": "how many days before its end a token counts as expiring soon",
    "tokens": "one entry for each token",
}
"""Every field of the section and what it is; the documentation is checked against it."""

TOKEN_FIELDS: Final = {
    "name": "what it is for",
    "value": "its text, which is not taken over",
    "expires": "when it ends",
    "allowed_capabilities": "what it may do",
}
"""Every field of an entry of ``tokens``."""

METHODS: Final = ("token", "bearer", "bearer_token")
"""Values of ``method``, which all mean the same: a bearer token."""

AUTHORIZATION: Final = "authorization"
"""The header that always carries tokens, in lower case."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._-]{0,58}[A-Za-z0-9]|[A-Za-z0-9]")


@dataclass(frozen=True, slots=True)
class Entry:
    """One token that the template wants. ``expires_at`` is None where it does not say."""

    path: str
    name: str
    grants: tuple[str, ...]
    expires_at: datetime | None = None

    @property
    def slug(self) -> str:
        """The name as a part of a scope's name."""
        return re.sub(r"[ .]", "-", self.name.lower())


@dataclass(frozen=True, slots=True)
class Authentication:
    """What the section says; None and empty are what it does not say."""

    token_header: str | None = None
    warning_days: int | None = None
    tokens: tuple[Entry, ...] = ()


def read(section: Section, now: datetime) -> Authentication:
    """Return what the section says at a moment, its mistakes noted."""
    _method(section)
    header = section.text("token_header")
    if header is not None and header.lower() == AUTHORIZATION:
        section.becomes("token_header", Becomes.ALWAYS, "Authorization always carries tokens")
        header = None
    days = section.number("rotation_warning_days", 1, 3650)
    return Authentication(header, days, _entries(section, now))


def _entries(section: Section, now: datetime) -> tuple[Entry, ...]:
    """Return the entries with distinct names: a scope is called after each of them."""
    found: dict[str, Entry] = {}
    for inner in section.sections("tokens", TOKEN_FIELDS) or []:
        entry = _entry(inner, now)
        if entry is not None and entry.slug in found:
            inner.wrong("name", f"is that of {found[entry.slug].path} again")
        elif entry is not None:
            found[entry.slug] = entry
    return tuple(found.values())


def _method(section: Section) -> None:
    method = section.text("method")
    if method is None:
        return
    if method in METHODS:
        section.becomes("method", Becomes.ALWAYS, "tokens are always asked for")
    elif method == "none":
        section.wrong("method", "would let everybody in; use bearer_token")
    else:
        section.wrong("method", f"is {shown(method)}, not one of {', '.join(METHODS)}")


def _entry(section: Section, now: datetime) -> Entry | None:
    name = section.text("name")
    if name is None and not section.has("name"):
        section.wrong("name", "is missing: say what the token is for")
    elif name is not None and not _NAME.fullmatch(name):
        section.wrong("name", "is not a name of at most 60 letters, digits, spaces, dots, - and _")
        name = None
    _value(section)
    expires_at = _expires(section, now)
    grants = _grants(section)
    return None if name is None else Entry(section.path, name, grants, expires_at)


def _value(section: Section) -> None:
    value = section.values.get("value")
    if value is None:
        return
    if not isinstance(value, str):
        section.wrong("value", "is not a string; remove it, a token is issued for this entry")
        return
    wrong = objection(value)
    if wrong:
        section.wrong("value", wrong)
        return
    text = (
        "only digests of the guard's own tokens are stored: a new one is issued; end this one where it works"
    )
    section.becomes("value", Becomes.NOT_TAKEN, text)


def _expires(section: Section, now: datetime) -> datetime | None:
    text = section.text("expires")
    if text is None:
        return None
    expires_at = moment_of(text, now)
    if expires_at is None:
        section.wrong("expires", f"is {shown(text)}, not a date, an ISO 8601 time with its offset, or 30d")
    elif expires_at <= now:
        section.wrong("expires", "has passed")
        return None
    return expires_at


def _grants(section: Section) -> tuple[str, ...]:
    texts = section.texts("allowed_capabilities")
    if not section.values.get("allowed_capabilities", ()):
        section.wrong("allowed_capabilities", "names nothing: the token could do nothing")
    grants: dict[str, None] = {}
    for path, text in texts or ():
        try:
            grant = grant_of(text)
        except CapabilityError as error:
            section.report.wrong(path, f"{shown(text)} {error}")
            continue
        if grant is None:
            section.report.becomes(path, Becomes.ALWAYS, "lists are open; they show what may be used")
        else:
            grants[grant] = None
            section.report.becomes(path, Becomes.ROW, f"grant {grant}")
    return tuple(grants)
