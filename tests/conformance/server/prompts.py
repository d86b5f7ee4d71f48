"""Prompts: plain, with arguments, with a resource, with an image."""

from __future__ import annotations

from typing import Final

from mcp.server.mcpserver.prompts.base import UserMessage

from tests.conformance.server import rounds
from tests.conformance.server.contents import embedded, image


async def simple_prompt() -> list[UserMessage]:
    """Return one sentence."""
    return [UserMessage("This is a simple prompt for testing.")]


async def prompt_with_arguments(arg1: str, arg2: str) -> list[UserMessage]:
    """Return the arguments."""
    return [UserMessage(f"Prompt with arguments: arg1='{arg1}', arg2='{arg2}'")]


async def prompt_with_embedded_resource(resourceUri: str) -> list[UserMessage]:  # noqa: N803 (the suite's name)
    """Return a resource and what to do with it."""
    resource = embedded(resourceUri, "Embedded resource content for testing.")
    return [UserMessage(resource), UserMessage("Please process the embedded resource above.")]


async def prompt_with_image() -> list[UserMessage]:
    """Return an image and what to do with it."""
    return [UserMessage(image()), UserMessage("Please analyze the image above.")]


PROMPTS: Final = (
    simple_prompt,
    prompt_with_arguments,
    prompt_with_embedded_resource,
    prompt_with_image,
    rounds.input_required_result_prompt,
)
