"""Headers that repeat arguments of a tool: those that its input schema annotates with ``x-mcp-header``.

A header that a schema does not ask for means nothing and passes (Streamable HTTP, "Custom headers").
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

from mcp_guard.mcp.header_value import decoded

PREFIX: Final = "mcp-param-"
"""What the names of these headers begin with, in lower case."""

ANNOTATION: Final = "x-mcp-header"

MAX_PROPERTIES: Final = 10_000
"""How many properties of a schema are looked at; what lies beyond repeats nothing."""

_TYPES: Final = frozenset({"string", "integer", "boolean"})
_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_DECIMAL = re.compile(r"-?[0-9]{1,400}(?:\.0*)?")


class Repeated(NamedTuple):
    """An argument that a header repeats: the way to it, the header, and the type in its schema."""

    path: tuple[str, ...]
    header: str
    type: str


def are_sent(headers: Mapping[bytes, bytes]) -> bool:
    """Return whether there are headers that repeat arguments, or look as if they did."""
    return any(name.startswith(PREFIX.encode()) for name in headers)


def disagreement(
    headers: Mapping[bytes, bytes], arguments: Any, schema: Mapping[str, Any] | None
) -> str | None:
    """Return which header does not repeat its argument, None when all do or the schema is not known.

    Arguments that are no object are none; the server says what it makes of them.
    """
    for repeated in _annotated(schema):
        value = headers.get(repeated.header.encode())
        argument = _at(arguments, repeated.path)
        expected = _text(argument)
        if value is None and expected is None:
            continue
        if value is None or expected is None or not _agree(decoded(value), argument, expected, repeated.type):
            return f"{repeated.header} does not repeat the argument {'.'.join(repeated.path)}"
    return None


def _annotated(schema: Any) -> Iterator[Repeated]:
    """Yield the arguments that headers repeat; two that share a header make the schema unusable."""
    found: dict[str, Repeated] = {}
    waiting: list[tuple[tuple[str, ...], Any]] = [((), schema)]
    for _ in range(MAX_PROPERTIES):
        if not waiting:
            break
        path, node = waiting.pop()
        if not isinstance(node, Mapping):
            continue
        token, kind = node.get(ANNOTATION), node.get("type")
        if path and isinstance(token, str) and _TOKEN.fullmatch(token) and kind in _TYPES:
            header = f"{PREFIX}{token.lower()}"
            if header in found:
                return
            found[header] = Repeated(path, header, kind)
        properties = node.get("properties")
        if isinstance(properties, Mapping):
            waiting += [((*path, name), inner) for name, inner in properties.items()]
    yield from found.values()


def _at(arguments: Any, path: tuple[str, ...]) -> Any:
    """Return the argument at the end of a path, None where the path ends earlier."""
    for name in path:
        if not isinstance(arguments, Mapping):
            return None
        arguments = arguments.get(name)
    return arguments


def _text(argument: Any) -> str | None:
    """Return what a client writes for an argument, None for one that no header repeats."""
    match argument:
        case bool():
            return "true" if argument else "false"
        case str() | int() | float():
            return str(argument)
    return None


def _agree(said: str | None, argument: Any, expected: str, kind: str) -> bool:
    """Return whether a header says its argument; integers are compared as numbers, ``42`` with ``42.0``."""
    if said is None:
        return False
    is_number = type(argument) is int or (type(argument) is float and argument.is_integer())
    if kind == "integer" and is_number and _DECIMAL.fullmatch(said):
        return int(said.partition(".")[0]) == int(argument)
    return said == expected
