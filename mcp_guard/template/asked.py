"""Which settings a template asks for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from mcp_guard.policy.endpoint import Profile
from mcp_guard.template.document import ROOT, Template
from mcp_guard.template.report import Becomes, Report
from mcp_guard.template.setting import Setting

SHIP_NAME: Final = "siem"
"""The name in ``SHIP`` of the collector of a template."""

OF_SERVERS: Final = "SERVERS"
"""The key of what holds for the endpoints of all registered servers."""

_WEBSOCKET: Final = f"{ROOT}.websocket"
_AUTHENTICATION: Final = f"{ROOT}.authentication"
_LOGGING: Final = f"{ROOT}.logging"

_OPENED_BY: Final = {
    "any_origin": (False, f"{_WEBSOCKET}.allowed_origins"),
    "forward_authorization": (False, _AUTHENTICATION),
    "public_scopes": ([], _AUTHENTICATION),
    "local_scopes": ([], _AUTHENTICATION),
}
"""Keys of an endpoint that let in whom no template names: the closed value, and which field asks for it."""


def asked(template: Template, base: tuple[str, ...], present: Mapping[str, Any]) -> list[Setting]:
    """Return the settings that a template asks for, given the present ``MCP_GUARD``.

    ``base`` are the keys that lead to the settings of its endpoint.
    """
    endpoint = Setting(base, None, ()).now(present)
    now = endpoint if isinstance(endpoint, Mapping) else {}
    return [
        *_profile(template, base, now),
        *_doors(template, base),
        *_closed(template, base, now),
        *_warning_days(template),
        *_records(template, base),
    ]


def note(settings: Sequence[Setting], report: Report) -> None:
    """Note which settings fields become."""
    for setting in settings:
        for path in setting.fields:
            what = f"{setting.where} {'has' if setting.adds else '='} {setting.value!r}"
            report.becomes(path, Becomes.SETTING, what)


def _profile(template: Template, base: tuple[str, ...], now: Mapping[str, Any]) -> Iterator[Setting]:
    """Yield the narrowest profile that takes tokens and asks the allowlist, where the endpoint has none."""
    if "profile" in now:
        return
    websocket = template.websocket
    is_local = websocket.is_local and not websocket.require_tls and base != (OF_SERVERS,)
    profile = Profile.LOCAL if is_local else Profile.TOKEN
    field = f"{_WEBSOCKET}.bind_address" if is_local else ROOT
    yield Setting((*base, "profile"), profile.value, (field,))


def _doors(template: Template, base: tuple[str, ...]) -> Iterator[Setting]:
    websocket = template.websocket
    if websocket.require_tls:
        yield Setting((*base, "require_tls"), True, (f"{_WEBSOCKET}.require_tls",))
    if websocket.requires_origin is not None:
        value = "refuse" if websocket.requires_origin else "bearer"
        both = {"http": value, "ws": value}
        yield Setting((*base, "missing_origin"), both, websocket.requires_origin_at)
    header = template.authentication.token_header
    if header is not None:
        yield Setting((*base, "token_header"), header, (f"{_AUTHENTICATION}.token_header",))


def _closed(template: Template, base: tuple[str, ...], now: Mapping[str, Any]) -> Iterator[Setting]:
    for key, (closed, field) in _OPENED_BY.items():
        if now.get(key) and field in template.said:
            yield Setting((*base, key), closed, (field,))


def _warning_days(template: Template) -> Iterator[Setting]:
    days = template.authentication.warning_days
    if days is not None:
        yield Setting(("TOKEN_WARN_DAYS",), days, (f"{_AUTHENTICATION}.rotation_warning_days",))


def _records(template: Template, base: tuple[str, ...]) -> Iterator[Setting]:
    logging = template.logging
    if logging.audit_calls is not None:
        yield Setting((*base, "audit_calls"), logging.audit_calls, logging.audit_calls_at)
    for name, text in logging.siem.destination:
        yield Setting(("SHIP", SHIP_NAME, name), text, (f"{_LOGGING}.siem_integration.{name}",))
    for path, rule in logging.siem.alerts:
        yield Setting(("ALERT_ON",), rule, (path,), adds=True)
