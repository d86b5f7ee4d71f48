"""What a confined process is ended for is told to its caller, the audit trail, the log and the screens."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from mcp.shared.exceptions import MCPError

from tests.servers.served import Served, program, result, served, small, until
from tests.servers.tails import rows

pytestmark = pytest.mark.sandbox


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Iterator[Served]:
    folder = program().rpartition("/")[0]
    confined = {"level": "required", "readable": [folder], "shared": True}
    servers = [small("spins", cpu_seconds=1, **confined), small("traces", kill=True, **confined)]
    with served("uvicorn", tmp_path_factory.mktemp("site"), servers) as site:
        yield site


@pytest.mark.parametrize(
    ("name", "tool", "violation"), [("spins", "spin", "cpu"), ("traces", "trace", "syscall")]
)
async def test_a_broken_bound_ends_the_call_at_once_and_alerts(site, name, tool, violation):
    async with site.client(f"/ws/servers/{name}", "legacy") as client:
        with pytest.raises(MCPError, match="The server ended before it answered"):
            await client.call_tool(tool, {})
        assert await result(client, "add", a=1, b=2) == 3

    event = ("server", "server:violation", name, violation, f"servers.{name}")
    columns = ("category", "tag", "subject", "outcome", "endpoint")
    await until(lambda: event in rows(site, *columns, table="auditevent"))
    await until(lambda: ("violation", violation) in rows(site, "end", "violation"))
    assert '"kind":"alert"' in "".join(site.log.read_text().split())
