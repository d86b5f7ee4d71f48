"""The protected code: it notes what it was given, so that tests can say that it ran, or that it did not."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any, Final

from mcp_guard.passage import Passage


@dataclass(frozen=True)
class Seen:
    """What the protected code was given by one request, or by one socket and its messages.

    ``everything`` is all of it as text: where a secret would have to show. ``methods`` and ``token_ids``
    have one entry for each message of a socket.
    """

    endpoint: str
    client: str
    token_id: int | None
    user: str
    body: bytes
    headers: dict[str, str]
    cookies: dict[str, str]
    everything: str
    methods: list[str] = field(default_factory=list)
    token_ids: list[int | None] = field(default_factory=list)


RUNS: Final[list[Seen]] = []
"""Every run of the protected code since a test began."""


def note(passage: Any, user: Any, headers: dict[str, str], *, body: bytes = b"", **rest: Any) -> Seen:
    """Note one run. What stands for a passage has to be one: anything else fails here."""
    assert isinstance(passage, Passage)
    cookies = rest.pop("cookies", {})
    run = Seen(
        passage.endpoint,
        passage.principal.client,
        passage.principal.token_id,
        user.get_username(),
        body,
        headers,
        cookies,
        repr((passage, headers, cookies, body, rest)),
    )
    RUNS.append(run)
    return run


def report() -> bytes:
    """Return the runs as JSON, for tests that look from outside."""
    return json.dumps(
        [
            {
                "endpoint": run.endpoint,
                "client": run.client,
                "user": run.user,
                "everything": run.everything,
                "methods": run.methods,
            }
            for run in RUNS
        ]
    ).encode()
