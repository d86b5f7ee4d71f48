"""From rounds to ratios. Each is taken round by round, between neighbours in time; the median counts."""

from __future__ import annotations

from collections.abc import Callable
from statistics import median
from typing import Any, Final, NamedTuple

Raw = dict[str, Any]
"""Rounds by part, stack and scenario."""


class Limit(NamedTuple):
    """What a ratio has to reach. ``higher_is_better`` says in which direction."""

    floor: float
    goal: float
    higher_is_better: bool = False

    def holds(self, value: float) -> bool:
        """Return whether the floor is reached."""
        return value >= self.floor if self.higher_is_better else value <= self.floor


LIMITS: Final = {
    "request_asgi_vs_bound": Limit(4, 2),
    "request_sync_vs_corsheaders": Limit(0.5, 0.2),
    "request_async_vs_corsheaders": Limit(0.5, 0.2),
    "drf_token_vs_request": Limit(40, 100, higher_is_better=True),
    "post_rate_vs_bare_uvicorn": Limit(0.93, 0.97, higher_is_better=True),
    "post_rate_vs_bare_daphne": Limit(0.93, 0.97, higher_is_better=True),
    "preflight_rate_vs_bare_uvicorn": Limit(8, 15, higher_is_better=True),
    "preflight_rate_vs_bare_daphne": Limit(2.5, 3, higher_is_better=True),
    "refused_rate_vs_bare_uvicorn": Limit(8, 13, higher_is_better=True),
    "refused_rate_vs_bare_daphne": Limit(2.2, 2.7, higher_is_better=True),
    "starlette_preflight_vs_ours": Limit(1.5, 3, higher_is_better=True),
    "ws_handshake_vs_unguarded": Limit(1.10, 1.04),
    "ws_refused_vs_unguarded": Limit(0.05, 0.015),
    "ws_message_rate_uvicorn": Limit(2, 3.5, higher_is_better=True),
    "ws_message_rate_daphne": Limit(1.4, 1.8, higher_is_better=True),
    "origins_100k_vs_10": Limit(1.15, 1.1),
    "tokens_1m_vs_10": Limit(1.15, 1.1),
    "bytes_per_cached_token": Limit(300, 200),
    "gc_pause_ms": Limit(10, 1),
    "idle_socket_vs_unguarded": Limit(1.15, 1.0),
}
"""Every key that has to hold."""


def ratios(raw: Raw) -> dict[str, float]:
    """Return the ratios that can be taken from the parts that were run."""
    found: dict[str, float] = {}
    for part, take in _PARTS.items():
        if part in raw:
            found |= take(raw[part])
    return found


def _pure(cells: Raw) -> dict[str, float]:
    guard, bare = cells["null + guard"], cells["null"]
    return {
        "request_asgi_vs_bound": _added(cells, "null + guard", "null + bound", "null"),
        "request_asgi_mcp_vs_bound": _added(cells, "null + guard, bodies judged", "null + bound", "null"),
        "sdk_vs_request_asgi": _added(cells, "starlette + sdk", "null + guard", "starlette", "null"),
        "starlette_preflight_vs_ours": _times(cells["starlette + cors"], guard, "preflight"),
        "sdk_refused_vs_ours": _times(cells["starlette + sdk"], guard, "refused"),
        "refused_us": _median(guard["refused"]) / 1e3,
        "preflight_us": _median(guard["preflight"]) / 1e3,
        "request_added_us": (_median(guard["allowed"]) - _median(bare["allowed"])) / 1e3,
        "origins_100k_vs_10": _times(
            cells["null + guard, 100k origins"], cells["null + guard, 10 of each"], "allowed"
        ),
        "tokens_1m_vs_10": _times(
            cells["null + guard, 1M tokens"], cells["null + guard, 10 of each"], "allowed"
        ),
        "noise_pure": _times(cells["null again"], bare, "allowed"),
    }


def _sync(cells: Raw) -> dict[str, float]:
    ours, cors, bare = "django + guard middleware", "django + corsheaders", "django"
    drf = "django + corsheaders, signal + drf"
    return {
        "request_sync_vs_corsheaders": _added(cells, ours, cors, bare),
        "request_sync_mcp_vs_corsheaders": _added(cells, f"{ours}, bodies judged", cors, bare),
        "drf_token_vs_request": _added(cells, drf, ours, bare),
        "noise_sync": _times(cells["django again"], cells[bare], "allowed"),
    }


def _async(cells: Raw) -> dict[str, float]:
    ours, cors, bare = "django + guard middleware", "django + corsheaders", "django"
    return {
        "request_async_vs_corsheaders": _added(cells, ours, cors, bare),
        "request_async_mcp_vs_corsheaders": _added(cells, f"{ours}, bodies judged", cors, bare),
        "noise_async": _times(cells["django again"], cells[bare], "allowed"),
    }


def _handshake(cells: Raw) -> dict[str, float]:
    bare, ours = cells["socket"], cells["socket + guard"]
    return {
        "ws_handshake_vs_unguarded": _times(ours, bare, "allowed"),
        "ws_refused_vs_unguarded": _times_across(ours["refused"], bare["allowed"]),
        "ws_own_loop_handshake_vs_unguarded": _times(cells["socket + guard, own loop"], bare, "allowed"),
        "noise_handshake": _times(cells["socket again"], bare, "allowed"),
    }


def _http(cells: Raw) -> dict[str, float]:
    found = {}
    for kind in ("uvicorn", "daphne"):
        ours, bare = cells[f"django + guard front door, {kind}"], cells[f"django, {kind}"]
        for key, scenario in (("post", "allowed"), ("preflight", "preflight"), ("refused", "refused")):
            found[f"{key}_rate_vs_bare_{kind}"] = _times(ours, bare, scenario, "rate")
        for key, other in (
            ("heads", "django + guard front door, heads judged"),
            ("of_corsheaders", "django + corsheaders"),
            ("noise", "django again"),
        ):
            found[f"post_rate_{key}_{kind}"] = _times(cells[f"{other}, {kind}"], bare, "allowed", "rate")
    return found


def _sockets(cells: Raw) -> dict[str, float]:
    found, idle = {}, []
    for kind in ("uvicorn", "daphne"):
        ours, bare = cells[f"socket + guard, own loop, {kind}"], cells[f"socket, {kind}"]
        found[f"ws_message_rate_{kind}"] = _times(ours, bare, "message", "rate")
        found[f"ws_message_cpu_{kind}"] = _times(ours, bare, "message", "cpu_us")
        found[f"ws_load_{kind}"] = _median(ours["message"], "load")
        found[f"ws_message_rate_noise_{kind}"] = _times(
            cells[f"socket again, {kind}"], bare, "message", "rate"
        )
        guarded = (cells[f"{name}, {kind}"] for name in ("socket + guard", "socket + guard, own loop"))
        idle += [_times(cell, bare, "idle", "kib") for cell in guarded]
    return found | {"idle_socket_vs_unguarded": max(idle)}


def _memory(rounds: list[Raw]) -> dict[str, float]:
    return {
        "bytes_per_cached_token": _median(rounds, "bytes_per_token"),
        "gc_pause_ms": median(one["pause_ms"] - one["pause_without_ms"] for one in rounds),
    }


_PARTS: Final[dict[str, Callable[[Any], dict[str, float]]]] = {
    "pure": _pure,
    "sync chain": _sync,
    "async chain": _async,
    "handshake": _handshake,
    "http": _http,
    "sockets": _sockets,
    "memory": _memory,
}


def _median(rounds: list[Raw], key: str = "p50") -> float:
    return float(median(one[key] for one in rounds))


def _times(ours: Raw, theirs: Raw, scenario: str, key: str = "p50") -> float:
    return _times_across(ours[scenario], theirs[scenario], key)


def _times_across(ours: list[Raw], theirs: list[Raw], key: str = "p50") -> float:
    return float(median(one[key] / other[key] for one, other in zip(ours, theirs, strict=True)))


def _added(cells: Raw, ours: str, theirs: str, bare: str, other_bare: str = "") -> float:
    """Return what one stack adds to an allowed request, over what another adds to its own base."""
    names = (ours, theirs, bare, other_bare or bare)
    rounds = zip(*(cells[name]["allowed"] for name in names), strict=True)
    found = [
        (mine["p50"] - base["p50"]) / max(1, their["p50"] - its_base["p50"])
        for mine, their, base, its_base in rounds
    ]
    return float(median(found))
