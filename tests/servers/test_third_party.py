"""A server that others wrote, mcp-server-time from PyPI, confined and used over both doors."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from mcp.shared.exceptions import MCPError

from tests.child import SERVERS
from tests.servers.served import PYTHON, USER, Served, served

pytestmark = [pytest.mark.packaging, pytest.mark.sandbox]
PACKAGE = "mcp-server-time==2026.10.19"


@pytest.fixture(scope="module")
def installed() -> Iterator[str]:
    """Install it where the user of a registered server may read it."""
    with tempfile.TemporaryDirectory(prefix="mcp_guard-tests-") as folder:
        Path(folder).chmod(0o755)
        code = "import sys; print('%d.%d' % sys.version_info[:2])"
        version = subprocess.run([PYTHON, "-c", code], capture_output=True, text=True, check=True).stdout
        pip = [sys.executable, "-m", "pip", "install", "-q", "--only-binary=:all:", "--target", folder]
        pip += ["--python-version", version.strip(), PACKAGE]
        subprocess.run(pip, check=True, timeout=300, umask=0o022)
        yield folder


@pytest.fixture(scope="module", params=sorted(SERVERS))
def site(request, installed, tmp_path_factory) -> Iterator[Served]:
    row = {
        "name": "time",
        "description": "tools/call:get_current_time",  # the grants of the tokens
        "executable": PYTHON,
        "arguments": ["-m", "mcp_server_time", "--local-timezone=Europe/Berlin"],
        "folder": installed,
        "level": "required",
        "memory_mb": 512,
        "kill": True,
        **USER,
    }
    with served(request.param, tmp_path_factory.mktemp(request.param), [row]) as site:
        yield site


@pytest.mark.parametrize("mode", ["legacy", "auto"])
@pytest.mark.parametrize("door", ["/servers/time/mcp", "/ws/servers/time"])
async def test_it_is_used_over_both_doors_in_both_eras(site, door, mode):
    async with site.client(door, mode) as client:
        tools = [tool.name for tool in (await client.list_tools()).tools]
        told = await client.call_tool("get_current_time", {"timezone": "Asia/Tokyo"})
        wrong = await client.call_tool("get_current_time", {"timezone": "Nowhere/Town"})
        with pytest.raises(MCPError, match="Insufficient scope"):
            await client.call_tool("convert_time", {})

    assert tools == ["get_current_time"]
    assert '"timezone": "Asia/Tokyo"' in told.content[0].text
    assert not told.is_error
    assert wrong.is_error
