"""The package does without the SDK until something needs it."""

from __future__ import annotations

import subprocess
import sys

import pytest

import mcp_guard.mcp


def test_reading_messages_imports_neither_the_sdk_nor_django():
    code = (
        "import sys, mcp_guard.mcp, mcp_guard.mcp.jsonrpc;"
        "packages = {name.partition('.')[0] for name in sys.modules};"
        "print(sorted(packages & {'mcp', 'django', 'starlette', 'anyio'}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=True
    )
    assert done.stdout.strip() == "[]"


def test_public_names_are_found_and_others_are_not():
    assert mcp_guard.mcp.mount.__module__ == "mcp_guard.mcp.streamable_http"
    assert mcp_guard.mcp.MCPConsumer.__module__ == "mcp_guard.mcp.consumer"
    with pytest.raises(AttributeError, match="no attribute 'unknown'"):
        _ = mcp_guard.mcp.unknown
