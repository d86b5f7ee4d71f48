"""See what a head has in common with others, before it is read: heads with one signature are decided alike.

Clients send the same headers in the same order again and again. Where each of them stands is found out once,
in an outline; after that values are picked by their place.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from hashlib import blake2b
from operator import itemgetter
from typing import Any, Final

from django.http import HttpRequest

from mcp_guard.generations import Generations
from mcp_guard.passage import IN_PART, Line, is_alias
from mcp_guard.policy.content import MAX_DIGITS
from mcp_guard.policy.endpoint import Endpoint, Profile
from mcp_guard.policy.facts import RequestHead, with_headers
from mcp_guard.policy.headers import PARAMETER, READ
from mcp_guard.wire import OUTER_ROOT_PATH, REMEMBERED_LENGTH, Scope, environ_names

VARYING: Final = (b"content-length", b"mcp-method", b"mcp-name", b"mcp-session-id", b"user-agent")
"""Headers that are read and vary from request to request, but do not change what is decided of the head.

Of the length it matters alone whether a body may have it.
"""

RECALLED_BYTES: Final = 4096
"""Most bytes that method and values of a head may have for its decision to be kept; and so its names."""

MOST_HEADERS: Final = 100
"""How many lines a head may have to be looked at here."""

MOST_VARIABLES: Final = 200
"""The same for WSGI, whose environment holds more than headers."""

OUTLINES: Final = 256
"""How many outlines a generation of them has."""

_UNREAD: Final = frozenset({b"cookie", b"x-mcp-nonce"}) | IN_PART
"""Credentials besides a token, and what may hold one; a head with one of them is judged each time."""

_AUTHORIZATION: Final = b"authorization"

_STEADY: Final = READ.difference(VARYING, _UNREAD, {_AUTHORIZATION})

_SAID: Final = ("path", "query_string", "raw_path", "scheme", "client", "root_path")
_said_of = itemgetter(*_SAID)
_name_of = itemgetter(0)

Place = Any
Names = tuple[Any, ...]
"""Of an endpoint, then of the headers of a head."""
Values = tuple[Any, ...]
"""Some of the headers, in the order of their outline: lines, or values of a WSGI environment."""

Signature = tuple[object, ...]
"""Everything that a rule reads, and the digest of the Authorization in place of it."""

Sighting = tuple[Signature, "Outline", Values]
"""The signature of a head, its outline, and what may vary between heads with that signature."""


class Outline:
    """Where things stand in the heads that have these headers, in this order, on one endpoint.

    A place is an index into the lines of a head, or a key of a WSGI environment. ``is_decisive`` says whether
    heads of this outline can be told apart by a signature. ``digits`` is how many the greatest length of a
    body has. ``pick_kept`` returns, of the lines of a head, those that an application gets.
    """

    __slots__ = (
        "_most_bytes",
        "authorization",
        "digits",
        "endpoint",
        "is_decisive",
        "length",
        "pick_kept",
        "pick_steady",
        "pick_varying",
        "user_agent",
        "varying",
    )

    def __init__(self, endpoint: Endpoint, headers: Sequence[tuple[bytes, Place]]) -> None:
        names = [name for name, _ in headers]
        places = dict(headers)
        self.endpoint = endpoint
        self._most_bytes = endpoint.limits.body_bytes
        self.digits = len(str(self._most_bytes))
        self.is_decisive = (
            len(places) == len(names)
            and endpoint.profile is not Profile.LOCAL  # which goes by the port of the server, too
            and endpoint.token_header not in places
            and _UNREAD.isdisjoint(places)
            and not any(name.startswith(PARAMETER) for name in names)  # nobody knows how many there are
        )
        self.varying = tuple(name for name in names if name in VARYING)
        self.user_agent = self.varying.index(b"user-agent") if b"user-agent" in self.varying else None
        self.authorization = places.get(_AUTHORIZATION)
        self.length = places.get(b"content-length")
        self.pick_steady = _picker([place for name, place in headers if name in _STEADY])
        self.pick_varying = _picker([place for name, place in headers if name in VARYING])
        carriers = endpoint.credential_headers
        self.pick_kept = _leaver(
            [place for name, place in headers if name in carriers or is_alias(name, carriers)]
        )

    def length_class(self, length: Any) -> object:
        """Return the same for all lengths that a body may have, and each other one as it is."""
        is_number = len(length) < MAX_DIGITS and length.isdigit() and length.isascii()
        return (is_number and 0 < int(length) <= self._most_bytes) or length


def _picker(places: Sequence[Place]) -> Callable[[Any], tuple[Any, ...]]:
    """Return a function that returns what stands in these places."""
    if len(places) > 1:
        return itemgetter(*places)
    return lambda values: tuple([values[place] for place in places])


def _leaver(places: Iterable[int]) -> Callable[[Iterable[Line]], list[Line]]:
    """Return a function that returns the lines but those in these places, which are few."""
    left_out = sorted(places, reverse=True)

    def kept(lines: Iterable[Line]) -> list[Line]:
        found = [*lines]
        for place in left_out:
            del found[place]
        return found

    return kept


def sight(scope: Scope, endpoint: Endpoint) -> Sighting | None:
    """Return what an ASGI request has in common with others, None for a head that is judged each time."""
    lines = scope["headers"]
    try:
        path, query, raw_path, scheme, client, root_path = _said_of(scope)
    except KeyError:  # some may be left out (https://asgi.readthedocs.io/en/latest/specs/www.html)
        path = scope["path"]
        query, raw_path, scheme, client, root_path = map(scope.get, _SAID[1:])
    if not lines or len(lines) > MOST_HEADERS or len(path) > REMEMBERED_LENGTH or query:
        return None
    names = (endpoint.name, *map(_name_of, lines))
    outline = _outlines.young.get(names) or _outlines.get(names)
    if outline is None or outline.endpoint is not endpoint:
        outline = _draw(endpoint, names, [(name, place) for place, (name, _) in enumerate(lines)])
    if not outline.is_decisive:
        return None
    place = outline.authorization
    length_class: object = True
    if outline.length is not None:
        length = lines[outline.length][1]
        is_short = len(length) < outline.digits and length.isdigit() and length[0] != 0x30
        length_class = is_short or outline.length_class(length)
    signature = (
        outline,
        scope.get("method"),  # a handshake has none
        path,
        raw_path,
        scheme,
        client[0] if client else "",
        scope.get(OUTER_ROOT_PATH, root_path),
        None if place is None else blake2b(lines[place][1]).digest(),
        length_class,
        outline.pick_steady(lines),
    )
    return signature, outline, outline.pick_varying(lines)


def sight_request(request: HttpRequest, endpoint: Endpoint) -> Sighting | None:
    """Do as ``sight`` with a Django request; under ASGI with its scope."""
    scope = getattr(request, "scope", None)
    if scope is not None:
        return sight(scope, endpoint)
    environ, path = request.META, request.path
    if len(environ) > MOST_VARIABLES or len(path) > REMEMBERED_LENGTH or environ.get("QUERY_STRING"):
        return None
    names = (endpoint.name, *environ)
    outline = _outlines.young.get(names) or _outlines.get(names)
    if outline is None or outline.endpoint is not endpoint:
        outline = _draw(endpoint, names, list(environ_names(environ)))
    if not outline.is_decisive:
        return None
    place = outline.authorization
    signature = (
        outline,
        environ.get("REQUEST_METHOD"),
        path,
        environ.get("wsgi.url_scheme"),
        environ.get("REMOTE_ADDR"),
        None if place is None else blake2b(environ[place].encode("latin-1", "replace")).digest(),
        outline.length is None or outline.length_class(environ[outline.length]),
        outline.pick_steady(environ),
    )
    return signature, outline, outline.pick_varying(environ)


def _draw(endpoint: Endpoint, names: Names, headers: Sequence[tuple[bytes, Place]]) -> Outline:
    outline = Outline(endpoint, headers)
    if sum(map(len, names)) <= RECALLED_BYTES:
        _outlines.put(names, outline)
    else:  # each head would get another outline, which what is recalled would keep with its names
        outline.is_decisive = False
    return outline


_outlines: Final[Generations[Names, Outline]] = Generations(OUTLINES)


def is_faithful(sighting: Sighting, head: RequestHead) -> bool:
    """Return whether a head may be recalled: it is not large, and was read as it was sent."""
    signature, outline, varying = sighting
    sent = dict(zip(outline.varying, _as_bytes(varying), strict=True))
    return (
        len(head.method) + sum(map(len, head.headers.values())) <= RECALLED_BYTES
        and _is_hashable(signature)
        and all(value.strip(b" \t") == value == sent.get(name, value) for name, value in head.headers.items())
    )


def _is_hashable(signature: Signature) -> bool:
    """Return whether a signature is a key; it is none where a server has lists for the lines of a head."""
    try:
        hash(signature)
    except TypeError:
        return False
    return True


def with_varying(head: RequestHead, outline: Outline, varying: Values) -> RequestHead:
    """Return a head with other values of what varies."""
    headers = {**head.headers}
    for name, value in zip(outline.varying, _as_bytes(varying), strict=True):
        if name in headers:  # WSGI has an empty length where there is none
            headers[name] = value.strip(b" \t")
    return with_headers(head, headers)


def user_agent(sighting: Sighting) -> str:
    """Return what the client of a head calls itself, as it came; empty when it does not say."""
    _, outline, varying = sighting
    if outline.user_agent is None:
        return ""
    return _as_bytes((varying[outline.user_agent],))[0].decode("latin-1")


def _as_bytes(values: Values) -> list[bytes]:
    """Return the values in some lines, or of a WSGI environment, as they were sent."""
    return [value.encode("latin-1", "replace") if isinstance(value, str) else value[1] for value in values]
