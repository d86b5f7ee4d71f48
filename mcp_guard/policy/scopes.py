"""Grants: which MCP methods, tools, resources and prompts a scope opens.

A grant is an MCP method, and for a method that names something the method, a colon and the exact
name or URI; a URI may end in ``/*``: ``tools/call:read_note``, ``resources/read:note://public/*``,
``prompts/get:summary``, ``logging/setLevel``. Nothing else is a wildcard. Where an application does not
speak MCP, the grant is for the HTTP method: ``http:GET``, ``http:POST``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final, NamedTuple

from mcp_guard.policy.templates import literal_head, makes

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

    For a request whose body is no message the method is ``http`` and the name its HTTP method. ``also`` is
    what it needs besides, where it speaks of other things than it does. ``is_template`` says that the name
    is a URI template: one of the URIs that it may make has to be granted.
    """

    method: str
    name: str | None = None
    also: tuple[Operation, ...] = ()
    is_template: bool = False

    @property
    def is_free(self) -> bool:
        """Whether no grant is needed for it."""
        return self.method in FREE_METHODS or self.method.startswith("notifications/")

    @property
    def grant(self) -> str:
        """The exact grant that opens it, apart from what it needs besides."""
        return self.method if self.name is None else f"{self.method}:{self.name}"

    @property
    def grants(self) -> list[str]:
        """All grants that it needs, as ``scope=`` of a challenge names them.

        For a template that is the narrowest one that opens it, or none where no grant is so wide.
        """
        needed = [grant for other in self.also for grant in other.grants]
        name = _prefix_of(self.name) if self.is_template and self.name is not None else self.name
        if self.is_template and name is None:
            return needed
        return [self.method if name is None else f"{self.method}:{name}", *needed]


def over_http(method: str) -> Operation:
    """Return what a request asks for whose body the gate does not read: its HTTP method, HEAD as GET."""
    return Operation(HTTP, "GET" if method == "HEAD" else method)


class Grants(NamedTuple):
    """What a principal may use; the empty value grants nothing.

    ``exact`` and ``prefixes`` hold at every endpoint. ``narrow`` has, by the names of the endpoints where
    more than that holds, all that holds there.
    """

    exact: frozenset[str] = frozenset()
    prefixes: tuple[str, ...] = ()
    narrow: tuple[tuple[str, Grants], ...] = ()

    def at(self, endpoint: str) -> Grants:
        """Return what holds at an endpoint."""
        for name, grants in self.narrow:
            if name == endpoint:
                return grants
        return self

    def cover(self, operation: Operation) -> bool:
        """Return whether the operation is granted; free ones always are."""
        if operation.is_free:
            return True
        return self.opener(operation) is not None and all(map(self.cover, operation.also))

    def opener(self, operation: Operation) -> str | None:
        """Return the grant that opens an operation, None when none of these does.

        What the operation needs besides is not asked here.
        """
        wanted = operation.grant
        if operation.is_template and operation.name is not None:
            return self._opener_of_template(f"{operation.method}:", operation.name)
        if operation.name is None and ":" in wanted:
            return None  # a method that only reads like one and its name
        if wanted in self.exact:
            return wanted
        if not wanted.startswith(self.prefixes) or not _is_plain(wanted):
            return None
        return next(f"{prefix}*" for prefix in self.prefixes if wanted.startswith(prefix))

    def _opener_of_template(self, method: str, template: str) -> str | None:
        """Return a grant that opens a URI which a template may make; ``method`` ends with its colon."""
        for grant in self.exact:
            if grant.startswith(method) and makes(template, grant.removeprefix(method), whole=True):
                return grant
        for prefix in self.prefixes:
            if prefix.startswith(method) and makes(template, prefix.removeprefix(method), whole=False):
                return f"{prefix}*"
        return None


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


def compile_scopes(scopes: Iterable[tuple[list[str], frozenset[str]]]) -> Grants:
    """Return the grants of some scopes together; each comes with the endpoints where it counts.

    One that comes without endpoints counts at every one.
    """
    given = list(scopes)
    names = sorted({name for _, endpoints in given for name in endpoints})
    everywhere = compile_grants([grant for grants, endpoints in given if not endpoints for grant in grants])
    return everywhere._replace(
        narrow=tuple(
            (
                name,
                compile_grants([grant for grants, at in given if not at or name in at for grant in grants]),
            )
            for name in names
        )
    )


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


def _prefix_of(template: str) -> str | None:
    """Return the narrowest ``/*`` for the URIs of a template, itself when it is a URI, None for none."""
    head = literal_head(template)
    if head == template:
        return template
    prefix = head[: head.rfind("/") + 1]
    return None if "://" not in prefix or prefix.endswith("://") else f"{prefix}*"


def _is_plain(uri: str) -> bool:
    """Return whether no part of a URI can climb out of a prefix (RFC 3986 section 5.2.4).

    A dot segment counts wherever a path or one of its parameters may end, and an escape of what would
    be one counts too, also if it takes two decodings to see it.
    """
    folded = uri.lower()
    if any(mark in folded for mark in _HIDDEN):
        return False
    return not {".", ".."} & set(_SEGMENT_END.split(folded))
