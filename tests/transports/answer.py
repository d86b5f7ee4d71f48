"""What came out of a door, and whether it is what a row says: the answer, the note, the run."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

from tests.rows import world
from tests.rows.configurations import ENDPOINTS
from tests.rows.outcomes import (
    ACCESS_CONTROL,
    MESSAGES,
    RELEVANT,
    Admits,
    Answer,
    Grants,
    Refuses,
)
from tests.rows.row import Row
from tests.transports.site import probe

_SECRETS = (
    *(token.text for token in world.TOKENS),
    *(session.key for session in world.SESSIONS),
    world.UNKNOWN_TEXT,
    world.MISTYPED_TEXT,
)
_CORRELATION_ID = re.compile(r"[0-9a-f]{16}")


@dataclass(frozen=True)
class Answered:
    """One HTTP answer as it left the door."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes

    @property
    def relevant(self) -> Answer:
        """The headers that matter; one that stands there twice shows as two values."""
        found: Answer = {}
        for name, value in self.headers:
            if name in RELEVANT or name.startswith(ACCESS_CONTROL):
                found[name] = f"{found[name]} AND {value}" if name in found else value
        return found

    @property
    def without_correlation_id(self) -> tuple[int, tuple[tuple[str, str], ...], bytes]:
        """All that an outsider sees, but for the one thing that differs each time."""
        return (
            self.status,
            tuple(sorted(self.headers)),
            _CORRELATION_ID.sub("0" * 16, self.body.decode()).encode(),
        )


def check(row: Row, answered: Answered, noted: list[str]) -> None:
    """Assert that a request came out as its row says, and that the protected code ran or did not."""
    match row.outcome:
        case Admits(_, answer, would_refuse):
            assert (answered.status, answered.relevant) == (200, answer)
            assert noted == ([] if would_refuse is None else [f"would_refuse:{would_refuse}"])
            _check_run(row)
        case Grants(answer):
            assert (answered.status, answered.relevant, answered.body) == (204, answer, b"")
            assert (noted, probe.RUNS) == ([], [])
        case Refuses(status, reason, answer):
            refusals = [outcome for outcome in noted if not outcome.startswith("would_refuse:")]
            assert (answered.status, answered.relevant, refusals) == (status, answer, [reason])
            assert probe.RUNS == []
            if getattr(row.exchange, "method", "") != "HEAD":
                check_refusal_body(answered.body, reason)


def check_refusal_body(body: bytes, reason: str) -> None:
    """Assert that a refusal says what it may and no more."""
    error = json.loads(body)
    correlation_id = error["error"]["data"].pop("correlation_id")
    assert _CORRELATION_ID.fullmatch(correlation_id)
    assert error == {
        "jsonrpc": "2.0",
        "id": None,
        "error": {"code": -32600, "message": MESSAGES[reason], "data": {}},
    }


def _check_run(row: Row) -> None:
    """Assert that the protected code ran once, for whom the row says, and saw no credential."""
    assert isinstance(row.outcome, Admits)
    (run,) = probe.RUNS
    who = row.outcome.who
    assert (run.endpoint, run.client, run.user) == (row.endpoint, who.client, who.user or "")
    assert run.body == getattr(row.exchange, "body", b"")
    check_without_credentials(run)
    assert (run.token_id is None) is (who.token is None)


def check_without_credentials(run: probe.Seen) -> None:
    """Assert that the protected code saw neither tokens nor login cookies, wherever they may hide.

    Where the application behind the gate does its own OAuth, Authorization is forwarded on purpose.
    """
    everything = run.everything
    if not ENDPOINTS[run.endpoint].get("forward_authorization"):
        assert "authorization" not in run.headers
        for secret in _SECRETS:
            assert secret not in everything
    assert "x-mcp-auth-token" not in run.headers or run.endpoint != "partner-second"
    assert not {"sessionid", "csrftoken"} & {name.strip('\xa0" ') for name in run.cookies}
    assert "sessionid=" not in everything
