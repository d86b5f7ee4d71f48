"""The demo site's settings, for servers that nobody else has to approve."""

from project.settings import *  # noqa: F403 (all of them)

MCP_GUARD = {
    **MCP_GUARD,  # noqa: F405
    "SERVERS": {
        "profile": "token",
        "missing_origin": {"ws": "bearer"},
        "limits": {"calls_per_principal": 200},
    },
    "SERVERS_NEED_APPROVAL": False,
    "SERVERS_LEVEL": "unconfined",
    "FAILURES_PER_ADDRESS": 100_000,
    "POLL_INTERVAL": 0.2,
    "SERVER_PROCESSES": 100,
}
