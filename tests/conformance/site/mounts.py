"""The server behind both kinds of mounts; streams can be taken up again, as the suite wants it."""

from __future__ import annotations

from typing import Final

from mcp_guard.mcp import mount
from tests.conformance.server import KEPT_EVENTS, RETRY_MILLISECONDS, SERVER

mounted: Final = mount(SERVER, endpoint="mounted", event_store=KEPT_EVENTS, retry_interval=RETRY_MILLISECONDS)
viewed: Final = mount(SERVER, endpoint="viewed", event_store=KEPT_EVENTS, retry_interval=RETRY_MILLISECONDS)
