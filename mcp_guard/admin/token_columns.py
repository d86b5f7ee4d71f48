"""What the screens show of a token: never its digest, never more of a secret than its mask."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.contrib import admin
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.timesince import timeuntil
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from mcp_guard.admin import columns, states
from mcp_guard.admin.policy import EDITED_PAST
from mcp_guard.models import Token
from mcp_guard.policy.credential import TokenKind


class TokenColumns:
    """Columns of tokens, for the list and for the page of one."""

    @admin.display(description=gettext_lazy("live secrets"))
    def secrets_shown(self, token: Any) -> SafeString:
        """Return the masks of the secrets that work now, the newest first."""
        now = timezone.now()
        live = [s for s in token.secrets.all() if s.expires_at is None or s.expires_at > now]
        if not live or token.revoked_at is not None or token.expires_at <= now:
            return columns.code(columns.NOTHING)
        shown = ((columns.code(s.mask), _until(s)) for s in live)
        return format_html_join("", '<span class="mcp-guard-secret-mask">{}{}</span>', shown)

    @admin.display(description=gettext_lazy("kind"), ordering="kind")
    def kind_shown(self, token: Token) -> SafeString:
        """Return the kind, the weaker one with a warning."""
        return columns.kind(token.kind)

    @admin.display(description=gettext_lazy("endpoints"))
    def endpoints_shown(self, token: Token) -> SafeString:
        """Return the endpoints that accept it."""
        return columns.endpoints(token.endpoints, getattr(token, "known_endpoints", None))

    @admin.display(description=gettext_lazy("scopes"))
    def scopes_shown(self, token: Token) -> SafeString:
        """Return its scopes."""
        return columns.scopes(token.scopes.all())

    @admin.display(description=gettext_lazy("state"))
    def state_shown(self, token: Token) -> SafeString:
        """Return whether it works, or why not."""
        if not is_usable(token):
            return columns.warning(_("cannot be used"))
        return columns.state(states.of_token(token, timezone.now()))

    def notices(self, row: Token) -> Sequence[str]:
        """Return what keeps the token from working, and what makes it weaker than it could be."""
        notes = []
        found = states.of_token(row, timezone.now())
        if found is states.State.REVOKED:
            notes.append(columns.warning(_("This token is revoked for good and cannot be changed.")))
        elif found not in states.WORKING:
            notes.append(columns.warning(_("This token does not work now: %s.") % states.LABELS[found]))
        if not is_usable(row):
            notes.append(columns.warning(EDITED_PAST))
        if not row.endpoints:
            notes.append(columns.warning(_("It opens nothing: it names no endpoint.")))
        if not row.scopes.all():
            notes.append(columns.warning(_("It opens nothing: it has no scope.")))
        if row.kind == TokenKind.ANY.value:
            notes.append(columns.warning(_("It is of the kind “any”: a leaked one works from everywhere.")))
        return notes


def is_usable(token: Token) -> bool:
    """Return whether the gate can read the row; one that was edited by hand may be broken."""
    return isinstance(token.endpoints, list) and token.kind in {kind.value for kind in TokenKind}


def _until(secret: Any) -> SafeString:
    if secret.expires_at is None:
        return SafeString()
    left = _("for %(time)s") % {"time": timeuntil(secret.expires_at)}
    return format_html(' <span class="mcp-guard-note">{}</span>', left)
