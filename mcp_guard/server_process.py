"""What the command line of this process says about the server it runs: which it is, and where it listens."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from pathlib import PurePath
from typing import Final

from django.core.exceptions import ImproperlyConfigured

from mcp_guard import nonce
from mcp_guard.policy.local import is_loopback

SERVERS: Final = frozenset({"daphne", "uvicorn", "gunicorn", "hypercorn"})
"""Programs that serve and nothing else: whoever starts one of them wants to be reached."""

_OPTION = re.compile(r"(?:--host|--bind|-b)(?:=(.+))?|-b(.+)")
_WITH_PORT = re.compile(r"(?:(\[.+\]|[^:]*):)?\d*")


def prepare() -> None:
    """Begin to serve local endpoints, if the settings declare any; called where a server loads a site.

    Raises:
        ImproperlyConfigured: when the server listens beyond the loopback interface.
    """
    if program(sys.argv) not in SERVERS or not nonce.has_local_endpoint():
        return
    address = beyond_loopback(sys.argv)
    if address is not None:
        raise ImproperlyConfigured(
            f"MCP_GUARD declares an endpoint with the profile 'local', but the server listens on {address}. "
            "Let it listen on 127.0.0.1."
        )
    nonce.publish_if_needed()


def program(arguments: Sequence[str]) -> str:
    """Return the name of the program, also of one that was started by ``python -m``; empty for none."""
    path = PurePath(arguments[0]) if arguments else PurePath()
    return path.parent.name if path.name == "__main__.py" else path.name


def beyond_loopback(arguments: Sequence[str]) -> str | None:
    """Return the address beyond the loopback interface that a server is told to listen on, None without.

    What the command line does not say, a configuration file may: that is not looked at.
    """
    if "runserver" in arguments[1:2]:
        given = [one for one in arguments[2:] if not one.startswith("-")][:1]
    elif program(arguments) in SERVERS:
        given = list(_bound(arguments[1:]))
    else:
        given = []
    return next((one for one in given if not _is_local(one)), None)


def _bound(arguments: Sequence[str]) -> Sequence[str]:
    following = [*arguments[1:], ""]
    found = [(_OPTION.fullmatch(one), after) for one, after in zip(arguments, following, strict=True)]
    return [match[1] or match[2] or after for match, after in found if match]


def _is_local(address: str) -> bool:
    """Whether an address, with a port or without, or a port alone, is one of this machine's own.

    A colon with nothing before it stands for every address.
    """
    if address.startswith(("unix:", "fd://", "/")) or is_loopback(address):
        return True
    match = _WITH_PORT.fullmatch(address)
    host = match[1] if match else address
    return host is None or host == "localhost" or is_loopback(host.strip("[]"))
