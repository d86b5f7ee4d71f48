"""One case of a peer's tests: what it asks, what that test wants, and our row about the same exchange."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Final, NamedTuple

from tests.rows.exchanges import Request, Socket
from tests.rows.outcomes import Admits, Answer, Grants, Opens, Refuses, RefusesHandshake
from tests.rows.row import Outcome, Row

SAFELISTED_METHODS: Final = ("GET", "HEAD", "POST")
SAFELISTED_HEADERS: Final = ("accept", "accept-language", "content-language")
"""https://fetch.spec.whatwg.org/#cors-safelisted-method and #cors-safelisted-request-header"""


class Effect(NamedTuple):
    """What an exchange brings about.

    ``runs``: the protected code runs, or the socket opens. ``page``: the page may read the answer or, after
    a preflight, go on. ``credentials``: with cookies, too. ``varies``: caches are told of Origin.
    ``private_network``: the abandoned header of that name is sent.
    """

    runs: bool = False
    page: bool = False
    credentials: bool = False
    varies: bool = True
    private_network: bool = False


class Mark(Enum):
    """How our outcome stands to the peer's."""

    SAME = "same"
    STRICTER = "stricter"
    DIFFERENT = "different"


@dataclass(frozen=True)
class Peer:
    """Somebody else's package. ``path`` at ``commit`` of ``repository`` is the file, with so many tests."""

    name: str
    repository: str
    commit: str
    path: str
    tests: int

    @property
    def url(self) -> str:
        return f"https://github.com/{self.repository}/blob/{self.commit}/{self.path}"


@dataclass(frozen=True, kw_only=True)
class Case:
    """``configured`` sets the peer up, ``theirs`` is what its test wants.

    ``reason`` says why we differ; ``detail`` that the difference is in something that no effect shows.
    """

    test: str
    rule: str
    exchange: Request | Socket
    theirs: Effect
    outcome: Outcome
    endpoint: str = "partner"
    configured: dict[str, Any] = field(default_factory=dict)
    reason: str = ""
    detail: bool = False

    @property
    def ours(self) -> Effect:
        return effect_of(self.outcome, self.exchange)

    @property
    def mark(self) -> Mark:
        if self.detail:
            return Mark.DIFFERENT
        if self.ours == self.theirs:
            return Mark.SAME
        lets_in_no_more = all(
            mine <= other
            for mine, other in (
                (self.ours.runs, self.theirs.runs),
                (self.ours.page, self.theirs.page),
                (self.ours.credentials, self.theirs.credentials),
                (self.theirs.varies, self.ours.varies),
                (self.ours.private_network, self.theirs.private_network),
            )
        )
        return Mark.STRICTER if lets_in_no_more else Mark.DIFFERENT

    def row(self, peer: Peer) -> Row:
        """Return it as a row of the table."""
        return Row(self.endpoint, f"{peer.name}: {self.rule}", self.exchange, self.outcome)


def effect_of(outcome: Outcome, exchange: Request | Socket) -> Effect:
    """Return what an outcome of the table brings about."""
    match outcome:
        case Opens():
            return Effect(runs=True, page=True)
        case RefusesHandshake():
            return Effect()
        case Admits():
            return effect(outcome.answer, exchange, runs=True)
        case Grants():
            return effect(outcome.answer, exchange, runs=False)
        case Refuses():
            return effect(outcome.answer, exchange, runs=False, may_go_on=False)


def effect(answer: Answer, exchange: Request | Socket, *, runs: bool, may_go_on: bool = True) -> Effect:
    """Return what the headers of an HTTP answer bring about, names in lower case.

    ``may_go_on`` tells whether the status of a preflight's answer lets the page go on (200 to 299).
    """
    asked = {name.lower(): value for name, value in exchange.headers}
    allowed = answer.get("access-control-allow-origin")
    page = allowed is not None and allowed in ("*", asked.get("origin"))
    if getattr(exchange, "method", "") == "OPTIONS" and "access-control-request-method" in asked:
        page = page and may_go_on and _covers(answer, asked)
    vary = [name.strip().lower() for name in answer.get("vary", "").split(",")]
    return Effect(
        runs,
        page,
        page and allowed != "*" and answer.get("access-control-allow-credentials") == "true",
        "origin" in vary,
        _sends_private_network(answer),
    )


def _covers(answer: Answer, asked: Answer) -> bool:
    """https://fetch.spec.whatwg.org/#cors-preflight-fetch: the method and every header have to be allowed."""
    method = asked["access-control-request-method"]
    headers = set(_names(asked.get("access-control-request-headers", ""))) - set(SAFELISTED_HEADERS)
    methods = [name.strip() for name in answer.get("access-control-allow-methods", "").split(",")]
    allowed = set(_names(answer.get("access-control-allow-headers", "")))
    private = "access-control-request-private-network" not in asked or _sends_private_network(answer)
    return (method in SAFELISTED_METHODS or method in methods) and headers <= allowed and private


def _sends_private_network(answer: Answer) -> bool:
    return "access-control-allow-private-network" in answer


def _names(value: str) -> list[str]:
    return [name for item in value.split(",") if (name := item.strip().lower())]
