"""``check``: why an origin, a token and a tool are let in or refused, step by step.

The gate itself answers, about a head that is read like any other; nothing here decides.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, NamedTuple, assert_never

from django.db import router

from mcp_guard import gate
from mcp_guard.changes.origins import endpoint_errors
from mcp_guard.conf import config
from mcp_guard.live.load import load, read_token
from mcp_guard.management.cli.arguments import SubParsers, declare_verb
from mcp_guard.management.cli.call import Answer, BadInput, Call
from mcp_guard.management.cli.question import Question, ask_for_token
from mcp_guard.management.cli.reasons import Step, advice, step_of
from mcp_guard.management.cli.text import GAP, table
from mcp_guard.models import TokenSecret
from mcp_guard.policy import reply
from mcp_guard.policy.decision import (
    Admitted,
    AwaitsMessage,
    AwaitsSession,
    AwaitsToken,
    Decision,
    PreflightGranted,
    Reason,
    Refused,
)
from mcp_guard.policy.endpoint import Endpoint, Messages
from mcp_guard.policy.scopes import NAMED_BY, Operation, over_http
from mcp_guard.policy.snapshot import Snapshot
from mcp_guard.tokens import digest


class Verdict(NamedTuple):
    """What the gate said, in words: the outcome, the step it fell at (None when all were passed)."""

    outcome: str
    step: Step | None
    reason: Reason | None
    decision: Decision


def declare(nouns: SubParsers) -> None:
    """Add the command; it has no verbs."""
    about = "say why an origin, a token and a tool would be let in or refused"
    check = declare_verb(nouns, "check", _check, about)
    check.add_argument("--endpoint", required=True, metavar="ENDPOINT", help="where it would be sent")
    check.add_argument("--origin", help="the value of Origin, as a browser sends it; absent: none is sent")
    token = check.add_mutually_exclusive_group()
    token.add_argument("--token", action="store_true", help="read a token from standard input")
    token.add_argument("--token-file", metavar="FILE", help="read a token from the first line of a file")
    check.add_argument("--host", help="the value of Host; default: the first host of the endpoint")
    check.add_argument("--method", help="the HTTP method; default POST")
    check.add_argument("--websocket", action="store_true", help="ask about a WebSocket handshake")
    operation = check.add_mutually_exclusive_group()
    operation.add_argument("--tool", metavar="NAME", help="the tool that would be called")
    operation.add_argument("--rpc-method", metavar="METHOD", help="the MCP method, such as resources/read")
    check.add_argument("--name", help="what the MCP method names: a tool, a prompt or a URI")


def _check(call: Call) -> Answer:
    options = call.options
    errors = endpoint_errors([options.endpoint])
    if errors:
        raise BadInput("", {"endpoint": errors})
    endpoint = config().endpoints[options.endpoint]
    operation = _operation(call, endpoint)
    if options.websocket and options.method not in (None, "GET"):
        raise BadInput.in_field("method", "a WebSocket handshake is a GET")
    question = Question(
        endpoint,
        options.origin,
        ask_for_token(call),
        options.host,
        options.method,
        options.websocket,
        operation,
    )
    snapshot = _snapshot(question.token)
    now = call.now.timestamp()
    verdict = _verdict(gate.explain(question.endpoint, question.head(), snapshot, now), operation)
    preflight = None
    if options.origin is not None and not options.websocket:
        preflight = _verdict(gate.explain(question.endpoint, question.preflight(), snapshot, now), None)
    return _answer(question, snapshot, verdict, preflight)


def _snapshot(token: str | None) -> Snapshot:
    """Return the policy of now; it knows this token, however many others there are."""
    snapshot = load()
    if token is None or not snapshot.is_partial:
        return snapshot
    key = digest(token)
    record = snapshot.tokens.get(key) or read_token(router.db_for_write(TokenSecret), key)
    return replace(snapshot, tokens={} if record is None else {key: record}, is_partial=False)


def _operation(call: Call, endpoint: Endpoint) -> Operation | None:
    """Return what would be asked for; None when nothing was said of it."""
    options = call.options
    if endpoint.messages is Messages.HTTP:
        for field in ("tool", "rpc_method", "name"):
            if getattr(options, field) is not None:
                raise BadInput.in_field(field, f"{endpoint.name} has messages 'http': say --method instead")
        return over_http(options.method or "POST")
    method = "tools/call" if options.tool is not None else options.rpc_method
    name = options.tool if options.tool is not None else options.name
    if options.name is not None and options.rpc_method is None:
        raise BadInput.in_field("name", "it goes with --rpc-method")
    if method is None:
        return None
    if method in NAMED_BY and not name:
        raise BadInput.in_field("name", f"{method} names a {NAMED_BY[method]}: give it too")
    if method not in NAMED_BY and name is not None:
        raise BadInput.in_field("name", f"{method[:80]} names nothing")
    return Operation(method, name)


def _verdict(decision: Decision, operation: Operation | None) -> Verdict:
    if isinstance(decision, Admitted) and operation is not None:
        decision = gate.permit(decision, operation)
    match decision:
        case Admitted():
            return Verdict("admitted", None, decision.would_refuse, decision)
        case PreflightGranted():
            return Verdict("granted", None, None, decision)
        case AwaitsMessage():
            return Verdict("awaits message", Step.CREDENTIAL, None, decision)
        case Refused():
            return Verdict("refused", step_of(decision.reason), decision.reason, decision)
        case AwaitsSession():
            return Verdict("awaits session", Step.CREDENTIAL, None, decision)
        case AwaitsToken():
            return Verdict("awaits token", Step.CREDENTIAL, None, decision)
        case _:
            assert_never(decision)


def _answer(question: Question, snapshot: Snapshot, verdict: Verdict, preflight: Verdict | None) -> Answer:
    steps = _steps(question, snapshot, verdict)
    reason = verdict.reason
    data = {
        "endpoint": question.endpoint.name,
        "revision": snapshot.revision,
        "outcome": verdict.outcome,
        "reason": reason.value if reason else None,
        "status": reply.status(reason) if reason and verdict.outcome == "refused" else None,
        "advice": advice(reason) if reason else None,
        "principal": _principal(verdict.decision),
        "steps": steps,
        "preflight": _preflight_object(preflight),
    }
    lines = [_headline(data), *([GAP + str(data["advice"])] if reason else [])]
    lines += table(steps, ("step", "result", "detail"), empty="")
    if preflight:
        why = f": {preflight.reason.value}" if preflight.reason else ""
        lines.append(f"its preflight would be {preflight.outcome}{why}")
    return Answer(data, lines)


def _steps(question: Question, snapshot: Snapshot, verdict: Verdict) -> list[dict[str, Any]]:
    found, result = [], "passed"
    for step in question.steps():
        said = result
        if step is verdict.step:
            said, result = verdict.outcome, "not reached"
        elif step is Step.ORIGIN and verdict.outcome == "admitted" and verdict.reason:
            said = "reported only"
        elif step is Step.GRANT and result == "passed" and question.operation is None:
            said = "not asked"
        found.append({"step": step.value, "result": said, "detail": question.detail(step, snapshot)})
    return found


def _headline(data: dict[str, Any]) -> str:
    if data["outcome"] == "refused":
        return f"would be refused with {data['status']}: {data['reason']}"
    if data["outcome"] == "awaits message":
        return "the handshake would be accepted; its first message has to carry the token"
    principal = data["principal"]
    who = f"client {principal['client']}" if principal["client"] else "nobody in particular"
    only = f"; without report-only it would be refused: {data['reason']}" if data["reason"] else ""
    return f"would be admitted as {who}{only}"


def _principal(decision: Decision) -> dict[str, Any] | None:
    if not isinstance(decision, Admitted):
        return None
    principal = decision.principal
    return {
        "client": principal.client or None,
        "user_id": principal.user_id,
        "token_id": principal.token_id,
        "grants": sorted([*principal.grants.exact, *(f"{prefix}*" for prefix in principal.grants.prefixes)]),
        "delegated": decision.delegated,
    }


def _preflight_object(preflight: Verdict | None) -> dict[str, Any] | None:
    if preflight is None:
        return None
    granted = preflight.decision if isinstance(preflight.decision, PreflightGranted) else None
    cors = granted.cors if granted else None
    return {
        "outcome": preflight.outcome,
        "reason": preflight.reason.value if preflight.reason else None,
        "allow_origin": cors.allow_origin.decode("utf-8", "replace") if cors else None,
        "credentials": cors.credentials if cors else False,
        "methods": list(granted.methods) if granted else [],
        "headers": list(granted.headers) if granted else [],
    }
