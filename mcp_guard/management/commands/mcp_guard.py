"""``manage.py mcp_guard``: run policy from the command line; the nouns are in ``management.cli``."""

from __future__ import annotations

import json
import re
import sys
from argparse import Namespace
from typing import Any, ClassVar, NoReturn

from django.core.exceptions import ImproperlyConfigured, ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser, OutputWrapper
from django.db import Error as DatabaseError
from django.utils import timezone

from mcp_guard.management.cli import (
    audit,
    check,
    clients,
    endpoints,
    import_template,
    origins,
    refusals,
    sandbox,
    scopes,
    servers,
    status,
    tokens,
)
from mcp_guard.management.cli.arguments import Parser
from mcp_guard.management.cli.call import Answer, BadInput, Call, actor_of
from mcp_guard.management.cli.text import escaped

_MISSING = re.compile(r"no such (?:table|column)|does not exist")
_SURROGATE = re.compile("[\ud800-\udfff]")

NOUNS = (
    clients,
    origins,
    scopes,
    tokens,
    endpoints,
    servers,
    sandbox,
    refusals,
    audit,
    import_template,
    check,
    status,
)
"""The modules of the nouns, in the order of ``--help``."""


class Command(BaseCommand):
    """Run one verb and print its answer. Exit status 0, 2 on bad input, 1 when the database fails."""

    help = "Run the policy of the guarded endpoints: who is let in, and to what."
    requires_system_checks: ClassVar[list[str]] = []  # type: ignore[misc]  # instance attribute upstream; a token
    # has to be revocable while some other check of the project fails

    _from_command_line = False

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the tree of nouns and verbs; its mistakes are reported by ``run_from_argv``."""
        parser.called_from_command_line = False
        parser.allow_abbrev = False
        parser.add_argument("--json", action="store_true", help="print JSON, errors too")
        nouns = parser.add_subparsers(dest="noun", metavar="NOUN", required=True, parser_class=Parser)
        for module in NOUNS:
            module.declare(nouns)

    def run_from_argv(self, argv: list[str]) -> None:
        """Run from the command line; arguments that cannot be parsed are reported like other bad input."""
        self._from_command_line = True
        try:
            super().run_from_argv(argv)
        except CommandError as error:
            if "--traceback" in argv:
                raise
            self._exit(_of_parser(error), as_json="--json" in argv)

    def execute(self, *args: Any, **options: Any) -> str | None:
        """Run one verb. From the command line a mistake is printed, and the process exits.

        Raises:
            CommandError: with exit status 2 as ``BadInput``, with 1 when the database fails; when called
                from Python or with ``--traceback``.
        """
        try:
            return super().execute(*args, **options)
        except CommandError as error:
            if options["traceback"] or not self._from_command_line:
                raise
            self._exit(error, as_json=options["json"])

    def handle(self, *_args: Any, **options: Any) -> None:
        """Run one verb and print its answer; what it found may be an exit status of its own."""
        answer = self._answer(Namespace(**options))
        self._print(answer, as_json=options["json"])
        if answer.status and self._from_command_line:
            sys.exit(answer.status)
        if answer.status == 1:  # a failure; other numbers are answers
            raise CommandError("; ".join(answer.warnings or answer.lines), returncode=answer.status)

    def _answer(self, options: Namespace) -> Answer:
        _refuse_undecodable(options)
        actor = actor_of(options.noun, getattr(options, "verb", None))
        try:
            answer: Answer = options.run(Call(options, actor, timezone.now()))
        except ValidationError as error:
            raise BadInput.of(error) from error
        except ImproperlyConfigured as error:
            raise BadInput(str(error)) from error
        except DatabaseError as error:
            raise CommandError(f"the database failed: {_why(error)}", returncode=1) from error
        return answer

    def _print(self, answer: Answer, *, as_json: bool) -> None:
        if answer.texts is not None:
            for text in answer.texts:
                self.stdout.write(_encodable(self.stdout, text), ending="")
            return
        if as_json:
            self.stdout.write(json.dumps(answer.data, indent=2))
        else:
            for line in answer.lines:
                _write(self.stdout, line)
        for warning in answer.warnings:
            _write(self.stderr, f"warning: {warning}")

    def _exit(self, error: CommandError, *, as_json: bool) -> NoReturn:
        fields, lines = {}, [str(error)]
        if isinstance(error, BadInput):
            fields, lines = error.fields, [*error.usage.splitlines(), *error.lines()]
        if as_json:
            self.stdout.write(json.dumps({"error": {"message": str(error), "fields": fields}}))
        else:
            for line in lines:
                _write(self.stderr, line)
        sys.exit(error.returncode)


def _write(stream: OutputWrapper, line: str) -> None:
    r"""Write one line; what the stream cannot encode becomes ``\u2026``, so that no token gets lost."""
    stream.write(_encodable(stream, escaped(line)))


def _encodable(stream: OutputWrapper, text: str) -> str:
    encoding = getattr(stream, "encoding", None) or "utf-8"
    return text.encode(encoding, "backslashreplace").decode(encoding)


def _of_parser(error: CommandError) -> BadInput:
    """Return a mistake in the arguments; the outermost parser is Django's own and says it its own way."""
    if isinstance(error, BadInput):
        return error
    return BadInput(f"{str(error).removeprefix('Error: ')} (see --help)")


def _why(error: Exception) -> str:
    """Return the message of a database without the query that may follow it, and what it may take."""
    said = str(error).partition("\n")[0]
    return f"{said} (has it been migrated?)" if _MISSING.search(said) else said


def _refuse_undecodable(options: Namespace) -> None:
    """Refuse arguments that are not UTF-8: Python smuggles them in as lone surrogates."""
    for name, value in vars(options).items():
        for text in value if isinstance(value, list) else [value]:
            if isinstance(text, str) and _SURROGATE.search(text):
                raise BadInput.in_field(name, "this is not UTF-8")
