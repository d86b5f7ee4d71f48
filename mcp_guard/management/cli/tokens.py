"""``token``: issue, list, rotate and revoke what clients present."""

from __future__ import annotations

from typing import Any

from mcp_guard import changes
from mcp_guard.changes import IssuedSecret
from mcp_guard.changes.tokens import DEFAULT_OVERLAP
from mcp_guard.management.cli import token_lists
from mcp_guard.management.cli.arguments import (
    SubParsers,
    add_names,
    declare_noun,
    declare_verb,
    distinct,
    duration,
    given,
    moment,
)
from mcp_guard.management.cli.call import Answer, Call
from mcp_guard.management.cli.rows import client_named, scopes_named, token_numbered, user_named
from mcp_guard.management.cli.text import pairs
from mcp_guard.management.cli.token_objects import in_cells, secret_line, token_object
from mcp_guard.models import AllowedOrigin, Client
from mcp_guard.policy.credential import TokenKind

SHOWN_ONCE = "This is the only time the token is shown; only its SHA-256 is stored."


def declare(nouns: SubParsers) -> None:
    """Add the noun and its verbs."""
    verbs = declare_noun(nouns, "token", "what clients present to be let in")
    _declare_issue(verbs)
    token_lists.declare(verbs)
    rotate = declare_verb(verbs, "rotate", _rotate, "give a token a new secret and print it once")
    rotate.add_argument("id", help="its number")
    rotate.add_argument(
        "--overlap", metavar="LENGTH", help="how long the old secret goes on; default 24h, at most 7d"
    )
    rotate.add_argument(
        "--end-older", action="store_true", help="end secrets older than the newest that still work"
    )
    revoke = declare_verb(verbs, "revoke", _revoke, "revoke a token, or all tokens of a client, for good")
    which = revoke.add_mutually_exclusive_group(required=True)
    which.add_argument("id", nargs="?", help="its number")
    which.add_argument("--client", metavar="NAME", help="all tokens of this client")


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


def _rotate(call: Call) -> Answer:
    token = token_numbered(call.options.id)
    values = given(call.options, "overlap")
    overlap = duration(values["overlap"], "overlap") if values else DEFAULT_OVERLAP
    issued = changes.rotate_token(call.actor, token, overlap=overlap, end_older=call.options.end_older)
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
    secrets = [secret_line(secret) for secret in data["secrets"]]
    shown = in_cells(data) | {"secrets": secrets, "token": issued.text}
    lines = [f"{what} token {data['id']}", *pairs(shown), SHOWN_ONCE]
    return Answer(data | {"token": issued.text, "warnings": warnings}, lines, warnings)


def _warnings(client: Client, kind: str) -> list[str]:
    warnings = []
    if kind == TokenKind.ANY.value:
        warnings.append("kind any works from every page and from every server; browser or server bind it")
    if not client.active:
        warnings.append(f"client {client.name} is disabled: the token will not work until it is enabled")
    if kind == TokenKind.BROWSER.value and not AllowedOrigin.objects.filter(client=client).exists():
        warnings.append(f"client {client.name} has no origin: a browser token works only from one of its own")
    return warnings
