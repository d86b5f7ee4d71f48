"""Tools that take no arguments and return one kind of content each, and the one that fails."""

from __future__ import annotations

import base64
import struct
import zlib
from typing import Annotated, Final

from mcp.server.mcpserver import Context
from mcp.server.mcpserver.exceptions import ToolError
from mcp.shared.exceptions import MCPError
from mcp.types import (
    MISSING_REQUIRED_CLIENT_CAPABILITY,
    AudioContent,
    EmbeddedResource,
    ImageContent,
    TextContent,
    TextResourceContents,
)
from pydantic import Field


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


PNG: Final = (
    b"\x89PNG\r\n\x1a\n"
    + _chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 0))
    + _chunk(b"IDAT", zlib.compress(b"\x00\xff\x00\x00"))
    + _chunk(b"IEND", b"")
)
"""One red pixel."""

WAV: Final = (
    b"RIFF" + struct.pack("<I", 38) + b"WAVEfmt "
    + struct.pack("<IHHIIHH", 16, 1, 1, 8000, 16000, 2, 16) + b"data" + struct.pack("<Ih", 2, 0)
)  # fmt: skip
"""One silent sample at 8 kHz."""


def image() -> ImageContent:
    return ImageContent(type="image", data=base64.b64encode(PNG).decode(), mime_type="image/png")


def text(value: str) -> TextContent:
    return TextContent(type="text", text=value)


def embedded(uri: str, value: str, mime_type: str = "text/plain") -> EmbeddedResource:
    resource = TextResourceContents(uri=uri, mime_type=mime_type, text=value)
    return EmbeddedResource(type="resource", resource=resource)


async def simple_text() -> str:
    """Return a text."""
    return "This is a simple text response for testing."


async def image_content() -> list[ImageContent]:
    """Return an image."""
    return [image()]


async def audio_content() -> list[AudioContent]:
    """Return a sound."""
    return [AudioContent(type="audio", data=base64.b64encode(WAV).decode(), mime_type="audio/wav")]


async def embedded_resource() -> list[EmbeddedResource]:
    """Return a resource."""
    return [embedded("test://embedded-resource", "This is an embedded resource content.")]


async def multiple_content_types() -> list[TextContent | ImageContent | EmbeddedResource]:
    """Return a text, an image and a resource."""
    mixed = embedded("test://mixed-content-resource", '{"test":"data","value":123}', "application/json")
    return [text("Multiple content types test:"), image(), mixed]


async def error_handling() -> str:
    """Fail."""
    raise ToolError("This tool intentionally returns an error for testing")


async def x_mcp_header(
    region: Annotated[str, Field(json_schema_extra={"x-mcp-header": "Region"})] = "none",
) -> str:
    """Return an argument that clients mirror into a header of its own."""
    return f"region={region}"


async def missing_capability(ctx: Context) -> str:
    """Insist on a client that can sample."""
    capabilities = ctx.client_capabilities
    if capabilities is None or capabilities.sampling is None:
        needed = {"requiredCapabilities": {"sampling": {}}}
        raise MCPError(MISSING_REQUIRED_CLIENT_CAPABILITY, "The client has to offer sampling", needed)
    return "The client offers sampling."


TOOLS: Final = (
    simple_text,
    image_content,
    audio_content,
    embedded_resource,
    multiple_content_types,
    error_handling,
    x_mcp_header,
    missing_capability,
)
