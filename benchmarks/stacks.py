"""What is compared. A stack is one way to serve the same request; everything else about it is the default."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from typing import Final

SIZES: Final = {"10": (10, 10), "1k": (1_000, 1_000), "origins": (100_000, 1_000), "tokens": (10, 1_000_000)}
"""Origins and tokens of each size of database."""


@dataclass(frozen=True, slots=True)
class Stack:
    """One stack.

    ``base`` is what answers: ``null``, ``django``, ``starlette`` or ``socket``; ``guard`` is who decides;
    ``auth`` who authenticates; ``cors`` who answers for django-cors-headers; ``size`` which database.
    """

    name: str
    base: str
    guard: str = ""
    auth: str = "none"
    cors: str = ""
    size: str = "1k"
    messages: str = "mcp"

    @property
    def origins(self) -> int:
        """How many origins are listed."""
        return SIZES[self.size][0]

    @property
    def tokens(self) -> int:
        """How many tokens there are."""
        return SIZES[self.size][1]


_OURS: Final = {"guard": "mcp_guard", "auth": "guard"}

STACKS: Final = {
    stack.name: stack
    for stack in (
        # no framework
        Stack("null", "null"),
        Stack("null again", "null"),
        Stack("null + bound", "null", "bound", "bound"),
        Stack("null + guard", "null", **_OURS, messages="http"),
        Stack("null + guard, bodies judged", "null", **_OURS),
        Stack("null + guard, 10 of each", "null", **_OURS, messages="http", size="10"),
        Stack("null + guard, 100k origins", "null", **_OURS, messages="http", size="origins"),
        Stack("null + guard, 1M tokens", "null", **_OURS, messages="http", size="tokens"),
        # Starlette and the MCP SDK
        Stack("starlette", "starlette"),
        Stack("starlette + cors", "starlette", "cors", size="10"),
        Stack("starlette + sdk", "starlette", "sdk", "sdk", size="10"),
        Stack("starlette + sdk, 1k", "starlette", "sdk", "sdk"),
        # Django
        Stack("django", "django"),
        Stack("django again", "django"),
        Stack("django + corsheaders", "django", cors="static", size="10"),
        Stack("django + corsheaders, 1k", "django", cors="static"),
        Stack("django + corsheaders, signal", "django", cors="signal"),
        Stack("django + corsheaders, signal + drf", "django", cors="signal", auth="drf"),
        Stack("django + corsheaders, signal + knox", "django", cors="signal", auth="knox"),
        Stack("django + corsheaders, signal + api key", "django", cors="signal", auth="api_key"),
        Stack("django + bound", "django", "bound", "bound"),
        Stack("django + guard middleware", "django", "middleware", "guard", messages="http"),
        Stack("django + guard middleware, bodies judged", "django", "middleware", "guard"),
        Stack("django + guard front door", "django", "front door", "guard"),
        Stack("django + guard front door, heads judged", "django", "front door", "guard", messages="http"),
        # WebSocket
        Stack("socket", "socket"),
        Stack("socket again", "socket"),
        Stack("socket + channels origins", "socket", "channels", size="10"),
        Stack("socket + channels origins, 1k", "socket", "channels"),
        Stack("socket + channels origins + drf", "socket", "channels", "drf", size="1k"),
        Stack("socket + bound", "socket", "bound", "bound"),
        Stack("socket + guard", "socket", **_OURS),
        Stack("socket + guard, own loop", "socket", "own loop", "guard"),
    )
}
"""All stacks by name; ``again`` is a second copy, whose ratio to the first is the noise of the run."""

VARIABLE: Final = "MCP_GUARD_BENCHMARKS_STACK"


def environment(stack: Stack) -> dict[str, str]:
    """Return the environment of a process that serves a stack."""
    return {
        **os.environ,
        VARIABLE: json.dumps(asdict(stack)),
        "DJANGO_SETTINGS_MODULE": "benchmarks.site.settings",
        "PYTHONHASHSEED": "0",
    }


def of_process() -> Stack:
    """Return the stack that this process serves."""
    return Stack(**json.loads(os.environ[VARIABLE]))
