"""The grammar of a serialized origin, and the canonical form of what an operator typed.

Requests are never parsed by the code that canonicalizes: a request's ``Origin`` is compared byte for
byte with stored canonical forms, and ``classify`` only names why one that is not listed was refused.

Sources: RFC 6454 sections 4 to 7, https://fetch.spec.whatwg.org/#origin-header,
https://url.spec.whatwg.org/#host-serializing, RFC 5890 (A-labels), RFC 3986 section 3.1 (scheme).
"""

from __future__ import annotations

import ipaddress
import re
from enum import Enum
from typing import Final

DEFAULT_PORTS: Final = {"http": 80, "https": 443}
"""Ports that serialization leaves out."""

WEB_SCHEMES: Final = frozenset(DEFAULT_PORTS)
"""Schemes whose host is a domain name or an IP address."""

EXTENSION_SCHEMES: Final = frozenset(
    {
        "app",
        "capacitor",
        "chrome-extension",
        "ionic",
        "moz-extension",
        "ms-browser-extension",
        "safari-web-extension",
        "tauri",
        "vscode-webview",
    }
)
"""Schemes under which a browser or an application shell serializes ``scheme://fixed-id``."""

MAX_LENGTH: Final = 300
"""Longest accepted origin in characters: a 253 character host, a scheme and a port."""

_IDNA_DEVIATIONS = "\u00df\u1e9e\u03c2\u200c\u200d"  # UTS 46 section 7, table 4

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*")
_LABEL = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?")
_EXTENSION_ID = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,126}[A-Za-z0-9])?")
_IPV4_LIKE = re.compile(r"[0-9]+|0[xX][0-9A-Fa-f]*")
_SERIALIZED = re.compile(
    rb"[a-z][a-z0-9+.-]*://(?:\[[0-9a-f:.]+\]|[A-Za-z0-9_](?:[A-Za-z0-9._-]*[A-Za-z0-9_])?)"
    rb"(?::[1-9][0-9]{0,4})?"
)


class OriginError(ValueError):
    """What an operator typed is not one origin; the text says what is wrong and what to type."""


class OriginShape(Enum):
    """What a request's ``Origin`` value looks like, apart from whether it is listed."""

    NULL = "null"
    MALFORMED = "malformed"
    SERIALIZED = "serialized"


def classify(value: bytes) -> OriginShape:
    """Return the shape of a request's ``Origin`` value; empty counts as malformed."""
    if value == b"null":
        return OriginShape.NULL
    if len(value) <= MAX_LENGTH and _SERIALIZED.fullmatch(value):
        return OriginShape.SERIALIZED
    return OriginShape.MALFORMED


def canonical(text: str) -> str:
    """Return the serialized origin that a browser sends for what an operator typed.

    The scheme and the host become lower case, an internationalized name becomes A-labels, an IPv6
    address its compressed form, and a default port is dropped. White space around the text is
    dropped too, as a form field does. Everything that is not exactly one origin is refused.

    Raises:
        OriginError: with a text for the person who typed it.
    """
    typed = text.strip()
    _refuse_words(typed)
    scheme, separator, rest = typed.partition("://")
    if not separator:
        raise OriginError(_without_scheme(typed))
    if not _SCHEME.fullmatch(scheme):
        raise OriginError(f"“{scheme[:40]}” is not a URL scheme; an origin starts like https://")
    scheme = scheme.lower()
    if scheme not in WEB_SCHEMES | EXTENSION_SCHEMES:
        raise OriginError(_unknown_scheme(scheme))
    authority = _authority(rest)
    if scheme in EXTENSION_SCHEMES:
        return f"{scheme}://{_extension_id(authority)}"
    host, port = _host_and_port(authority)
    host = _canonical_host(host)
    if port is None or port == DEFAULT_PORTS[scheme]:
        return f"{scheme}://{host}"
    return f"{scheme}://{host}:{port}"


def is_canonical(text: str) -> bool:
    """Return whether the text is stored as a browser would send it; hand-edited rows may not be."""
    try:
        return canonical(text) == text
    except OriginError:
        return False


def _refuse_words(typed: str) -> None:
    if not typed:
        raise OriginError("type an origin such as https://app.example.com")
    if len(typed) > MAX_LENGTH:
        raise OriginError(f"an origin has at most {MAX_LENGTH} characters")
    if typed.lower() == "null":
        raise OriginError(
            "“null” is what every sandboxed frame and local file sends: it names nobody and is never let in"
        )
    if "*" in typed:
        raise OriginError(
            "wildcards are not accepted: list each origin, such as https://app.example.com, on its own"
        )
    if any(separator in typed for separator in (",", " ", ";", "\t", "\n", "\r")):
        raise OriginError("type one origin only; add the others one by one")
    if not typed.isprintable():
        raise OriginError("there is an invisible character in it; type it instead of pasting it")


def _without_scheme(typed: str) -> str:
    scheme = typed.partition(":")[0].lower()
    if scheme in {"javascript", "data", "file", "about", "blob", "mailto"}:
        return f"“{scheme}:” has no origin of its own (browsers send null for it)"
    return f"the scheme is missing; did you mean https://{typed[:60]}?"


def _unknown_scheme(scheme: str) -> str:
    if scheme in {"ws", "wss"}:
        return (
            f"the origin of a WebSocket is the page's: type {'https' if scheme == 'wss' else 'http'}"
            ":// instead"
        )
    if scheme == "file":
        return "pages from files send null, which names nobody and is never let in"
    known = ", ".join(sorted(EXTENSION_SCHEMES))
    return f"“{scheme[:40]}” is not a scheme pages come from; use https, http or one of {known}"


def _authority(rest: str) -> str:
    for mark, what in (
        ("/", "a path"),
        ("?", "a query"),
        ("#", "a fragment"),
        ("\\", "a backslash"),
        ("@", "a user name"),
        ("%", "a percent escape"),
    ):
        position = rest.find(mark)
        if position < 0:
            continue
        if mark == "/" and position == len(rest) - 1:
            raise OriginError("an origin has no “/” at its end; remove it")
        raise OriginError(f"an origin has no {what[2:]}: remove “{mark}” and what belongs to it")
    return rest


def _extension_id(authority: str) -> str:
    if not _EXTENSION_ID.fullmatch(authority):
        raise OriginError("after :// comes the fixed id of the extension or application, no port")
    return authority.lower()


def _host_and_port(authority: str) -> tuple[str, int | None]:
    if authority.startswith("["):
        host, bracket, after = authority.partition("]")
        if not bracket or (after and not after.startswith(":")):
            raise OriginError("an IPv6 address stands in brackets, such as http://[::1]:5173")
        host, colon, port = host + bracket, after[:1], after[1:]
    else:
        host, colon, port = authority.partition(":")
    if not colon:
        return host, None
    if not (port.isascii() and port.isdigit()) or not 1 <= len(port) <= 5:
        raise OriginError(f"“{port[:20]}” is not a port: a number from 1 to 65535 is")
    if not 1 <= int(port) <= 65535:
        raise OriginError(f"port {port} does not exist: ports go from 1 to 65535")
    return host, int(port)


def _canonical_host(host: str) -> str:
    if host.startswith("["):
        return f"[{_ipv6(host[1:-1])}]"
    if not host:
        raise OriginError("the host is missing")
    if host.endswith("."):
        raise OriginError("a host has no dot at its end here; remove it")
    name = _to_ascii(host)
    labels = name.split(".")
    if _IPV4_LIKE.fullmatch(labels[-1]):
        return _ipv4(name)
    if len(name) > 253 or not all(_LABEL.fullmatch(label) for label in labels):
        raise OriginError(f"“{host[:60]}” is not a host name")
    return name


def _to_ascii(host: str) -> str:
    if host.isascii():
        return host.lower()
    if any(deviation in host for deviation in _IDNA_DEVIATIONS):
        raise OriginError(
            "this name has a letter that browsers and IDNA 2003 encode differently: type its xn-- form"
        )
    try:
        return host.encode("idna").decode("ascii").lower()
    except UnicodeError:
        raise OriginError(f"“{host[:60]}” is not an internationalized host name") from None


def _ipv6(text: str) -> str:
    """https://url.spec.whatwg.org/#concept-ipv6-serializer: never with a dotted tail."""
    try:
        address = ipaddress.IPv6Address(text)
    except ValueError:
        raise OriginError(f"“[{text[:60]}]” is not an IPv6 address") from None
    mapped = address.ipv4_mapped
    if mapped is None:
        return address.compressed
    number = int(mapped)  # Python 3.13 writes these with a dotted tail
    return f"::ffff:{number >> 16:x}:{number & 0xFFFF:x}"


def _ipv4(name: str) -> str:
    try:
        return str(ipaddress.IPv4Address(name))
    except ValueError:
        raise OriginError(
            f"“{name[:60]}” is not an IPv4 address in the form browsers send, such as 192.0.2.1"
        ) from None
