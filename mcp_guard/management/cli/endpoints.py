"""``endpoint``: what the settings declare, and switching report-only on and off."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from mcp_guard import changes
from mcp_guard.conf import config
from mcp_guard.endpoints import endpoints_of
from mcp_guard.management.cli.arguments import SubParsers, days, declare_noun, declare_verb, moment
from mcp_guard.management.cli.call import Answer, BadInput, Call
from mcp_guard.management.cli.text import iso, pairs, table
from mcp_guard.models import EndpointState
from mcp_guard.policy.endpoint import Endpoint, HostRules
from mcp_guard.report_only import DAYS, UnlistedOrigin, would_refuse

_COLUMNS = ("name", "profile", "hosts", "methods", "require_tls", "public_scopes", "report_only_until")
_WOULD_COLUMNS = ("origin", "requests", "clients", "exchanges", "last_seen", "address", "set_aside")


def declare(nouns: SubParsers) -> None:
    """Add the noun and its verbs."""
    verbs = declare_noun(nouns, "endpoint", "guarded surfaces, as the settings declare them")
    declare_verb(verbs, "list", _list, "list the endpoints and how they answer")
    report = declare_verb(verbs, "report-only", _report_only, "let unlisted origins in and report them")
    report.add_argument("name", metavar="endpoint", help="its name")
    until = report.add_mutually_exclusive_group()
    until.add_argument("--until", metavar="T", help="until when: 7d or an ISO time, at most 14 days ahead")
    until.add_argument("--days", metavar="N", help="for so many days, at most 14; default 14")
    would = declare_verb(verbs, "would-refuse", _would_refuse, "show what enforcing would refuse now")
    would.add_argument("name", metavar="endpoint", help="its name")
    enforce = declare_verb(verbs, "enforce", _enforce, "refuse unlisted origins again")
    enforce.add_argument("name", metavar="endpoint", help="its name")


def endpoint_objects(now: datetime) -> list[dict[str, Any]]:
    """Return every declared endpoint as ``--json`` prints it, by name."""
    switched = {state.name: state.report_only_until for state in EndpointState.objects.all()}
    found = []
    for name, endpoint in sorted(endpoints_of(config()).items()):
        until = switched[name] if name in switched else _of_setting(endpoint)
        found.append(_object(endpoint) | {"report_only_until": iso(until) if until and until > now else None})
    return found


def _of_setting(endpoint: Endpoint) -> datetime | None:
    """Return until when the setting reports only; it counts until an operator switched for the first time."""
    return datetime.fromtimestamp(endpoint.report_only_until, UTC) if endpoint.report_only_until else None


def _object(endpoint: Endpoint) -> dict[str, Any]:
    return {
        "name": endpoint.name,
        "profile": endpoint.profile.value,
        "hosts": _hosts(endpoint.hosts),
        "messages": endpoint.messages.value,
        "methods": list(endpoint.methods),
        "any_origin": endpoint.any_origin,
        "missing_origin": {
            "http": endpoint.missing_origin_http.value,
            "ws": endpoint.missing_origin_ws.value,
        },
        "ws_credentials": sorted(carrier.value for carrier in endpoint.ws_credentials),
        "token_every_message": endpoint.token_every_message,
        "token_header": endpoint.token_header.decode() if endpoint.token_header else None,
        "public_scopes": list(endpoint.public_scopes),
        "forward_authorization": endpoint.forward_authorization,
        "require_tls": endpoint.require_tls,
        "extra_headers": list(endpoint.extra_headers),
        "limits": {name: getattr(endpoint.limits, name) for name in type(endpoint.limits).__slots__},
    }


def _hosts(rules: HostRules) -> list[str]:
    """Return the hosts as ``ALLOWED_HOSTS`` writes them."""
    covered = {suffix[1:] for suffix in rules.suffixes}
    return sorted(host.decode() for host in {*rules.exact, *(rules.names - covered), *rules.suffixes})


def _list(call: Call) -> Answer:
    rows = endpoint_objects(call.now)
    return Answer(rows, table(rows, _COLUMNS, empty="no endpoints: MCP_GUARD['ENDPOINTS'] is empty"))


def _report_only(call: Call) -> Answer:
    options, until = call.options, None
    if options.until is not None:
        until = moment(options.until, call.now, "until")
    elif options.days is not None:
        until = call.now + days(options.days, "days")
    changes.report_only(call.actor, options.name, until=until)
    return _said(call, "reports unlisted origins and lets them in")


def _would_refuse(call: Call) -> Answer:
    name = call.options.name
    if name not in endpoints_of(config()):
        raise BadInput.in_field("name", f"there is no endpoint {name[:80]!r}")
    found = would_refuse(name, call.now)
    data = {
        "endpoint": name,
        "days": DAYS,
        "origins": [_origin(each) for each in found.origins],
        "more_origins": found.more,
        "unsorted_requests": found.unsorted,
        "refused_already": [_origin(each) for each in found.refused],
    }
    empty = f"nothing: no unlisted origin was let in within {DAYS} days"
    lines = table(data["origins"], _WOULD_COLUMNS, empty=empty)
    if found.more:
        lines.append(f"and {found.more} more origins")
    if found.unsorted:
        lines.append(f"and {found.unsorted} requests of origins without a row of their own")
    if found.refused:
        lines += ["", "refused already, as their tokens do not count there:"]
        lines += table(data["refused_already"], _WOULD_COLUMNS, empty="")
    return Answer(data, lines)


def _origin(each: UnlistedOrigin) -> dict[str, Any]:
    return {
        "origin": each.origin,
        "requests": each.requests,
        "clients": each.clients,
        "exchanges": each.exchanges,
        "first_seen": iso(each.first_seen),
        "last_seen": iso(each.last_seen),
        "address": each.address,
        "user_agent": each.user_agent,
        "set_aside": each.set_aside,
    }


def _enforce(call: Call) -> Answer:
    changes.enforce(call.actor, call.options.name)
    return _said(call, "refuses unlisted origins")


def _said(call: Call, what: str) -> Answer:
    data = next(row for row in endpoint_objects(call.now) if row["name"] == call.options.name)
    return Answer(data, [f"endpoint {data['name']} {what}", *pairs(data)])
