"""The grammar of the command line: nouns, verbs, the options they share, and durations and moments."""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NoReturn, Protocol

from django.core.exceptions import ValidationError
from django.core.management.base import CommandParser
from django.forms.utils import from_current_timezone

from mcp_guard.management.cli.call import BadInput, Verb
from mcp_guard.moments import length_of


class Parser(CommandParser):
    """Parses one subcommand; a mistake becomes ``BadInput`` with the usage of this very subcommand."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{"allow_abbrev": False, **kwargs})

    def parse_known_args(self, *args: Any, **kwargs: Any) -> tuple[Any, list[str]]:
        """Parse, and refuse what is left over here instead of in the parser above."""
        found, unknown = super().parse_known_args(*args, **kwargs)
        if unknown:
            self.error(f"unrecognized arguments: {' '.join(unknown)}")
        return found, []

    def error(self, message: str) -> NoReturn:
        """Raise ``BadInput``."""
        raise BadInput(message, usage=self.format_usage())


class SubParsers(Protocol):
    """Where subcommands are added; argparse has no public name for it."""

    def add_parser(self, name: str, *, help: str, description: str) -> Parser:  # noqa: A002 (its name there)
        """Add a subcommand and return its parser."""
        ...


def declare_noun(nouns: SubParsers, name: str, about: str) -> SubParsers:
    """Add a noun and return where its verbs are added."""
    noun = nouns.add_parser(name, help=about, description=about)
    _add_common(noun)
    verbs: SubParsers = noun.add_subparsers(dest="verb", metavar="VERB", required=True, parser_class=Parser)
    return verbs


def declare_verb(verbs: SubParsers, name: str, run: Verb, about: str) -> Parser:
    """Add a verb that ``run`` answers and return where its arguments are added."""
    verb = verbs.add_parser(name, help=about, description=about)
    _add_common(verb)
    verb.set_defaults(run=run)
    return verb


def add_names(parser: argparse._ActionsContainer, option: str, about: str, **kwargs: Any) -> None:
    """Add an option that takes several names and may be repeated; None when it is absent."""
    kwargs = {"nargs": "+", "metavar": option.removeprefix("--").upper(), **kwargs}
    parser.add_argument(option, action="extend", help=about, **kwargs)


def distinct(names: Sequence[str] | None) -> list[str]:
    """Return the names without repetitions, in their order; absent is empty."""
    return list(dict.fromkeys(names or ()))


def given(options: argparse.Namespace, *names: str) -> dict[str, Any]:
    """Return the named options that were given."""
    return {name: getattr(options, name) for name in names if getattr(options, name) is not None}


def duration(text: str, field: str) -> timedelta:
    """Return the length of ``45m``, ``12h``, ``30d`` or ``2w``.

    Raises:
        BadInput: beside ``field``.
    """
    length = length_of(text)
    if length is None:
        raise BadInput.in_field(field, f"{text[:40]!r} is not a duration such as 45m, 12h, 30d or 2w")
    return length


def moment(text: str, now: datetime, field: str) -> datetime:
    """Return the moment that an ISO 8601 date or time names, or the end of a duration from now, in UTC.

    A time without an offset is in the time zone of the project; a date alone is its first moment.

    Raises:
        BadInput: beside ``field``.
    """
    try:
        length = length_of(text)
        if length is not None:
            return now + length
        return from_current_timezone(datetime.fromisoformat(text)).astimezone(UTC)
    except ValidationError as error:
        raise BadInput.in_field(field, " ".join(error.messages)) from None
    except (ValueError, OverflowError):
        raise BadInput.in_field(
            field,
            f"{text[:40]!r} is neither an ISO 8601 time such as 2030-01-31T12:00Z nor a duration such as 30d",
        ) from None


def days(text: str, field: str) -> timedelta:
    """Return a number of days as a length.

    Raises:
        BadInput: beside ``field``.
    """
    if not re.fullmatch(r"[0-9]{1,6}", text):
        raise BadInput.in_field(field, f"{text[:40]!r} is not a number of days")
    return timedelta(days=int(text))


def _add_common(parser: Parser) -> None:
    """Let ``--json`` and Django's own options stand after the subcommand as well as before it."""
    add = parser.add_argument
    quiet: Any = {"default": argparse.SUPPRESS, "help": argparse.SUPPRESS}
    add("--json", action="store_true", **quiet)
    add("-v", "--verbosity", type=int, choices=range(4), **quiet)
    add("--settings", **quiet)
    add("--pythonpath", **quiet)
    for flag in ("--traceback", "--no-color", "--force-color"):
        add(flag, action="store_true", **quiet)
