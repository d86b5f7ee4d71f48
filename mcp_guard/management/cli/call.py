"""What a verb is called with, what it answers, and the mistake it reports instead."""

from __future__ import annotations

import argparse
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from django.core.exceptions import NON_FIELD_ERRORS, ValidationError
from django.core.management.base import CommandError

from mcp_guard.changes import Actor

_TOKEN_TEXT = re.compile(r"mcpg_[0-9A-Za-z]+")


class BadInput(CommandError):
    """What an operator typed cannot be used; exit status 2. ``fields`` says what is wrong with each.

    Names of fields are those of the rows (``expires_at``), not of options. ``usage`` is the usage of the
    subcommand when its arguments could not even be parsed, empty otherwise.
    """

    def __init__(self, message: str, fields: Mapping[str, list[str]] | None = None, usage: str = "") -> None:
        self.usage = usage
        self.message = without_tokens(message)
        named = (fields or {}).items()
        self.fields = {without_tokens(name): [*map(without_tokens, texts)] for name, texts in named}
        super().__init__("; ".join(self.lines()), returncode=2)

    def lines(self) -> list[str]:
        """Return one line per mistake, those of fields with the field before it."""
        of_fields = [f"{name}: {text}" for name, texts in self.fields.items() for text in texts]
        return [self.message, *of_fields] if self.message else of_fields

    @classmethod
    def in_field(cls, name: str, text: str) -> BadInput:
        """Return the mistake in one field."""
        return cls("", {name: [text]})

    @classmethod
    def of(cls, error: ValidationError) -> BadInput:
        """Return what ``mcp_guard.changes`` found wrong, field by field."""
        if not hasattr(error, "error_dict"):
            return cls("; ".join(error.messages))
        fields = dict(error.message_dict)
        return cls("; ".join(fields.pop(NON_FIELD_ERRORS, [])), fields)


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a verb: its parsed arguments, who calls, and when (aware)."""

    options: argparse.Namespace
    actor: Actor
    now: datetime


class Answer(NamedTuple):
    """What a verb found or did: ``data`` for ``--json``, ``lines`` for people, ``warnings`` for both.

    ``status`` is the exit status. ``texts`` are written as they are, in place of everything else.
    """

    data: Mapping[str, Any] | Sequence[Mapping[str, Any]]
    lines: Sequence[str]
    warnings: Sequence[str] = ()
    status: int = 0
    texts: Iterator[str] | None = None


Verb = Callable[[Call], Answer]


def actor_of(noun: str, verb: str | None) -> Actor:
    """Return the actor that history names: the subcommand and, where it is known, the OS user."""
    command = " ".join(part for part in ("mcp_guard", noun, verb) if part)
    return Actor.of_command(command, _os_user())


def without_tokens(text: str) -> str:
    """Return the text without token texts: one that was pasted as an argument must not be repeated."""
    return _TOKEN_TEXT.sub("mcpg_…", text)


def _os_user() -> str:
    """Return the name of the user that runs the process, by its id: $USER can say anything."""
    try:
        import pwd  # noqa: PLC0415 (absent outside of POSIX)
    except ImportError:
        return ""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return f"uid {os.getuid()}"
