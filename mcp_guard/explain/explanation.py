"""What the gate says of a request that nobody sent, rule by rule.

The gate itself answers, about a head that is read like any other; nothing here decides, and nothing is
noted or counted.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from enum import Enum
from typing import NamedTuple, assert_never

from django.db import router

from mcp_guard import gate
from mcp_guard.explain.question import Door, Question
from mcp_guard.explain.reasons import RULES, Step, advice, step_of
from mcp_guard.live.load import load, read_token
from mcp_guard.models import TokenSecret
from mcp_guard.policy import reply
from mcp_guard.policy.decision import (
    Admitted,
    AwaitsMessage,
    AwaitsSession,
    AwaitsTicket,
    AwaitsToken,
    Decision,
    PreflightGranted,
    Principal,
    Reason,
    Refused,
)
from mcp_guard.policy.snapshot import Snapshot


class Result(Enum):
    """What became of the request at one step; the value is the word for it."""

    PASSED = "passed"
    REFUSED = "refused"
    NOT_REACHED = "not reached"
    REPORTED_ONLY = "reported only"
    NOT_ASKED = "not asked"
    AWAITS_MESSAGE = "awaits message"
    AWAITS_SESSION = "awaits session"
    AWAITS_TOKEN = "awaits token"  # noqa: S105 (a word, not a secret)
    AWAITS_TICKET = "awaits ticket"


class Judged(NamedTuple):
    """One step: what it asks for, what became of the request there, what the policy knows about it.

    ``advice`` says what is wrong and what to do about it; empty where nothing is.
    """

    step: Step
    result: Result
    detail: str
    rule: str
    advice: str


class Verdict(NamedTuple):
    """What the gate said: in a word, where it ended (None when every step was passed), and why."""

    outcome: str
    step: Step | None
    reason: Reason | None
    decision: Decision


@dataclass(frozen=True, slots=True)
class Explanation:
    """The answer to a question, under the policy of one revision.

    ``preflight`` is what a browser would have been told before the request; None where it asks nothing.
    """

    question: Question
    snapshot: Snapshot
    verdict: Verdict
    preflight: Verdict | None

    @property
    def is_refused(self) -> bool:
        """Whether the request would be refused."""
        return self.verdict.outcome == "refused"

    @property
    def status(self) -> int | None:
        """The HTTP status of the refusal; None when there is none."""
        reason = self.verdict.reason
        return reply.status(reason) if reason is not None and self.is_refused else None

    @property
    def advice(self) -> str:
        """What the reason means and what to do about it; empty without one."""
        return "" if self.verdict.reason is None else advice(self.verdict.reason)

    @property
    def principal(self) -> Principal | None:
        """Who the request would act for; None when it would not be let in."""
        decision = self.verdict.decision
        return decision.principal if isinstance(decision, Admitted) else None

    @property
    def grants(self) -> list[str]:
        """What the request could make use of, as an operator types it, sorted."""
        if self.principal is None:
            return []
        grants = self.principal.grants
        return sorted([*grants.exact, *(f"{prefix}*" for prefix in grants.prefixes)])

    @property
    def headline(self) -> str:
        """The answer in one line."""
        outcome, _, reason, _ = self.verdict
        if self.is_refused and reason is not None:
            return f"would be refused with {self.status}: {reason.value}"
        if outcome == "granted":
            return "the preflight would be granted"
        if self.principal is None:
            return "the handshake would be accepted; its first message has to carry the token"
        who = f"client {self.principal.client}" if self.principal.client else "nobody in particular"
        only = f"; without report-only it would be refused: {reason.value}" if reason else ""
        return f"would be admitted as {who}{only}"

    @property
    def steps(self) -> list[Judged]:
        """Every step in the order of judgement."""
        found, is_reached = [], True
        for step in self.question.steps():
            result = self._result(step) if is_reached else Result.NOT_REACHED
            detail = self.question.detail(step, self.snapshot)
            is_about = result in (Result.REFUSED, Result.REPORTED_ONLY)
            found.append(Judged(step, result, detail, RULES[step], self.advice if is_about else ""))
            is_reached = is_reached and step is not self.verdict.step
        return found

    def _result(self, step: Step) -> Result:
        if step is self.verdict.step:
            return Result(self.verdict.outcome)
        if step is Step.ORIGIN and self.verdict.outcome == "admitted" and self.verdict.reason:
            return Result.REPORTED_ONLY
        return Result.NOT_ASKED if step is Step.GRANT and self.question.operation is None else Result.PASSED


def explain(question: Question, now: datetime) -> Explanation:
    """Return what the gate says to a question under the policy that the database has now.

    Raises:
        django.db.Error: when the database cannot be read.
    """
    snapshot, moment = _snapshot(question), now.timestamp()
    verdict = _verdict(_decide(question, snapshot, moment))
    preflight = None
    if question.door is Door.REQUEST and question.origin is not None:
        preflight = _verdict(gate.explain(question.endpoint, question.preflight(), snapshot, moment))
    return Explanation(question, snapshot, verdict, preflight)


def _decide(question: Question, snapshot: Snapshot, now: float) -> Decision:
    endpoint, operation = question.endpoint, question.operation
    head, presented = question.head(), question.presented()
    if question.door is not Door.MESSAGE:
        return gate.explain_grant(gate.explain(endpoint, head, snapshot, now, presented), operation)
    opened = gate.explain(endpoint, head, snapshot, now, presented)
    if isinstance(opened, Refused):
        return opened
    in_message = question.presented_in_message()
    if isinstance(in_message, Reason):
        return Refused(in_message)
    decision = gate.explain(endpoint, question.message(), snapshot, now, in_message)
    return gate.explain_grant(decision, operation)


def _snapshot(question: Question) -> Snapshot:
    """Return the policy of now; it knows the token of the question, however many others there are."""
    snapshot = load()
    if question.token is None or not snapshot.is_partial:
        return snapshot
    key = question.token.digest
    record = snapshot.tokens.get(key) or read_token(router.db_for_write(TokenSecret), key)
    return replace(snapshot, tokens={} if record is None else {key: record}, is_partial=False)


def _verdict(decision: Decision) -> Verdict:
    match decision:
        case Admitted():
            return Verdict("admitted", None, decision.would_refuse, decision)
        case PreflightGranted():
            return Verdict("granted", None, None, decision)
        case Refused():
            return Verdict("refused", step_of(decision.reason), decision.reason, decision)
        case AwaitsMessage():
            return Verdict(Result.AWAITS_MESSAGE.value, Step.CREDENTIAL, None, decision)
        case AwaitsSession():
            return Verdict(Result.AWAITS_SESSION.value, Step.CREDENTIAL, None, decision)
        case AwaitsTicket():
            return Verdict(Result.AWAITS_TICKET.value, Step.CREDENTIAL, None, decision)
        case AwaitsToken():
            return Verdict(Result.AWAITS_TOKEN.value, Step.CREDENTIAL, None, decision)
        case _:
            assert_never(decision)
