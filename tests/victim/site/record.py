"""What happened on the site: which exchanges arrived, what ran and for whom. Tests read it over HTTP."""

from __future__ import annotations

from typing import Any, Final

from mcp_guard.audit.counts import ADMITTED, PREFLIGHT, decisions

ARRIVED: Final[list[dict[str, Any]]] = []
RUNS: Final[list[dict[str, str]]] = []


def arrive(scope: Any) -> None:
    """Note an exchange before anybody judged it."""
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
    ARRIVED.append(
        {
            "method": scope.get("method", "WEBSOCKET"),
            "path": scope["path"],
            "origin": headers.get("origin"),
            "site": headers.get("sec-fetch-site"),
            "cookie": "sessionid=" in headers.get("cookie", ""),
        }
    )


def run(mount: str, user: str) -> None:
    """Note that a tool ran for a user; nobody is empty."""
    RUNS.append({"mount": mount, "user": user})


def report() -> dict[str, Any]:
    """Return all of it, with how often the gate refused for which reason."""
    refused = [
        [endpoint, outcome]
        for (endpoint, _, outcome), times in decisions.all().items()
        for _ in range(times)
        if outcome not in (ADMITTED, PREFLIGHT)
    ]
    return {"arrived": ARRIVED, "runs": RUNS, "refused": refused}
