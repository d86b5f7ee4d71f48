"""Tools that tell the client something while they run: log lines, progress, changed lists, a cut stream."""

from __future__ import annotations

import asyncio
from typing import Final

from mcp.server.mcpserver import Context
from mcp.server.mcpserver.prompts.base import Prompt

MOMENT: Final = 0.05
"""Seconds between two notices; the suite wants to see them arrive one by one."""


async def tool_with_logging(ctx: Context) -> str:
    """Log three lines."""
    await ctx.info("Tool execution started")
    await asyncio.sleep(MOMENT)
    await ctx.info("Tool processing data")
    await asyncio.sleep(MOMENT)
    await ctx.info("Tool execution completed")
    return "Logged."


async def logging_tool(ctx: Context) -> str:
    """Log a line, which since 2026-07-28 only those clients get that ask for it."""
    await ctx.info("Nobody may have asked for this")
    return "Logged."


async def tool_with_progress(ctx: Context) -> str:
    """Report progress three times."""
    for progress in (0, 50, 100):
        await ctx.report_progress(progress, 100, f"{progress} of 100")
        await asyncio.sleep(MOMENT)
    return "Done."


async def reconnection(ctx: Context) -> str:
    """Cut the stream that the answer was to come over; the client has to come back for it."""
    await ctx.info("Before the cut")
    await ctx.close_sse_stream()
    await asyncio.sleep(0.2)
    await ctx.info("After the cut")
    return "Reconnected."


async def trigger_tool_change(ctx: Context) -> str:
    """Change the list of tools and say so."""
    ctx.mcp_server.add_tool(_passing, name="test_passing")
    ctx.mcp_server.remove_tool("test_passing")
    await ctx.notify_tools_changed()
    return "Changed."


async def trigger_prompt_change(ctx: Context) -> str:
    """Change the list of prompts and say so."""
    ctx.mcp_server.add_prompt(Prompt.from_function(_passing, name="test_passing"))
    ctx.mcp_server.remove_prompt("test_passing")
    await ctx.notify_prompts_changed()
    return "Changed."


async def _passing() -> str:
    """Be there for a moment."""
    return ""


TOOLS: Final = (
    tool_with_logging,
    logging_tool,
    tool_with_progress,
    reconnection,
    trigger_tool_change,
    trigger_prompt_change,
)
