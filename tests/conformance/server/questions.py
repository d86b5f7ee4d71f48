"""Tools that ask the client something while they run, as servers did before 2026-07-28."""

from __future__ import annotations

from typing import Any, Final

from mcp.server.mcpserver import Context
from mcp.types import SamplingMessage
from pydantic import BaseModel, Field

from tests.conformance.server.contents import text


class Answer(BaseModel):
    """What a person is asked for."""

    username: str = Field(description="how to call you")
    email: str = Field(description="where to write to")


class Defaults(BaseModel):
    """One field with a default for each primitive type."""

    name: str = "John Doe"
    age: int = 30
    score: float = 95.5
    status: str = Field(default="active", json_schema_extra={"enum": ["active", "inactive", "pending"]})
    verified: bool = True


_OPTIONS: Final = ["option1", "option2", "option3"]
_TITLED: Final = [{"const": f"value{n}", "title": f"Choice {n}"} for n in (1, 2, 3)]


class Choices(BaseModel):
    """The five ways of writing a choice."""

    untitledSingle: str = Field(json_schema_extra={"enum": [*_OPTIONS]})  # noqa: N815 (the suite's names)
    titledSingle: str = Field(json_schema_extra={"oneOf": [*_TITLED]})  # noqa: N815
    untitledMulti: list[str] = Field(  # noqa: N815
        json_schema_extra={"items": {"type": "string", "enum": [*_OPTIONS]}}
    )
    titledMulti: list[str] = Field(json_schema_extra={"items": {"anyOf": [*_TITLED]}})  # noqa: N815
    legacyEnum: str = Field(  # noqa: N815
        json_schema_extra={"enum": ["opt1", "opt2", "opt3"], "enumNames": ["One", "Two", "Three"]}
    )


async def sampling(prompt: str, ctx: Context) -> str:
    """Have the client's model answer a prompt."""
    question = SamplingMessage(role="user", content=text(prompt))
    answer = await ctx.session.create_message(
        messages=[question], max_tokens=100, related_request_id=ctx.request_id
    )
    return f"LLM response: {getattr(answer.content, 'text', '')}"


async def elicitation(message: str, ctx: Context) -> str:
    """Ask the person behind the client."""
    return await _ask(ctx, message, Answer)


async def elicitation_sep1034_defaults(ctx: Context) -> str:
    """Ask with defaults."""
    return await _ask(ctx, "Correct what differs.", Defaults)


async def elicitation_sep1330_enums(ctx: Context) -> str:
    """Ask for choices."""
    return await _ask(ctx, "Choose.", Choices)


async def _ask(ctx: Context, message: str, schema: type[Any]) -> str:
    answer = await ctx.elicit(message=message, schema=schema)
    content = answer.data.model_dump_json() if answer.action == "accept" else "{}"
    return f"Elicitation completed: action={answer.action}, content={content}"


TOOLS: Final = (sampling, elicitation, elicitation_sep1034_defaults, elicitation_sep1330_enums)
