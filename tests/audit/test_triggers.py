"""On PostgreSQL a statement typed by hand does not change what was recorded."""

from __future__ import annotations

import pytest

from tests.faults.bed import OrderFailed, bed

pytestmark = pytest.mark.services

REFUSED = (
    "UPDATE mcp_guard_auditevent SET subject = 'x'",
    "UPDATE mcp_guard_auditevent SET seq = 1",
    "UPDATE mcp_guard_auditevent SET actor_label = 'x', actor_id = NULL",
    "DELETE FROM mcp_guard_auditevent",
)
ACCEPTED = (
    "UPDATE mcp_guard_auditevent SET actor_id = NULL",
    "INSERT INTO mcp_guard_auditevent SELECT * FROM mcp_guard_auditevent WHERE false",
    "SELECT set_config('mcp_guard.sealing', 'on', true); DELETE FROM mcp_guard_auditevent",
)


async def test_a_statement_by_hand_is_refused_and_what_django_does_is_not(postgres_url):
    async with bed(postgres_url, servers=()) as (_, writer):
        for statement in REFUSED:
            with pytest.raises(OrderFailed, match="sealed and pruned"):
                await writer.do("sql", statement=statement)
        for statement in ACCEPTED:
            await writer.do("sql", statement=statement)
