"""The attacks: what a page tries, from where, what the control loses by it, and why the gate refuses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

FOREIGN: Final = "http://evil.localhost:{pages}/"
SIBLING: Final = "http://portal.localhost:{pages}/"
APP: Final = "http://app.localhost:{pages}/"
REBOUND: Final = "http://rebound.example:{site}/"
FILE: Final = "{file}"
EXTENSION: Final = "{extension}"


@dataclass(frozen=True, kw_only=True)
class Attack:
    """``how`` is a function of attack.js, ``page`` where it runs, ``frame`` the kind of frame it runs in.

    ``through`` are the names that redirect it on. At the control the tool runs for ``user``, and the page
    ``reads`` the answer; at the mount ``guard`` nothing runs, for the private ``reason``.
    """

    name: str
    how: str
    reason: str
    page: str = FOREIGN
    frame: str = ""
    through: tuple[str, ...] = ()
    reads: bool = True
    user: str = "victim"
    guard: str = "partner"


_UNLISTED: Final = "origin_not_listed"
_NULL: Final = "origin_null"
_SITE: Final = "fetch_site_foreign"
_HOST: Final = "host_not_allowed"

FROM_A_FOREIGN_PAGE: Final = [
    Attack(name="fetch with credentials", how="json", reason=_UNLISTED),
    Attack(name="no-cors POST as text/plain", how="blind", reads=False, reason=_UNLISTED),
    Attack(name="form POST as text/plain", how="form", reads=False, reason=_UNLISTED),
    Attack(name="WebSocket", how="socket", reason=_UNLISTED),
    Attack(name="EventSource with credentials", how="events", reason=_UNLISTED),
    Attack(name="no-cors GET, which has no Origin", how="blindGet", reads=False, reason=_SITE),
    Attack(name="image, which has no Origin", how="image", reads=False, reason=_SITE),
]

FROM_THE_SAME_SITE: Final = [
    Attack(name="fetch from another port of the host", page=SIBLING, how="json", reason=_UNLISTED),
    Attack(name="WebSocket from another port of the host", page=SIBLING, how="socket", reason=_UNLISTED),
    Attack(name="image from another port of the host", page=SIBLING, how="image", reads=False, reason=_SITE),
]

FROM_OPAQUE_ORIGINS: Final = [
    Attack(name="fetch from a sandboxed frame", frame="sandbox", how="json", reason=_NULL),
    Attack(name="form POST from a sandboxed frame", frame="sandbox", how="form", reads=False, reason=_NULL),
    Attack(name="WebSocket from a sandboxed frame", frame="sandbox", how="socket", reason=_NULL),
    Attack(
        name="fetch from a sandboxed frame of a listed page",
        page=APP,
        frame="sandbox",
        how="json",
        reason=_NULL,
    ),
    Attack(name="fetch from a data: frame", frame="data", how="json", reason=_NULL),
    Attack(name="WebSocket from a data: frame", frame="data", how="socket", reason=_NULL),
    Attack(name="fetch from a blob: frame, which inherits", frame="blob", how="json", reason=_UNLISTED),
    Attack(name="fetch from a srcdoc frame, which inherits", frame="srcdoc", how="json", reason=_UNLISTED),
    Attack(name="fetch from a file: page", page=FILE, how="json", reason=_NULL),
    Attack(name="no-cors POST from a file: page", page=FILE, how="blind", reads=False, reason=_NULL),
    Attack(name="WebSocket from a file: page", page=FILE, how="socket", reason=_NULL),
    Attack(name="fetch from an extension", page=EXTENSION, how="json", reason=_UNLISTED),
    Attack(name="WebSocket from an extension", page=EXTENSION, how="socket", reason=_UNLISTED),
]

THROUGH_REDIRECTS: Final = [
    Attack(name="fetch, redirected by the own origin", through=("evil",), how="json", reason=_UNLISTED),
    Attack(name="fetch, redirected by a listed origin", through=("app",), how="json", reason=_NULL),
    Attack(name="fetch, redirected twice", through=("other", "app"), how="json", reason=_NULL),
    Attack(name="no-cors POST, redirected", through=("app",), how="blind", reads=False, reason=_NULL),
    Attack(name="form POST, redirected", through=("app",), how="form", reads=False, reason=_NULL),
    Attack(
        name="fetch from a listed page, redirected by a foreign one",
        page=APP,
        through=("evil",),
        how="json",
        reason=_NULL,
    ),
]

BY_REBINDING: Final = [
    Attack(name="fetch from a rebound name", page=REBOUND, how="json", user="", guard="public", reason=_HOST),
    Attack(name="GET from a rebound name", page=REBOUND, how="get", user="", guard="public", reason=_HOST),
    Attack(
        name="WebSocket from a rebound name",
        page=REBOUND,
        how="socket",
        user="",
        guard="public",
        reason=_HOST,
    ),
    Attack(name="fetch from a rebound name with a login", page=REBOUND, how="json", user="", reason=_HOST),
]

ATTACKS: Final = [
    *FROM_A_FOREIGN_PAGE,
    *FROM_THE_SAME_SITE,
    *FROM_OPAQUE_ORIGINS,
    *THROUGH_REDIRECTS,
    *BY_REBINDING,
]
