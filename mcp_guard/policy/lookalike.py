"""What should make an operator look twice at an origin before listing it.

Nothing is refused for it: these are warnings. They are about the text alone (an address, a port, no TLS,
letters of several scripts) and about how close it comes to origins that are listed.

Sources: UTS 39 (confusables, mixed scripts), RFC 6761 section 6.3 (localhost), RFC 5890 (A-labels).
"""

from __future__ import annotations

import ipaddress
import re
import unicodedata
from collections.abc import Iterable, Iterator
from enum import Enum
from typing import Final, NamedTuple

from mcp_guard.policy.origin import WEB_SCHEMES


class Doubt(Enum):
    """What is doubtful about an origin."""

    NULL = "null"
    PLAIN_HTTP = "http"
    LOCALHOST = "localhost"
    ADDRESS = "address"
    PORT = "port"
    PUNYCODE = "punycode"
    MIXED_SCRIPTS = "mixed_scripts"
    SAME_HOST = "same_host"
    CONFUSABLE = "confusable"
    ONE_LETTER = "one_letter"
    CONTAINS = "contains"


class Warned(NamedTuple):
    """One warning; ``like`` is the listed origin that it resembles, empty when it is about itself alone."""

    doubt: Doubt
    like: str = ""


class _Parts(NamedTuple):
    scheme: str
    host: str
    port: str


_IPV4_LIKE = re.compile(r"[0-9]+|0[xX][0-9A-Fa-f]*")
_TOGETHER: Final = frozenset({"LATIN", "CJK", "HIRAGANA", "KATAKANA", "HANGUL", "BOPOMOFO"})
"""Scripts that one word may mix: Japanese, Korean and Chinese with Latin (UTS 39 section 5.2)."""

_READ_AS: Final = str.maketrans(
    "аԁеһіјкӏмнорԛѕтухԝсвг" "αβεγηικνοτρυχω" "ɑđɡıłø" "i0135!8|",
    "adehljklmhopqstyxwcbr" "abeynlkvotpuxw" "adgllo" "loleslbl",
)  # fmt: skip
"""Letters that read like Latin ones: Cyrillic, Greek, Latin of other kinds and digits; i as l."""

_PAIRS: Final = (("rn", "m"), ("vv", "w"), ("cl", "d"))
"""Letters that read like one when they stand together."""


class Lookalikes:
    """Finds what is doubtful about origins, given those that are listed."""

    def __init__(self, listed: Iterable[str]) -> None:
        self._origins = frozenset(listed)
        self._hosts: dict[str, str] = {}
        self._skeletons: dict[str, str] = {}
        self._shortened: dict[str, list[str]] = {}
        for origin in sorted(self._origins):
            self._learn(origin)

    def _learn(self, origin: str) -> None:
        scheme, host, _ = _parts(origin)
        if scheme not in WEB_SCHEMES or _is_address(host) or host in self._hosts:
            return
        self._hosts[host] = origin
        self._skeletons.setdefault(skeleton(host), origin)
        for text in _shortened(host):
            self._shortened.setdefault(text, []).append(host)

    def warnings(self, origin: str) -> tuple[Warned, ...]:
        """Return what is doubtful about any text that was sent as an Origin; empty when nothing is."""
        if origin == "null":
            return (Warned(Doubt.NULL),)
        parts = _parts(origin)
        if parts.scheme not in WEB_SCHEMES or origin in self._origins:
            return tuple(_of_itself(parts))
        return (*self._resembling(parts.host), *_of_itself(parts))

    def _resembling(self, host: str) -> Iterator[Warned]:
        if _is_address(host):
            return
        if host in self._hosts:
            yield Warned(Doubt.SAME_HOST, self._hosts[host])
            return
        like = self._skeletons.get(skeleton(host))
        if like is not None:
            yield Warned(Doubt.CONFUSABLE, like)
        near = self._near(host)
        if near is not None and near != like:
            yield Warned(Doubt.ONE_LETTER, near)
        inside = self._inside(host)
        if inside is not None:
            yield Warned(Doubt.CONTAINS, inside)

    def _near(self, host: str) -> str | None:
        """Return a listed origin whose host is one typing mistake away."""
        for text in _shortened(host):
            for listed in self._shortened.get(text, ()):
                if is_one_mistake(host, listed):
                    return self._hosts[listed]
        return None

    def _inside(self, host: str) -> str | None:
        """Return a listed origin whose host stands in this one without being its end."""
        labels = host.split(".")
        for start in range(len(labels) - 1):
            for end in range(start + 2, len(labels)):
                found = self._hosts.get(".".join(labels[start:end]))
                if found is not None:
                    return found
        return None


def skeleton(host: str) -> str:
    """Return what two hosts have in common that read alike."""
    decomposed = unicodedata.normalize("NFKD", ".".join(map(_unicode, host.split("."))))
    letters = "".join(sign for sign in decomposed if not unicodedata.combining(sign))
    text = letters.casefold().translate(_READ_AS)
    for pair, one in _PAIRS:
        text = text.replace(pair, one)
    return text


def is_one_mistake(one: str, other: str) -> bool:
    """Return whether a letter more, less or other, or two in the other order, make one text the other."""
    if one == other or abs(len(one) - len(other)) > 1:
        return False
    start = 0
    for mine, yours in zip(one, other, strict=False):
        if mine != yours:
            break
        start += 1
    mine, yours = one[start:], other[start:]
    if mine[1:] == yours or mine == yours[1:] or mine[1:] == yours[1:]:
        return True
    return len(mine) == len(yours) and mine[:2] == yours[1::-1] and mine[2:] == yours[2:]


def _shortened(host: str) -> set[str]:
    """Return the text and all that lack one letter; texts one mistake apart have one of them in common."""
    return {host, *(host[:at] + host[at + 1 :] for at in range(len(host)))}


def _of_itself(parts: _Parts) -> Iterator[Warned]:
    if parts.scheme not in WEB_SCHEMES:
        return
    if parts.scheme == "http":
        yield Warned(Doubt.PLAIN_HTTP)
    is_local = _is_local(parts.host)
    if is_local:
        yield Warned(Doubt.LOCALHOST)
    elif _is_address(parts.host):
        yield Warned(Doubt.ADDRESS)
    if parts.port and not is_local:
        yield Warned(Doubt.PORT)
    labels = parts.host.split(".")
    if any(label.startswith("xn--") for label in labels):
        yield Warned(Doubt.PUNYCODE)
    if any(_mixes_scripts(_unicode(label)) for label in labels):
        yield Warned(Doubt.MIXED_SCRIPTS)


def _parts(origin: str) -> _Parts:
    """Return scheme, host and port of any text; what is none of them is empty."""
    scheme, _, authority = origin.partition("://")
    if authority.startswith("["):
        host, bracket, rest = authority.partition("]")
        return _Parts(scheme, host + bracket, rest.removeprefix(":"))
    host, _, port = authority.partition(":")
    return _Parts(scheme, host, port)


def _is_address(host: str) -> bool:
    return host.startswith("[") or bool(_IPV4_LIKE.fullmatch(host.rpartition(".")[2]))


def _is_local(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def _unicode(label: str) -> str:
    """Return a label as people read it, as it stands where it cannot be decoded."""
    if not label.startswith("xn--"):
        return label
    try:
        return label[4:].encode("ascii").decode("punycode")
    except UnicodeError:
        return label


def _mixes_scripts(label: str) -> bool:
    scripts = {unicodedata.name(sign, "?").partition(" ")[0] for sign in label if sign.isalpha()}
    return len(scripts) > 1 and not scripts <= _TOGETHER
