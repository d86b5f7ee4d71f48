"""What a template does to rows, given those that are there; or why it cannot be done."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Final

from mcp_guard.policy.credential import TokenKind
from mcp_guard.policy.endpoint import Messages, Profile
from mcp_guard.sandbox.confinement import Level
from mcp_guard.template.authentication import Entry
from mcp_guard.template.document import ROOT, Template
from mcp_guard.template.report import Becomes, Report
from mcp_guard.template.rows import Present, PresentToken, Target
from mcp_guard.template.steps import AddClient, IssueToken, Keep, ListOrigin, SetServer, Step, WriteScope

ORIGINS_AT: Final = f"{ROOT}.websocket.allowed_origins"

TOKENS_AT: Final = f"{ROOT}.authentication.tokens"

_SLACK: Final = timedelta(minutes=1)


def plan(template: Template, target: Target, present: Present, now: datetime, report: Report) -> list[Step]:
    """Return what to do to the rows, in this order; what stands against it goes to the report."""
    _suits(template, target, report)
    steps = [*_client(template, target, present, report), *_origins(template, target, present, report)]
    for entry in template.authentication.tokens:
        steps += _token(entry, target, present, now, report)
    steps += _server(template, target, present, report)
    if present.others:
        report.warnings.append(f"listed for {target.endpoint} besides, and left: {', '.join(present.others)}")
    return steps


def kind_of(template: Template) -> TokenKind:
    """Return the kind of the tokens: for pages where an Origin is required, else for programs."""
    return TokenKind.BROWSER if template.websocket.requires_origin else TokenKind.SERVER


def _suits(template: Template, target: Target, report: Report) -> None:
    """Note where the endpoint cannot hold what the template says."""
    profile, name = target.profile, target.endpoint
    if profile is Profile.PUBLIC:
        report.wrong(ROOT, f"the endpoint {name} has the profile public, which reads no token")
    if profile is Profile.BACKEND and template.websocket.origins:
        report.wrong(ORIGINS_AT, f"the endpoint {name} has the profile backend, which refuses pages")
    if profile is Profile.LOCAL and template.websocket.is_local is False:
        path = f"{ROOT}.websocket.bind_address"
        report.wrong(path, f"the endpoint {name} has the profile local, which is for this machine alone")
    if not target.requires_tls and profile is not Profile.LOCAL:
        report.warnings.append(
            "plain HTTP is answered, where tokens can be read on their way: say require_tls"
        )
    if target.requires_tls and template.websocket.is_local and not target.knows_proxies:
        report.warnings.append("a proxy that ends TLS on this machine has to stand in TRUSTED_PROXIES")
    if template.authentication.tokens:
        _suits_kind(template, target, report)


def _suits_kind(template: Template, target: Target, report: Report) -> None:
    websocket = template.websocket
    match target.kind:
        case TokenKind.SERVER if websocket.requires_origin:
            report.wrong(
                TOKENS_AT, "would be of kind server, which count only without the Origin that is required"
            )
        case TokenKind.SERVER if websocket.origins:
            report.warnings.append(
                "tokens are of kind server: pages of the origins cannot use them (see --kind)"
            )
        case TokenKind.BROWSER if not websocket.origins:
            report.wrong(
                TOKENS_AT, "would be of kind browser, while allowed_origins names no page that has one"
            )
        case TokenKind.ANY:
            report.warnings.append(
                "kind any works from every page and every server; browser or server bind it"
            )
        case _:
            pass


def _client(template: Template, target: Target, present: Present, report: Report) -> Iterator[Step]:
    if present.client_active is False:
        report.wrong(ROOT, f"the client {target.client} is disabled: enable it first, or name another one")
    elif present.client_active:
        yield Keep(ROOT, "client", target.client, "is there")
    elif template.websocket.origins or template.authentication.tokens:
        yield AddClient(ROOT)


def _origins(template: Template, target: Target, present: Present, report: Report) -> Iterator[Step]:
    for path, origin in template.websocket.origins:
        report.becomes(path, Becomes.ROW, f"{origin} is listed for {target.client} on {target.endpoint}")
        row = present.origins.get(origin)
        if row is None:
            yield ListOrigin(path, origin)
        elif row.client != target.client:
            report.wrong(path, f"{origin} is listed for the client {row.client}; one origin has one client")
        elif not row.in_force:
            report.wrong(path, f"the row of {origin} is switched off or has expired: change it, or remove it")
        elif target.endpoint in row.endpoints:
            yield Keep(path, "origin", origin, "is listed")
        else:
            yield ListOrigin(path, origin, row.endpoints)


def _token(entry: Entry, target: Target, present: Present, now: datetime, report: Report) -> Iterator[Step]:
    report.becomes(f"{entry.path}.name", Becomes.ROW, f"token {entry.name} of the client {target.client}")
    if entry.expires_at:
        until = f"{entry.expires_at:%Y-%m-%d %H:%M} UTC"
        report.becomes(f"{entry.path}.expires", Becomes.ROW, f"the token expires at {until}")
    yield from _scope(entry, target, present, report)
    found = present.tokens.get(entry.name)
    if found is not None:
        yield from _present_token(entry, found, target, report)
        return
    if entry.expires_at and entry.expires_at > now + target.longest + _SLACK:
        days = target.longest.days
        report.wrong(
            f"{entry.path}.expires", f"is later than {days} days from now (MCP_GUARD['TOKEN_MAX_DAYS'])"
        )
    yield IssueToken(entry.path, entry.name, target.kind, target.scope(entry), entry.expires_at)


def _present_token(entry: Entry, found: PresentToken, target: Target, report: Report) -> Iterator[Step]:
    """Keep a live token of the name where it is what the template says; its secret is not made again."""
    wanted = (target.kind.value, (target.endpoint,), (target.scope(entry),))
    if (found.kind, found.endpoints, found.scopes) == wanted:
        yield Keep(entry.path, "token", entry.name, f"is there as token {found.number}; its secret stays")
        return
    text = f"token {found.number} has this name, and another kind, endpoint or scope: revoke it"
    report.wrong(f"{entry.path}.name", f"{text}, or rename this one")


def _scope(entry: Entry, target: Target, present: Present, report: Report) -> Iterator[Step]:
    path, name = f"{entry.path}.allowed_capabilities", target.scope(entry)
    if len(name) > 80:
        report.wrong(
            f"{entry.path}.name", "is too long together with the name of the client: 79 characters at most"
        )
        return
    others = [
        grant for grant in entry.grants if grant.startswith("http:") is not (target.messages is Messages.HTTP)
    ]
    if others:
        what = "takes HTTP methods" if target.messages is Messages.HTTP else "takes MCP methods"
        report.wrong(path, f"{target.endpoint} {what}, so {', '.join(others)[:200]} would open nothing")
    row = present.scopes.get(name)
    if row is None:
        yield WriteScope(path, name, entry.grants)
    elif row.description != target.mark:
        report.wrong(
            f"{entry.path}.name", f"there is a scope {name} that no template made: choose another name"
        )
    elif set(row.grants) == set(entry.grants):
        yield Keep(path, "scope", name, "has these grants")
    else:
        yield WriteScope(path, name, entry.grants, row.grants)


def _server(template: Template, target: Target, present: Present, report: Report) -> Iterator[Step]:
    path, isolation = f"{ROOT}.process_isolation", template.isolation
    if isolation is None or not target.server:
        return
    if present.server is None:
        report.wrong(path, f"there is no registered server {target.server}")
    elif present.server["level"] == Level.UNCONFINED.value:
        report.wrong(
            path, f"the server {target.server} is registered as unconfined: nothing of this would hold"
        )
    else:
        changed = {name: value for name, value in isolation.values if present.server[name] != value}
        before = {name: present.server[name] for name in changed}
        if changed:
            yield SetServer(path, target.server, changed, before)
        else:
            yield Keep(path, "server", target.server, "is confined so")
