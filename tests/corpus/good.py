"""Is a site worth asking? One that refuses everything would pass most cases, so good requests come first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from tests.corpus.case import Case
from tests.corpus.errors import ContractBroken

if TYPE_CHECKING:
    from tests.corpus.answer import Answer
    from tests.corpus.play import Player

VIEW_RAN: Final = b"corpus-view-ran"
"""In the answer of every protected HTTP handler."""

PORTAL_RAN: Final = b"corpus-portal-ran"
"""In the answer of the portal page, which a session cookie opens."""


def check_site(player: Player) -> None:
    """Send a good request, a good message and, where the policy has cookies, a good session.

    Raises:
        ContractBroken: when one of them is not let in.
    """
    problem = good_request_problem(player) or _socket_problem(player) or _session_problem(player)
    if problem:
        raise ContractBroken("site check: " + problem)


def good_request_problem(player: Player) -> str | None:
    """Return why a good request is not let in, None when it is."""
    headers = [
        *_good_headers(player),
        ["Authorization", "Bearer {good}"],
        ["Content-Type", "application/json"],
    ]
    given = {"method": "POST", "path": "/mcp/tools", "headers": headers, "body": {"text": "list"}}
    answer = _send(player, given)
    if answer.status == 200 and VIEW_RAN in answer.raw:
        return None
    return f"a good request to /mcp/tools got {answer.status} instead of 200 with {VIEW_RAN.decode()}"


def _socket_problem(player: Player) -> str | None:
    policy = _policy(player)
    if not policy["origins"] and policy["missing_origin"]["ws"] == "refuse":
        return None
    headers = [*_good_headers(player), *player.file.header_groups["upgrade"]]
    answer = _send(player, {"path": "/ws/mcp/", "headers": headers}, [{"text": "auth"}])
    if answer.status == 101 and answer.handler_runs == 1 and answer.close is None:
        return None
    return (
        f"a good message on /ws/mcp/ got status {answer.status}, {answer.handler_runs} handler runs, "
        f"close {answer.close} instead of 101, one reply, open"
    )


def _session_problem(player: Player) -> str | None:
    policy = _policy(player)
    if "/portal/" not in policy["auth"]["cookies"]:
        return None
    headers = [["Host", policy["hosts"][0]], ["Cookie", "sessionid={session}"]]
    answer = _send(player, {"path": "/portal/whoami", "headers": headers})
    if answer.status == 200 and PORTAL_RAN in answer.raw:
        return None
    return (
        f"/portal/whoami with sessionid={{session}} got {answer.status} "
        f"instead of 200 with {PORTAL_RAN.decode()}"
    )


def _good_headers(player: Player) -> list[list[Any]]:
    policy = _policy(player)
    headers = [["Host", policy["hosts"][0]]]
    if policy["origins"]:
        headers.append(["Origin", policy["origins"][0]])
    if policy["nonce"]:
        headers.append(["X-MCP-Nonce", "{nonce}"])
    return headers


def _policy(player: Player) -> dict[str, Any]:
    return player.file.policies[player.site.policy]


def _send(player: Player, given: dict[str, Any], messages: list[Any] | None = None) -> Answer:
    messages = messages or []
    case = Case(
        id="site-check-0",
        surface="ws" if messages else "http",
        policy=player.site.policy,
        given={**given, "messages": messages},
        expected="allow",
        status=[],
        close=[],
        headers={},
        must=[],
        must_not=[],
        handler_runs=len(messages),
        by_server={},
        unreachable_on=[],
        note="",
        source="",
    )
    return player.exchange(case)
