"""Tools and a prompt that need several rounds: since 2026-07-28 a result may ask for input instead."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from mcp.server.mcpserver import Context
from mcp.server.mcpserver.prompts.base import UserMessage
from mcp.types import (
    CreateMessageRequest,
    CreateMessageRequestParams,
    ElicitRequest,
    ElicitRequestFormParams,
    InputRequest,
    InputRequiredResult,
    ListRootsRequest,
    SamplingMessage,
)

from tests.conformance.server.contents import text

Outcome = str | InputRequiredResult


def elicit(message: str, field: str = "name", kind: str = "string") -> ElicitRequest:
    schema = {"type": "object", "properties": {field: {"type": kind}}, "required": [field]}
    return ElicitRequest(params=ElicitRequestFormParams(message=message, requested_schema=schema))


def sample(prompt: str, max_tokens: int = 100) -> CreateMessageRequest:
    messages = [SamplingMessage(role="user", content=text(prompt))]
    return CreateMessageRequest(params=CreateMessageRequestParams(messages=messages, max_tokens=max_tokens))


def ask(state: str | None = None, **requests: InputRequest) -> InputRequiredResult:
    return InputRequiredResult(input_requests=requests, request_state=state)


def answers(ctx: Context) -> Mapping[str, Any]:
    return ctx.input_responses or {}


def field(answer: Any, name: str) -> str:
    """Return a field of what a person answered; empty when there is none."""
    return str((getattr(answer, "content", None) or {}).get(name, ""))


async def input_required_result_elicitation(ctx: Context) -> Outcome:
    """Greet the person."""
    if "user_name" not in answers(ctx):
        return ask(user_name=elicit("What is your name?"))
    return f"Hello, {field(answers(ctx)['user_name'], 'name')}!"


async def input_required_result_sampling(ctx: Context) -> Outcome:
    """Have the client's model name a capital."""
    if "capital_question" not in answers(ctx):
        return ask(capital_question=sample("What is the capital of France?"))
    return f"The model said: {getattr(answers(ctx)['capital_question'].content, 'text', '')}"


async def input_required_result_list_roots(ctx: Context) -> Outcome:
    """Count the client's roots."""
    if "client_roots" not in answers(ctx):
        return ask(client_roots=ListRootsRequest())
    return f"{len(answers(ctx)['client_roots'].roots)} roots"


async def input_required_result_request_state(ctx: Context) -> Outcome:
    """Confirm, with a state that comes back."""
    if "confirm" in answers(ctx) and ctx.request_state == "asked":
        return "state-ok"
    return ask("asked", confirm=elicit("Please confirm", "ok", "boolean"))


async def input_required_result_tampered_state(ctx: Context) -> Outcome:
    """Accept a state that came back whole; the SDK refuses others before this runs."""
    if ctx.request_state is None:
        return ask("asked", confirm=elicit("Please confirm", "ok", "boolean"))
    return "state-ok"


async def input_required_result_multiple_inputs(ctx: Context) -> Outcome:
    """Ask for three things at once."""
    requests = {
        "user_name": elicit("What is your name?"),
        "greeting": sample("Generate a greeting", 50),
        "client_roots": ListRootsRequest(),
    }
    return "All answered." if requests.keys() <= answers(ctx).keys() else ask("three", **requests)


async def input_required_result_multi_round(ctx: Context) -> Outcome:
    """Ask for a name, then for a colour; the state holds what was answered so far."""
    state, given = ctx.request_state or "", answers(ctx)
    if state.startswith("named ") and "step2" in given:
        return f"{state.removeprefix('named ')} likes {field(given['step2'], 'color')}."
    if state == "started" and "step1" in given:
        second = elicit("Step 2: What is your favorite color?", "color")
        return ask(f"named {field(given['step1'], 'name')}", step2=second)
    return ask("started", step1=elicit("Step 1: What is your name?"))


async def input_required_result_capabilities(ctx: Context) -> InputRequiredResult:
    """Ask for whatever the client says it can do."""
    offered = ctx.client_capabilities
    requests: dict[str, InputRequest] = {}
    if offered is not None and offered.sampling is not None:
        requests["sample"] = sample("Say hello", 50)
    if offered is not None and offered.elicitation is not None:
        requests["ask"] = elicit("What is your name?")
    return ask("capabilities", **requests)


async def streaming_elicitation(ctx: Context) -> Outcome:
    """Report progress, then ask: the question is a result, never a request of its own on the stream."""
    if "user_name" in answers(ctx):
        return "Answered."
    await ctx.report_progress(1, 2, "about to ask")
    return ask(user_name=elicit("What is your name?"))


async def input_required_result_prompt(ctx: Context) -> list[UserMessage] | InputRequiredResult:
    """Ask what the prompt is to be about."""
    if "user_context" not in answers(ctx):
        return ask(user_context=elicit("What context should the prompt use?", "context"))
    return [UserMessage(f"Use this context: {field(answers(ctx)['user_context'], 'context')}")]


TOOLS: Final = (
    input_required_result_elicitation,
    input_required_result_sampling,
    input_required_result_list_roots,
    input_required_result_request_state,
    input_required_result_tampered_state,
    input_required_result_multiple_inputs,
    input_required_result_multi_round,
    input_required_result_capabilities,
    streaming_elicitation,
)
