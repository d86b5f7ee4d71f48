"""``mcp_server.logging``: what is recorded, where it is shipped, and what alerts."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from mcp_guard.policy.decision import Reason
from mcp_guard.template.report import Becomes, Report, shown
from mcp_guard.template.section import Section

ALWAYS: Final = {
    "log_connections": "WebSockets that open and close",
    "log_authentication": "failed authentications",
    "log_rejected_origins": "refusals and their reasons",
    "log_refusals": "refusals and their reasons",
    "log_policy_changes": "each change of policy",
}
"""Switches of what is always recorded, and what that is."""

NEVER: Final = {
    "log_tokens": "texts of tokens",
    "log_messages": "messages and bodies",
}
"""Switches of what is never recorded, and what that is."""

CALLS, ARGUMENTS = "log_tool_calls", "log_tool_arguments"

FIELDS: Final = {
    **ALWAYS,
    **NEVER,
    CALLS: "each call of a tool",
    ARGUMENTS: "its arguments",
    "siem_integration": "where events go, and which of them alert",
}
"""Every field of the section and what it is; the documentation is checked against it."""

SIEM_FIELDS: Final = {
    "enabled": "whether the rest of the object counts",
    "url": "where events are shipped to",
    "token_file": "file that holds the collector's token",
    "token_env": "environment variable that holds it",
    "alert_on": "what alerts",
}
"""Every field of ``siem_integration``."""

Rule = dict[str, str]

ALERTS: Final[dict[str, tuple[Rule, ...]]] = {
    "authentication_failure": ({"category": "authentication"},),
    "origin_violation": tuple(
        {"outcome": reason.value}
        for reason in (Reason.ORIGIN_NOT_LISTED, Reason.ORIGIN_NULL, Reason.ORIGIN_MALFORMED)
    ),
    "missing_origin": ({"outcome": Reason.ORIGIN_MISSING.value},),
    "expired_token": ({"outcome": Reason.TOKEN_EXPIRED.value},),
    "capability_violation": ({"outcome": Reason.SCOPE_INSUFFICIENT.value},),
    "rate_limit": (
        {"outcome": Reason.FAILURES_TOO_MANY.value},
        {"outcome": Reason.MESSAGES_TOO_FAST.value},
    ),
    "policy_change": ({"category": "policy"}, {"category": "token"}),
    "sandbox_violation": ({"tag": "server:violation"},),
    "audit_tampering": ({"tag": "audit:verify", "outcome": "broken"}, {"tag": "audit:rolled_back"}),
}
"""Words of ``alert_on`` and the rules of ``ALERT_ON`` that they become; reasons of refusals count besides."""


@dataclass(frozen=True, slots=True)
class Siem:
    """What ``siem_integration`` says: ``destination`` as ``SHIP`` takes it, empty without a URL."""

    destination: tuple[tuple[str, str], ...] = ()
    alerts: tuple[tuple[str, Rule], ...] = ()


@dataclass(frozen=True, slots=True)
class Logging:
    """What the section says. ``audit_calls`` is None where it does not say what is recorded of calls."""

    audit_calls: str | None = None
    audit_calls_at: tuple[str, ...] = ()
    siem: Siem = field(default_factory=Siem)


def read(section: Section) -> Logging:
    """Return what the section says, its mistakes noted."""
    for name, what in ALWAYS.items():
        said = section.flag(name)
        if said is False:
            section.wrong(name, f"cannot be switched off; always recorded: {what}")
        elif said:
            section.becomes(name, Becomes.ALWAYS, f"always recorded: {what}")
    for name, what in NEVER.items():
        secret = section.flag(name)
        if secret:
            section.wrong(name, f"would record {what}, which is never done")
        elif secret is False:
            section.becomes(name, Becomes.ALWAYS, f"never recorded: {what}")
    siem = section.section("siem_integration", SIEM_FIELDS)
    at = tuple(section.at(name) for name in (CALLS, ARGUMENTS) if section.has(name))
    return Logging(_audit_calls(section), at, Siem() if siem is None else _siem(siem))


def _audit_calls(section: Section) -> str | None:
    calls, arguments = section.flag(CALLS), section.flag(ARGUMENTS)
    if arguments and calls is False:
        section.wrong(ARGUMENTS, f"is true, while {CALLS} is false")
    if arguments:
        return "arguments"
    if calls is None and arguments is None:
        return None
    return "calls" if calls else "off"


def _siem(section: Section) -> Siem:
    is_on = section.flag("enabled")
    texts = [(name, section.text(name)) for name in ("url", "token_file", "token_env")]
    destination = tuple((name, text) for name, text in texts if text is not None)
    words = section.texts("alert_on") or []
    alerts = _alerts(section.report, words)
    if is_on is False:
        off = [section.at(name) for name in section.values if name != "alert_on"]
        for path in (*off, *(path for path, _ in words)):
            section.report.becomes(path, Becomes.NOT_TAKEN, "enabled is false")
        return Siem()
    if destination and destination[0][0] != "url":
        section.wrong("url", "is missing: where is that token for?")
    if is_on:
        text = (
            "events go to the collector of url" if destination else "events alert in the log: there is no url"
        )
        section.becomes("enabled", Becomes.SETTING, text)
    return Siem(destination, alerts)


def _alerts(report: Report, words: list[tuple[str, str]]) -> tuple[tuple[str, Rule], ...]:
    found: list[tuple[str, Rule]] = []
    reasons = {reason.value for reason in Reason}
    for path, text in words:
        if text in ALERTS:
            found += [(path, rule) for rule in ALERTS[text]]
        elif text in reasons:
            found.append((path, {"outcome": text}))
        else:
            known = f"one of {', '.join(ALERTS)}, or a reason of docs/refusals.md"
            report.wrong(path, f"is {shown(text)}, not {known}")
    return tuple(found)
