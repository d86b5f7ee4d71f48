"""Grants: which MCP methods, tools, resources and prompts a scope opens.

A grant is an MCP method, and for a method that names something the method, a colon and the exact
name or URI; a URI may end in ``/*``: ``tools/call:read_note``, ``resources/read:note://public/*``,
``prompts/get:summary``, ``logging/setLevel``. Nothing else is a wildcard. Where an application does not
speak MCP, the grant is for the HTTP method: ``http:GET``, ``http:POST``.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

NAMED_BY: Final = {
    "tools/call": "name",
    "prompts/get": "name",
    "resources/read": "uri",
    "resources/subscribe": "uri",
    "resources/unsubscribe": "uri",
}
"""Methods that name something, and the member of ``params`` that holds the name."""

HTTP: Final = "http"
"""What stands before an HTTP method in a grant."""

FREE_METHODS: Final = frozenset(
    {
        "initialize",
        "ping",
        "server/discover",
        "tools/list",
        "resources/list",
        "resources/templates/list",
        "prompts/list",
    }
)
"""Methods that need no grant: they open a connection or list what may be used."""

MAX_LENGTH: Final = 300
"""Longest grant in characters."""

_HTTP_METHOD = re.compile(r"[A-Z]{1,20}")
_METHOD = re.compile(r"[A-Za-z][A-Za-z0-9_$.-]*(?:/[A-Za-z0-9_$.-]+)*")
_SEGMENT_END = re.compile(r"[/?#;]")
_HIDDEN = ("%2e", "%2f", "%5c", "%25", "\\")


class GrantError(ValueError):
    """What an operator typed is not a grant; the text says what is wrong."""


class Operation(NamedTuple):
    """What one message asks for: its method, and the name or URI where the method names one.

    For a request whose body is no message the method is ``http`` and the name its HTTP method.
    """

    method: str
    name: str | None = None

    @property
    def is_free(self) -> bool:
        """Whether no grant is needed for it."""
        return self.method in FREE_METHODS or self.method.startswith("notifications/")

    @property
    def grant(self) -> str:
        """The exact grant that opens it, as ``scope=`` of a challenge names it."""
        return self.method if self.name is None else f"{self.method}:{self.name}"


def over_http(method: str) -> Operation:
    """Return what a request asks for whose body the gate does not read: its HTTP method, HEAD as GET."""
    return Operation(HTTP, "GET" if method == "HEAD" else method)


class Grants(NamedTuple):
    """What a principal may use; the empty value grants nothing."""

    exact: frozenset[str] = frozenset()
    prefixes: tuple[str, ...] = ()

    def cover(self, operation: Operation) -> bool:
        """Return whether the operation is granted; free ones always are."""
        if operation.is_free:
            return True
        wanted = operation.grant
        if operation.name is None and ":" in wanted:
            return False  # a method that only reads like one and its name
        if wanted in self.exact:
            return True
        return bool(self.prefixes) and _is_plain(wanted) and wanted.startswith(self.prefixes)


NO_GRANTS: Final = Grants()


def canonical(text: str) -> str:
    """Return the grant that an operator typed, without the white space around it.

    Raises:
        GrantError: with a text for the person who typed it.
    """
    grant = text.strip()
    if not grant:
        raise GrantError("type a grant such as tools/call:read_note")
    if len(grant) > MAX_LENGTH:
        raise GrantError(f"a grant has at most {MAX_LENGTH} characters")
    if not grant.isprintable():
        raise GrantError("there is an invisible character in it")
    method, colon, name = grant.partition(":")
    if grant == "*" or method == "*":
        raise GrantError("“*” would open everything, also what the server gains later; name what is needed")
    if not _METHOD.fullmatch(method):
        raise GrantError(f"“{method[:60]}” is not an MCP method such as tools/call")
    if method == HTTP:
        _refuse_http_method(name)
    elif method in NAMED_BY:
        _refuse_name(method, name)
    elif colon:
        raise GrantError(f"{method} names nothing: leave out “:{name[:60]}”")
    return grant


def compile_grants(grants: list[str]) -> Grants:
    """Return the grants in the form that is looked up; every one has to be canonical."""
    prefixes = tuple(sorted(grant[:-1] for grant in grants if grant.endswith("/*")))
    return Grants(frozenset(g for g in grants if not g.endswith("/*")), prefixes)


def _refuse_http_method(name: str) -> None:
    if name == "HEAD":
        raise GrantError("HEAD goes with http:GET")
    if not _HTTP_METHOD.fullmatch(name):
        raise GrantError("after “http:” stands one HTTP method in upper case, as in http:POST")


def _refuse_name(method: str, name: str) -> None:
    kind = NAMED_BY[method]
    if not name:
        raise GrantError(f"{method} needs the {kind} it may use, as in {method}:NAME")
    if name == "*" or "*" in name[:-1] or (name.endswith("*") and not name.endswith("/*")):
        raise GrantError("the only wildcard is /* at the end of a URI")
    if name.endswith("*") and (kind != "uri" or "://" not in name or name.endswith("://*")):
        raise GrantError("/* is for the end of a URI with a host or path, such as note://public/*")


def _is_plain(uri: str) -> bool:
    """Return whether no part of a URI can climb out of a prefix (RFC 3986 section 5.2.4).

    A dot segment counts wherever a path or one of its parameters may end, and an escape of what would
    be one counts too, also if it takes two decodings to see it.
    """
    folded = uri.lower()
    if any(mark in folded for mark in _HIDDEN):
        return False
    return not {".", ".."} & set(_SEGMENT_END.split(folded))
