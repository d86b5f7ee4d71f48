"""``token``: issue, list, rotate and revoke what clients present."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from mcp_guard import changes
from mcp_guard.changes import IssuedSecret
from mcp_guard.changes.tokens import DEFAULT_OVERLAP
from mcp_guard.management.cli.arguments import (
    SubParsers,
    add_names,
    days,
    declare_noun,
    declare_verb,
    distinct,
    duration,
    given,
    moment,
)
from mcp_guard.management.cli.call import Answer, Call
from mcp_guard.management.cli.rows import client_named, names_in, scopes_named, token_numbered, user_named
from mcp_guard.management.cli.text import iso, pairs, table
from mcp_guard.models import AllowedOrigin, Client, Token
from mcp_guard.policy.credential import TokenKind
from mcp_guard.token_state import TokenState, token_state

SHOWN_ONCE = "This is the only time the token is shown; only its SHA-256 is stored."

_COLUMNS = ("id", "client", "name", "kind", "user", "endpoints", "scopes", "state", "expires_at")


def declare(nouns: SubParsers) -> None:
    """Add the noun and its verbs."""
    verbs = declare_noun(nouns, "token", "what clients present to be let in")
    _declare_issue(verbs)
    find = declare_verb(verbs, "list", _list, "list tokens; never their texts")
    find.add_argument("--client", metavar="NAME", help="only those of this client")
    find.add_argument("--endpoint", metavar="ENDPOINT", help="only those that this endpoint accepts")
    find.add_argument("--live", action="store_true", help="only those that work now")
    rotate = declare_verb(verbs, "rotate", _rotate, "give a token a new secret and print it once")
    rotate.add_argument("id", help="its number")
    rotate.add_argument(
        "--overlap", metavar="LENGTH", help="how long the old secret goes on; default 24h, at most 7d"
    )
    revoke = declare_verb(verbs, "revoke", _revoke, "revoke a token, or all tokens of a client, for good")
    which = revoke.add_mutually_exclusive_group(required=True)
    which.add_argument("id", nargs="?", help="its number")
    which.add_argument("--client", metavar="NAME", help="all tokens of this client")
    expiring = declare_verb(verbs, "expiring", _expiring, "list tokens that expire soon, soonest first")
    expiring.add_argument("--days", default="30", metavar="N", help="within so many days; default 30")


def _declare_issue(verbs: SubParsers) -> None:
    issue = declare_verb(verbs, "issue", _issue, "issue a token and print its text once")
    issue.add_argument("--client", required=True, metavar="NAME", help="whose token it is")
    issue.add_argument("--name", required=True, help="what it is for")
    add_names(issue, "--endpoint", "endpoints that accept it", required=True)
    add_names(issue, "--scope", "what it may do", required=True)
    issue.add_argument(
        "--kind",
        choices=[kind.value for kind in TokenKind],
        default=TokenKind.SERVER.value,
        help="server (default): never with an Origin; browser: only from its client's origins; any: both",
    )
    issue.add_argument("--user", metavar="NAME", help="the Django user that requests with it act for")
    issue.add_argument("--not-before", metavar="T", help="when it begins to work: 12h, an ISO time")
    issue.add_argument("--expires", metavar="T", help="when it ends: 30d, an ISO time; default 90d")


def token_object(token: Token, now: datetime) -> dict[str, Any]:
    """Return a token as ``--json`` prints it, without any text or digest."""
    return {
        "id": token.pk,
        "client": token.client.name,
        "name": token.name,
        "kind": token.kind,
        "user": token.user.get_username() if token.user else None,
        "endpoints": token.endpoints,
        "scopes": sorted(scope.name for scope in token.scopes.all()),
        "state": token_state(token, now).value,
        "not_before": iso(token.not_before),
        "expires_at": iso(token.expires_at),
        "revoked_at": iso(token.revoked_at),
        "created_at": iso(token.created_at),
        "secrets": [
            {"mask": secret.mask, "created_at": iso(secret.created_at), "expires_at": iso(secret.expires_at)}
            for secret in token.secrets.all()
        ],
    }


def _issue(call: Call) -> Answer:
    options = call.options
    values: dict[str, Any] = {"kind": options.kind, "endpoints": distinct(options.endpoint)}
    if options.user is not None:
        values["user"] = user_named(options.user)
    if options.not_before is not None:
        values["not_before"] = moment(options.not_before, call.now, "not_before")
    if options.expires is not None:
        values["expires_at"] = moment(options.expires, call.now, "expires_at")
    client = client_named(options.client)
    issued = changes.issue_token(
        call.actor, client=client, name=options.name, scopes=scopes_named(options.scope), **values
    )
    return _shown_once("issued", issued, call, _warnings(client, options.kind))


def _list(call: Call) -> Answer:
    found = _tokens()
    if call.options.client is not None:
        found = found.filter(client=client_named(call.options.client))
    wanted = call.options.endpoint
    rows = [
        token_object(token, call.now)
        for token in found
        if wanted is None or wanted in names_in(token.endpoints)
    ]
    if call.options.live:
        rows = [row for row in rows if row["state"] == TokenState.LIVE.value]
    return Answer(rows, table(rows, _COLUMNS, empty="no tokens"))


def _expiring(call: Call) -> Answer:
    until = call.now + days(call.options.days, "days")
    found = _tokens().filter(revoked_at=None, expires_at__gt=call.now, expires_at__lte=until)
    rows = [token_object(token, call.now) for token in found.order_by("expires_at", "pk")]
    return Answer(rows, table(rows, _COLUMNS, empty=f"no token expires within {call.options.days} days"))


def _rotate(call: Call) -> Answer:
    token = token_numbered(call.options.id)
    values = given(call.options, "overlap")
    overlap = duration(values["overlap"], "overlap") if values else DEFAULT_OVERLAP
    issued = changes.rotate_token(call.actor, token, overlap=overlap)
    return _shown_once("rotated", issued, call, [])


def _revoke(call: Call) -> Answer:
    if call.options.client is not None:
        client = client_named(call.options.client)
        count = changes.revoke_client_tokens(call.actor, client)
        return Answer(
            {"client": client.name, "revoked": count}, [f"revoked {count} tokens of client {client.name}"]
        )
    token = token_numbered(call.options.id)
    was = "was revoked before: " if token.revoked_at else "revoked "
    data = token_object(changes.revoke_token(call.actor, token), call.now)
    return Answer(data, [f"{was}token {data['id']}, {data['name']} of client {data['client']}"])


def _shown_once(what: str, issued: IssuedSecret, call: Call, warnings: list[str]) -> Answer:
    data = token_object(issued.token, call.now)
    secrets = [_secret_line(secret) for secret in data["secrets"]]
    shown = data | {"secrets": secrets, "token": issued.text}
    lines = [f"{what} token {data['id']}", *pairs(shown), SHOWN_ONCE]
    return Answer(data | {"token": issued.text, "warnings": warnings}, lines, warnings)


def _secret_line(secret: dict[str, Any]) -> str:
    return f"{secret['mask']} until {secret['expires_at']}" if secret["expires_at"] else str(secret["mask"])


def _warnings(client: Client, kind: str) -> list[str]:
    warnings = []
    if kind == TokenKind.ANY.value:
        warnings.append("kind any works from every page and from every server; browser or server bind it")
    if not client.active:
        warnings.append(f"client {client.name} is disabled: the token will not work until it is enabled")
    if kind == TokenKind.BROWSER.value and not AllowedOrigin.objects.filter(client=client).exists():
        warnings.append(f"client {client.name} has no origin: a browser token works only from one of its own")
    return warnings


def _tokens() -> Any:
    return Token.objects.select_related("client", "user").prefetch_related("scopes", "secrets")
