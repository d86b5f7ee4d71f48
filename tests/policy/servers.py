"""What the rules say of registered servers, which no row of the table has."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

from mcp_guard.policy import reply
from mcp_guard.policy.credential import UNKNOWN_TOKEN
from mcp_guard.policy.decide import decide
from mcp_guard.policy.decision import Admitted, Decision, PreflightGranted, Reason, Refused
from mcp_guard.policy.facts import RequestFacts
from mcp_guard.policy.registration import Level, Registration, beyond
from tests.policy import core
from tests.policy.snapshot_of_world import NOW
from tests.rows.exchanges import Head, bearer, handshake, origin, post, preflight
from tests.rows.outcomes import MESSAGES
from tests.rows.world import ANY, APP

REASONS: Final = (
    Reason.SERVER_UNKNOWN,
    Reason.SERVER_DISABLED,
    Reason.SERVER_NOT_APPROVED,
    Reason.SERVER_UNUSABLE,
)

GRANTED: Final = Registration(
    "files",
    "/opt/server",
    level=Level.LANDLOCK,
    writable=("/srv/files",),
    readable=("/opt/venv", "/"),
    hosts=("api.example.com:443", "b.example.com:443"),
    kill=False,
    shared=True,
)

COVERED: Final[list[dict[str, Any]]] = [
    {},
    {"level": Level.REQUIRED},
    {"memory_mb": 255},
    {"cpu_percent": 1, "cpu_seconds": 1, "processes": 1, "open_files": 16, "file_mb": 1, "tmp_mb": 1},
    {"writable": ()},
    {"writable": ("/srv/files/one",)},
    {"readable": ("/anything",)},
    {"hosts": ("b.example.com:443",)},
    {"kill": True},
    {"shared": False},
    {"idle_seconds": 86_400},
]

BEYOND: Final[list[tuple[dict[str, Any], list[str]]]] = [
    ({"level": Level.UNCONFINED}, ["level"]),
    ({"memory_mb": 257}, ["memory_mb"]),
    ({"writable": ("/srv/files-of-others",)}, ["writable"]),
    ({"writable": ("/srv/files", "/srv")}, ["writable"]),
    ({"hosts": ("c.example.com:443",)}, ["hosts"]),
    ({"executable": "/opt/another", "arguments": ("-v",)}, ["executable", "arguments"]),
    ({"environment": ("A=env:B",), "folder": "/tmp", "run_as": "root"}, ["folder", "environment", "run_as"]),
]


def asked_of(unserved: Reason | None, head: Head, *, known: bool = True) -> Decision:
    """Return what becomes of an exchange on an endpoint of the table behind which nothing is served."""
    endpoint = core.SNAPSHOT.endpoints["partner"]
    snapshot = replace(core.SNAPSHOT, endpoints={"partner": replace(endpoint, unserved=unserved)})
    credential = core.TOKEN_FOR_EVERYWHERE if known else UNKNOWN_TOKEN
    return decide(RequestFacts("partner", core.read(head, endpoint.endpoint), credential, NOW, 0.0), snapshot)


def _only_who_is_let_in_learns_of_it() -> bool:
    """Whether it is a refusal with its reason, and nobody else sees a difference."""
    return all(
        isinstance(refused := asked_of(reason, head), Refused)
        and refused.reason is reason
        and isinstance(served := asked_of(None, head), Admitted)
        and refused.cors == served.cors
        and asked_of(reason, head, known=False) == asked_of(None, head, known=False)
        for reason in REASONS
        for head in (post(bearer(ANY)), handshake(bearer(ANY), origin(APP)))
    )


def _a_preflight_is_the_same() -> bool:
    """Whether a page learns from it only what it learns anyway."""
    return all(isinstance(asked_of(reason, preflight(APP)), PreflightGranted) for reason in REASONS)


def _is_answered_as_unavailable() -> bool:
    return all(
        (reply.status(reason), reply.close_code(reason), reply.message(reason))
        == (503, 4503, MESSAGES[reason.value])
        for reason in REASONS
    )


def _an_approval_covers_what_is_no_more() -> bool:
    """Whether less than was granted is covered, and whatever is more is named."""
    granted = GRANTED.asked()
    less = [beyond(replace(GRANTED, **change).asked(), granted) for change in COVERED]
    more = [beyond(replace(GRANTED, **change).asked(), granted) for change, _ in BEYOND]
    left_kill = beyond(GRANTED.asked(), granted | {"kill": True})
    shares = beyond(GRANTED.asked(), granted | {"shared": False})
    strict = replace(GRANTED, kill=True, shared=False).asked()
    alike = beyond(strict, strict)
    nothing = beyond(GRANTED.asked(), {})
    return (
        json.loads(json.dumps(granted)) == granted
        and less == [[]] * len(COVERED)
        and more == [fields for _, fields in BEYOND]
        and (left_kill, shares, alike) == (["kill"], ["shared"], [])
        and nothing == [*granted]
    )


CHECKS: Final[dict[str, Callable[[], bool]]] = {
    "only who would be let in learns that nothing is served": _only_who_is_let_in_learns_of_it,
    "a preflight says nothing of what is served": _a_preflight_is_the_same,
    "what is not served is not available": _is_answered_as_unavailable,
    "an approval covers what is no more than was granted": _an_approval_covers_what_is_no_more,
}
