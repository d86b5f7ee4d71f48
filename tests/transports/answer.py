"""What came out of a door, and whether it is what a row says: the answer, the note, the run."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

from tests.rows import world
from tests.rows.configurations import ENDPOINTS
from tests.rows.exchanges import Head
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
from tests.rows.subprotocols import offered
from tests.transports.site import probe

_SECRETS = (
    *(token.text for token in world.TOKENS),
    *(session.key for session in world.SESSIONS),
    *(offered(token) for token in world.TOKENS),
    *(ticket.text for ticket in world.TICKETS),
    world.NONCE,
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
                check_refusal_body(answered.body, reason, row)


def check_refusal_body(body: bytes, reason: str, row: Row | None = None) -> None:
    """Assert that a refusal says what it may and no more; what is wrong with a message varies."""
    error = json.loads(body)
    correlation_id = error["error"]["data"].pop("correlation_id")
    assert _CORRELATION_ID.fullmatch(correlation_id)
    identifier, code, message, data = None, -32600, MESSAGES[reason], {}
    if row is not None and reason == "scope_insufficient":
        identifier, grants = _request_id(row), _told_grants(row, error)
        verb = "is" if len(grants) == 1 else "are"
        message, data = f"{message}: {', '.join(grants)} {verb} needed", {"scope": " ".join(grants)}
    elif row is not None and reason == "headers_disagree":
        identifier, code, message = _request_id(row), -32020, error["error"]["message"]
        assert message.partition(" does not repeat ")[0].lower().startswith("mcp-")
    elif row is not None and reason == "message_malformed" and getattr(row.exchange, "method", "") == "POST":
        identifier, code, message = error["id"], error["error"]["code"], error["error"]["message"]
        assert identifier is None or identifier == _request_id(row)
        assert code in (-32700, -32600)
        assert message != MESSAGES[reason]
    elif row is not None and b'"auth"' in getattr(row.exchange, "body", b""):
        identifier = _request_id(row)
    expected = {"code": code, "message": message, "data": data}
    assert error == {"jsonrpc": "2.0", "id": identifier, "error": expected}


def _request_id(row: Row) -> object:
    """Return the id of the request in the body, None where the body is no message."""
    is_message = ENDPOINTS[row.endpoint].get("messages") != "http"
    return json.loads(getattr(row.exchange, "body", b"")).get("id") if is_message else None


def _told_grants(row: Row, error: Any) -> list[str]:
    """Return the grants that are said to be needed, which are those in the row's challenge."""
    assert isinstance(row.outcome, Refuses)
    told = str(error["error"]["data"]["scope"])
    challenge = row.outcome.answer["www-authenticate"]
    grants = told.split(" ") if " " in challenge.partition("scope=")[2] else [told]
    spelt = " ".join(
        "".join(
            chr(byte) if 0x21 <= byte <= 0x7E and byte not in b'"\\' else f"%{byte:02X}"
            for byte in grant.encode()
        )
        for grant in grants
    )
    assert f'scope="{spelt}"' in challenge
    return grants


def _check_run(row: Row) -> None:
    """Assert that the protected code ran once, for whom the row says, and saw no credential."""
    assert isinstance(row.outcome, Admits)
    (run,) = probe.RUNS
    who = row.outcome.who
    assert (run.endpoint, run.client, run.user) == (row.endpoint, who.client, who.user or "")
    assert run.body == getattr(row.exchange, "body", b"")
    check_without_credentials(run)
    check_everything_else(run, row.exchange)
    assert (run.token_id is None) is (who.token is None)


def check_everything_else(run: probe.Seen, exchange: Head) -> None:
    """Assert that the protected code saw all the rest, and Authorization where that is its own business.

    How repeated headers arrive there is its framework's affair.
    """
    if exchange.has_repeated_header:
        return
    sent = {name.lower(): value for name, value in exchange.headers}
    if offers := sent.pop("sec-websocket-protocol", None):
        kept = [name.strip(" \t") for name in offers.split(",") if "mcp.auth." not in name]
        found = run.headers.get("sec-websocket-protocol", "").split(",")
        assert [name.strip() for name in found] == kept
    second = ENDPOINTS[run.endpoint].get("token_header", "").lower()
    assert sent.pop("x-mcp-nonce", None) is None or "x-mcp-nonce" not in run.headers
    for name in sent.keys() - {"authorization", "cookie", second, "content-length", "content-type"}:
        assert run.headers[name].strip() == sent[name].strip(" \t")
    if ENDPOINTS[run.endpoint].get("forward_authorization"):
        assert run.headers.get("authorization") == sent.get("authorization")
    if "theme=dark" in sent.get("cookie", ""):
        assert run.cookies["theme"] == "dark"


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
