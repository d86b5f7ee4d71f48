"""Changes of tokens: issue, set, rotate, revoke, delete."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from django.core.exceptions import ValidationError
from django.db import models
from django.utils import timezone
from django.views.decorators.debug import sensitive_variables

from mcp_guard.changes.origins import endpoint_errors
from mcp_guard.changes.record import Actor, change, check, fields
from mcp_guard.conf import config
from mcp_guard.models import Client, Scope, Token, TokenSecret
from mcp_guard.tokens import TokenText, digest, mask, mint

MAX_OVERLAP = timedelta(days=7)
"""Longest time for which a rotated secret goes on working."""

DEFAULT_OVERLAP = timedelta(hours=24)
"""How long a rotated secret goes on working when nothing else is said."""

_AUDITED = (
    "client", "user", "name", "kind", "endpoints", "scopes", "not_before", "expires_at", "revoked_at",
)  # fmt: skip


class IssuedSecret(NamedTuple):
    """A token together with its text, which exists nowhere else and is shown once."""

    token: Token
    text: TokenText

    def __repr__(self) -> str:
        """Return a representation that may stand in a traceback: without the text."""
        return f"IssuedSecret({self.token!r}, {mask(self.text)})"


@sensitive_variables("text")
def issue_token(
    actor: Actor,
    *,
    client: Client,
    name: str,
    scopes: Sequence[Scope] = (),
    expires_at: datetime | None = None,
    **values: Any,
) -> IssuedSecret:
    """Issue a token; without ``expires_at`` it lives as long as the setting TOKEN_DAYS says.

    Raises:
        ValidationError: by field.
    """
    default = timezone.now() + timedelta(days=config().token_days)
    with change(actor, "token:issue") as recorded:
        token = Token(client=client, name=name, expires_at=expires_at or default, **values)
        _write(token, scopes, is_new=True)
        text = _add_secret(token)
        recorded.subject, recorded.subject_id = str(token), str(token.pk)
        recorded.after = fields(token, *_AUDITED)
    return IssuedSecret(token, text)


def set_token(actor: Actor, token: Token, *, scopes: Sequence[Scope] | None = None, **values: Any) -> Token:
    """Change fields of a token that is not revoked.

    Raises:
        ValidationError: by field.
    """
    with change(actor, "token:set") as recorded:
        token = _lock(token)
        recorded.before = fields(token, *_AUDITED)
        expires_before = token.expires_at
        for field_name, value in values.items():
            setattr(token, field_name, value)
        _write(token, scopes, is_new=token.expires_at != expires_before)
        recorded.subject, recorded.subject_id = str(token), str(token.pk)
        recorded.after = fields(token, *_AUDITED)
    return token


@sensitive_variables("text")
def rotate_token(
    actor: Actor,
    token: Token,
    *,
    overlap: timedelta = DEFAULT_OVERLAP,
    newest: int | None = None,
    end_older: bool = False,
) -> IssuedSecret:
    """Give a token a new secret; the newest old one goes on working for ``overlap``, others end now.

    ``newest`` is the key of the secret that the operator has been shown as the newest, so that what is
    sent twice rotates once. Older secrets that still work end only with ``end_older``: one of them may be
    the one that is in use.

    Raises:
        ValidationError: when the token is revoked or expired, the overlap is longer than 7 days, another
            secret is the newest by now, or an older one still works and ``end_older`` does not say so.
    """
    now = timezone.now()
    if not timedelta(0) <= overlap <= MAX_OVERLAP:
        raise ValidationError({"overlap": ["the old secret may go on for at most 7 days"]})
    with change(actor, "token:rotate") as recorded:
        token = _lock(token)
        if token.expires_at <= now:
            raise ValidationError("the token has expired; issue a new one")
        secrets = list(token.secrets.all())
        if newest is not None and newest not in {secret.pk for secret in secrets[:1]}:
            raise ValidationError("the token was rotated meanwhile: look at it again")
        live = live_secrets(secrets, now)
        if live[1:] and not end_older:
            raise ValidationError({"end_older": [_older_error(secret) for secret in live[1:]]})
        recorded.before = {"secrets": [secret.mask for secret in live]}
        for position, secret in enumerate(live):
            end = now + overlap if position == 0 else now
            secret.expires_at = min(end, secret.expires_at or end)
            secret.save()
        text = _add_secret(token)
        recorded.subject, recorded.subject_id = str(token), str(token.pk)
        recorded.after = {"secrets": [mask(text)], "overlap_seconds": int(overlap.total_seconds())}
    return IssuedSecret(token, text)


def latest_expiry(token: Token) -> datetime:
    """Return when a token has to expire: TOKEN_MAX_DAYS after its newest secret was made, or from now."""
    is_new = token._state.adding  # noqa: SLF001 (Django documents it)
    newest = None if is_new else token.secrets.first()
    begin = timezone.now() if newest is None else newest.created_at
    return begin + timedelta(days=config().token_max_days)


def live_secrets(secrets: Iterable[TokenSecret], now: datetime) -> list[TokenSecret]:
    """Return those secrets that have not ended, in the order given."""
    return [secret for secret in secrets if secret.expires_at is None or secret.expires_at > now]


def revoke_token(actor: Actor, token: Token) -> Token:
    """Revoke a token for good; one that is revoked already stays as it is."""
    if token.revoked_at is not None:
        return token
    with change(actor, "token:revoke") as recorded:
        token = Token.objects.select_for_update().get(pk=token.pk)
        recorded.before = fields(token, "revoked_at")
        token.revoked_at = token.revoked_at or timezone.now()
        token.save()
        recorded.subject, recorded.subject_id = str(token), str(token.pk)
        recorded.after = fields(token, "revoked_at")
    return token


def revoke_client_tokens(actor: Actor, client: Client) -> int:
    """Revoke every token of a client and return how many that were."""
    with change(actor, "client:revoke-tokens") as recorded:
        live = client.tokens.filter(revoked_at=None)
        recorded.before = {"tokens": sorted(str(token) for token in live)}
        count = int(live.update(revoked_at=timezone.now()))
        recorded.subject, recorded.subject_id = client.name, str(client.pk)
        recorded.after = {"revoked": count}
    return count


def delete_token(actor: Actor, token: Token) -> None:
    """Delete a token and its secrets; what was recorded about it stays."""
    with change(actor, "token:delete") as recorded:
        recorded.subject, recorded.subject_id = str(token), str(token.pk)
        recorded.before = fields(token, *_AUDITED)
        token.delete()


def _lock(token: Token) -> Token:
    found: Token = Token.objects.select_for_update().get(pk=token.pk)
    if found.revoked_at is not None:
        raise ValidationError("the token is revoked; issue a new one")
    return found


@sensitive_variables("text")
def _add_secret(token: Token) -> TokenText:
    text = mint()
    TokenSecret(token=token, digest=digest(text).hex(), mask=mask(text)).save()
    return text


def _older_error(secret: TokenSecret) -> str:
    until = f" until {_minute(secret.expires_at)}" if secret.expires_at else ""
    return f"the older secret {secret.mask} still works{until}, and rotating again ends it now: confirm that"


def _minute(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def _write(token: Token, scopes: Sequence[Scope] | None, *, is_new: bool) -> None:
    check(
        token,
        endpoints=endpoint_errors(token.endpoints),
        expires_at=_expiry_errors(token) if is_new else [],
        not_before=_not_before_errors(token),
    )
    token.save()
    if scopes is not None:
        token.scopes.set(scopes)


def _expiry_errors(token: Token) -> list[str]:
    now, longest = timezone.now(), config().token_max_days
    if token.expires_at <= now:
        return ["this moment has passed"]
    latest = latest_expiry(token)
    if token.expires_at <= latest + timedelta(minutes=1):
        return []
    text = f"a token lives at most {longest} days (MCP_GUARD['TOKEN_MAX_DAYS'])"
    if token._state.adding:  # noqa: SLF001 (Django documents it)
        return [text]
    return [f"{text} with one secret, which is until {_minute(latest)}: rotate it first"]


def _not_before_errors(token: Token) -> list[str]:
    if token.not_before is not None and token.not_before >= token.expires_at:
        return ["it would begin after it has expired"]
    return []


def delete_user_tokens(user: models.Model) -> None:
    """Delete the tokens of a user who is about to be deleted, each as a change of its own."""
    for token in Token.objects.filter(user_id=user.pk):
        delete_token(Actor("deletion of the user"), token)
