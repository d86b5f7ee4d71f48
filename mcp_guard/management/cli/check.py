"""``check``: why an origin, a token and a tool are let in or refused, step by step."""

from __future__ import annotations

import getpass
import sys
from pathlib import Path
from typing import Any, Final

from mcp_guard.changes.origins import endpoint_errors
from mcp_guard.conf import config
from mcp_guard.endpoints import endpoints_of
from mcp_guard.explain.explanation import Explanation, Verdict, explain
from mcp_guard.explain.question import Door, Question, ShownToken
from mcp_guard.management.cli.arguments import SubParsers, declare_verb
from mcp_guard.management.cli.call import Answer, BadInput, Call
from mcp_guard.management.cli.text import GAP, table
from mcp_guard.policy.decision import Admitted, PreflightGranted
from mcp_guard.policy.endpoint import Endpoint, Messages, Profile
from mcp_guard.policy.scopes import NAMED_BY, Operation, over_http

MAX_TOKEN: Final = 8192
"""How much of a line is read as a token, in characters."""


def declare(nouns: SubParsers) -> None:
    """Add the command; it has no verbs."""
    about = "say why an origin, a token and a tool would be let in or refused"
    check = declare_verb(nouns, "check", _check, about)
    check.add_argument("--endpoint", required=True, metavar="ENDPOINT", help="where it would be sent")
    check.add_argument("--origin", help="the value of Origin, as a browser sends it; absent: none is sent")
    token = check.add_mutually_exclusive_group()
    token.add_argument("--token", action="store_true", help="read a token from standard input")
    token.add_argument("--token-file", metavar="FILE", help="read a token from the first line of a file")
    check.add_argument("--nonce", action="store_true", help="with the nonce of a local server that runs")
    check.add_argument("--host", help="the value of Host; default: the first host of the endpoint")
    check.add_argument("--method", help="the HTTP method; default POST")
    door = check.add_mutually_exclusive_group()
    door.add_argument("--preflight", action="store_true", help="ask about the preflight of a request")
    door.add_argument("--websocket", action="store_true", help="ask about a WebSocket handshake")
    door.add_argument(
        "--message",
        action="store_true",
        help="ask about the first message of a WebSocket, with the token in it",
    )
    operation = check.add_mutually_exclusive_group()
    operation.add_argument("--tool", metavar="NAME", help="the tool that would be called")
    operation.add_argument("--rpc-method", metavar="METHOD", help="the MCP method, such as resources/read")
    check.add_argument("--name", help="what the MCP method names: a tool, a prompt or a URI")


def _check(call: Call) -> Answer:
    options = call.options
    errors = endpoint_errors([options.endpoint])
    if errors:
        raise BadInput("", {"endpoint": errors})
    endpoint = endpoints_of(config())[options.endpoint]
    operation = _operation(call, endpoint)
    door = _door(call)
    text = _token(call)
    token = None if text is None else ShownToken.of_text(text)
    if options.nonce and endpoint.profile is not Profile.LOCAL:
        raise BadInput.in_field("nonce", f"{endpoint.name} has not the profile 'local'")
    said = (options.origin, token, options.host, options.method, door, operation, options.nonce)
    question = Question(endpoint, *said)
    return _answer(explain(question, call.now))


def _door(call: Call) -> Door:
    options = call.options
    if (options.websocket or options.message) and options.method not in (None, "GET"):
        raise BadInput.in_field("method", "a WebSocket handshake is a GET")
    if options.preflight and options.origin is None:
        raise BadInput.in_field("origin", "a preflight has an Origin")
    if options.preflight:
        return Door.PREFLIGHT
    if options.message:
        return Door.MESSAGE
    return Door.HANDSHAKE if options.websocket else Door.REQUEST


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


def _token(call: Call) -> str | None:
    """Return the token text to ask about, None without one. It never comes from the arguments.

    Raises:
        BadInput: when there is nothing to be read.
    """
    options = call.options
    if options.token:
        field, text = "token", _from_stdin()
    elif options.token_file is not None:
        field, text = "token_file", _from_file(options.token_file)
    else:
        return None
    if not text.strip():
        raise BadInput.in_field(field, "there is no token in it")
    return text.strip()


def _from_stdin() -> str:
    if sys.stdin.isatty():
        return getpass.getpass("Token: ")
    return sys.stdin.readline(MAX_TOKEN)


def _from_file(name: str) -> str:
    try:
        with Path(name).open(encoding="utf-8") as lines:
            return lines.readline(MAX_TOKEN)
    except OSError as error:
        raise BadInput.in_field("token_file", error.strerror or "it cannot be read") from None
    except UnicodeDecodeError:
        raise BadInput.in_field("token_file", "it is not text in UTF-8") from None


def _answer(found: Explanation) -> Answer:
    reason = found.verdict.reason
    steps = [
        {"step": each.step.value, "result": each.result.value, "detail": each.detail} for each in found.steps
    ]
    data = {
        "endpoint": found.question.endpoint.name,
        "revision": found.snapshot.revision,
        "outcome": found.verdict.outcome,
        "reason": reason.value if reason else None,
        "status": found.status,
        "advice": found.advice or None,
        "principal": _principal_object(found),
        "steps": steps,
        "preflight": _preflight_object(found.preflight),
    }
    lines = [found.headline, *([GAP + found.advice] if reason else [])]
    lines += table(steps, ("step", "result", "detail"), empty="")
    if found.preflight:
        why = f": {found.preflight.reason.value}" if found.preflight.reason else ""
        lines.append(f"its preflight would be {found.preflight.outcome}{why}")
    return Answer(data, lines)


def _principal_object(found: Explanation) -> dict[str, Any] | None:
    decision = found.verdict.decision
    if not isinstance(decision, Admitted):
        return None
    principal = decision.principal
    return {
        "client": principal.client or None,
        "user_id": principal.user_id,
        "token_id": principal.token_id,
        "grants": found.grants,
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
