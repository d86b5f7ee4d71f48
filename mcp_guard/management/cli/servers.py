"""``server``: MCP servers that the portal runs, each in a process of its own."""

from __future__ import annotations

import argparse
from typing import Any, Final

from mcp_guard import changes
from mcp_guard.conf import config
from mcp_guard.conf.servers import PREFIX
from mcp_guard.live.rows import UnparsableRow
from mcp_guard.management.cli import server_runs
from mcp_guard.management.cli.arguments import Parser, SubParsers, add_names, declare_noun, declare_verb
from mcp_guard.management.cli.call import Answer, BadInput, Call
from mcp_guard.management.cli.rows import server_named
from mcp_guard.management.cli.server_objects import difference_lines, server_object, shown
from mcp_guard.management.cli.text import pairs, table
from mcp_guard.models import RegisteredServer
from mcp_guard.policy.registration import Level
from mcp_guard.server_state import digest_of

_COLUMNS: Final = ("name", "state", "level", "executable", "arguments", "shared", "description")

_NUMBERS: Final = {
    "memory_mb": ("--memory", "MIB", "most memory in MiB"),
    "cpu_percent": ("--cpu-percent", "N", "share of a processor; 100 is one"),
    "cpu_seconds": ("--cpu-seconds", "N", "processor time of a process in its life"),
    "processes": ("--processes", "N", "how many processes and threads it may be"),
    "open_files": ("--open-files", "N", "open files of each process"),
    "file_mb": ("--file-size", "MIB", "size of each file that it writes, in MiB"),
    "tmp_mb": ("--tmp-size", "MIB", "size of its own /tmp in MiB"),
    "idle_seconds": ("--idle", "N", "seconds without use after which it ends"),
}
_TEXTS: Final = {
    "folder": ("--folder", "PATH", "working folder"),
    "run_as": ("--run-as", "USER", "user of the machine that it runs as; '' for the portal's own"),
    "description": ("--description", "TEXT", "what it is for"),
}
_LISTS: Final = {
    "environment": ("--env", "NAME=SOURCE", "environment: NAME=env:VARIABLE or NAME=file:/path"),
    "writable": ("--writable", "PATH", "where it may write"),
    "readable": ("--readable", "PATH", "what it may read besides the system"),
    "hosts": ("--host", "HOST:PORT", "where it may connect"),
}
_FLAGS: Final = {
    "kill": ("--kill", "a forbidden system call ends it"),
    "shared": ("--shared", "one process for all; else each principal has its own"),
}


def declare(nouns: SubParsers) -> None:
    """Add the noun and its verbs."""
    verbs = declare_noun(nouns, "server", "MCP servers that the portal runs, as confined processes")
    add = declare_verb(verbs, "add", _add, "register a server; somebody else has to approve it")
    add.add_argument("name", help="its name: lower case, digits, - and _")
    add.add_argument("--executable", required=True, metavar="PATH", help="absolute path of the program")
    _add_fields(add)
    change = declare_verb(verbs, "set", _set, "change a server; options left out stay as they are")
    change.add_argument("name", help="its name")
    change.add_argument("--executable", metavar="PATH", help="absolute path of the program")
    _add_fields(change)
    declare_verb(verbs, "list", _list, "list all registered servers")
    show = declare_verb(verbs, "show", _show, "show what a server runs, and what of it is not approved")
    show.add_argument("name", help="its name")
    approve = declare_verb(verbs, "approve", _approve, "approve what “server show” has shown")
    approve.add_argument("name", help="its name")
    approve.add_argument("digest", help="what “server show” calls digest, or its first 12 characters")
    for name, run, about in (
        ("disable", _disable, "refuse everyone and stop its processes at once"),
        ("enable", _enable, "let it run again"),
        ("remove", _remove, "remove a server that no token and no origin names"),
    ):
        declare_verb(verbs, name, run, about).add_argument("name", help="its name")
    server_runs.declare(verbs)


def _add_fields(parser: Parser) -> None:
    parser.add_argument(
        "--argument",
        action="append",
        dest="arguments",
        metavar="TEXT",
        help="one argument, in order; --argument=-v for one that begins with a hyphen",
    )
    parser.add_argument("--no-arguments", action="store_true", help="without arguments")
    for field, (option, metavar, about) in _TEXTS.items():
        parser.add_argument(option, dest=field, metavar=metavar, help=about)
    for field, (option, metavar, about) in _NUMBERS.items():
        parser.add_argument(option, dest=field, metavar=metavar, type=int, help=about)
    for field, (option, metavar, about) in _LISTS.items():
        add_names(parser, option, f"{about}; nothing after it: none", dest=field, metavar=metavar, nargs="*")
    levels = ", ".join(level.value for level in Level)
    parser.add_argument("--level", metavar="LEVEL", help=f"confinement: {levels}")
    for field, (option, about) in _FLAGS.items():
        parser.add_argument(option, dest=field, action=argparse.BooleanOptionalAction, help=about)


def _values(options: argparse.Namespace) -> dict[str, Any]:
    """Return the fields that were given."""
    names = ["executable", "arguments", "level", *_TEXTS, *_NUMBERS, *_LISTS, *_FLAGS]
    found = {name: getattr(options, name) for name in names if getattr(options, name) is not None}
    if options.no_arguments:
        if "arguments" in found:
            raise BadInput.in_field("arguments", "--argument and --no-arguments contradict each other")
        found["arguments"] = []
    return found


def _add(call: Call) -> Answer:
    values = _values(call.options)
    return _said("registered", changes.add_server(call.actor, name=call.options.name, **values))


def _set(call: Call) -> Answer:
    row, values = server_named(call.options.name), _values(call.options)
    if not values:
        raise BadInput("nothing to change: give at least one option")
    return _said("changed", changes.set_server(call.actor, row, **values))


def _list(_call: Call) -> Answer:
    rows = [server_object(row) for row in RegisteredServer.objects.all()]
    lines = [shown(row) for row in rows]
    empty = "no registered servers"
    if config().servers.endpoint is None:
        empty += ": MCP_GUARD has no SERVERS"
    return Answer(rows, table(lines, _COLUMNS, empty=empty))


def _show(call: Call) -> Answer:
    row = server_named(call.options.name)
    data = server_object(row)
    return Answer(data, [f"server {row.name}", *pairs(shown(data)), *difference_lines(row)])


def _approve(call: Call) -> Answer:
    row, typed = server_named(call.options.name), call.options.digest
    try:
        found = digest_of(row)
    except UnparsableRow as error:
        raise BadInput(f"its row cannot be used: {error}") from None
    if len(typed) < 12:
        raise BadInput.in_field("digest", "give at least the first 12 characters that “server show” shows")
    known = found if found.startswith(typed) else typed
    return _said("approved", changes.approve_server(call.actor, row, digest=known))


def _disable(call: Call) -> Answer:
    row = server_named(call.options.name)
    return _said("disabled", changes.set_server(call.actor, row, enabled=False))


def _enable(call: Call) -> Answer:
    row = server_named(call.options.name)
    return _said("enabled", changes.set_server(call.actor, row, enabled=True))


def _remove(call: Call) -> Answer:
    row = server_named(call.options.name)
    removed = server_object(row)
    changes.remove_server(call.actor, row)
    return Answer(removed, [f"removed server {row.name} and its endpoint {PREFIX}{row.name}"])


def _said(what: str, row: RegisteredServer) -> Answer:
    data = server_object(row)
    warnings = []
    if data["state"] == "waits for approval":
        warnings.append(f"it serves nobody until somebody else approves it: see “server show {row.name}”")
    return Answer(data, [f"{what} server {row.name}", *pairs(shown(data))], warnings)
