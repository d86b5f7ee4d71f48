"""``mcp_server.websocket``: who may open a connection, and over what."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from typing import Final

from mcp_guard.policy.origin import OriginError, canonical
from mcp_guard.template.report import Becomes
from mcp_guard.template.section import Section

FIELDS: Final = {
    "bind_address": "address that the server listens on",
    "allowed_origins": "origins whose pages may call",
    "require_origin_header": "whether what comes without Origin is refused",
    "reject_on_missing_origin": "the same",
    "require_tls": "whether plain HTTP is refused",
}
"""Every field of the section and what it is; the documentation is checked against it."""

_REQUIRED: Final = ("require_origin_header", "reject_on_missing_origin")
_WITH_PORT = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[0-9.]+|localhost):([1-9][0-9]{0,4})")


@dataclass(frozen=True, slots=True)
class WebSocket:
    """What the section says; None and empty are what it does not say.

    ``is_local`` says whether the server listens on loopback alone. ``origins`` are canonical, each with its
    path. ``requires_origin_at`` are the paths of the fields that say it.
    """

    is_local: bool | None = None
    origins: tuple[tuple[str, str], ...] = ()
    requires_origin: bool | None = None
    requires_origin_at: tuple[str, ...] = ()
    require_tls: bool | None = None


def read(section: Section) -> WebSocket:
    """Return what the section says, its mistakes noted."""
    tls = section.flag("require_tls")
    origins = _origins(section)
    required, required_at = _required(section)
    if required and section.values.get("allowed_origins") == []:
        section.wrong("allowed_origins", "is empty while an Origin is required: nobody could be let in")
    if tls is False:
        section.becomes("require_tls", Becomes.ALWAYS, "plain HTTP is answered unless the settings refuse it")
    return WebSocket(_bind(section, tls=bool(tls)), origins, required, required_at, tls)


def _bind(section: Section, *, tls: bool) -> bool | None:
    text = section.text("bind_address")
    if text is None:
        return None
    address = _address(text)
    if address is None:
        section.wrong("bind_address", "is not an IP address or localhost, with or without a port")
        return None
    if not address.is_loopback and not tls:
        what = "every network" if address.is_unspecified else "a network"
        section.wrong("bind_address", f"listens on {what}, while require_tls is not true: tokens go in clear")
        return None
    section.becomes("bind_address", Becomes.OUTSIDE, f"start the server with it: {_options(text, address)}")
    return address.is_loopback


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    with_port = _WITH_PORT.fullmatch(text)
    if with_port and int(with_port[2]) > 65535:
        return None
    host = with_port[1].strip("[]") if with_port else text
    try:
        return ipaddress.ip_address("127.0.0.1" if host == "localhost" else host)
    except ValueError:
        return None


def _options(text: str, address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> str:
    """Return what daphne and uvicorn are told of an address."""
    port = _WITH_PORT.fullmatch(text)
    return f"daphne -b {address}" + (f" -p {port[2]}" if port else "")


def _required(section: Section) -> tuple[bool | None, tuple[str, ...]]:
    """Return whether an Origin is required, and what says so: both fields say it, so they have to agree."""
    said = {name: flag for name in _REQUIRED if (flag := section.flag(name)) is not None}
    if len(set(said.values())) > 1:
        section.wrong(_REQUIRED[1], f"is not what {_REQUIRED[0]} is: what is required cannot be missing")
        return None, ()
    return next(iter(said.values()), None), tuple(map(section.at, said))


def _origins(section: Section) -> tuple[tuple[str, str], ...]:
    seen: dict[str, str] = {}
    for path, text in section.texts("allowed_origins") or ():
        try:
            origin = canonical(text)
        except OriginError as error:
            what = "would let every page in: " if text.strip() == "*" else ""
            section.report.wrong(path, f"{what}{error}")
            continue
        if origin in seen:
            section.report.wrong(path, f"is {origin} again, as {seen[origin]}")
        seen.setdefault(origin, path)
    return tuple((path, origin) for origin, path in seen.items())
