"""What the screens show of the use of a token: when, from where, which secret, which grants."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any, Final

from django.contrib import admin
from django.utils import timezone
from django.utils.formats import localize
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from mcp_guard.admin import columns
from mcp_guard.models import Token, TokenUse
from mcp_guard.token_uses import GrantSeen, grants_of, last_use, last_use_of_secret

MOST_GRANTS: Final = 200
"""How many grants of a token are shown on its page."""


class UseColumns:
    """Columns of the use of tokens, for the list and for the page of one."""

    @admin.display(description=gettext_lazy("last used"), ordering="last_used_at")
    def last_used_shown(self, token: Token) -> SafeString:
        """Return when the token was last used, and from where."""
        return used(last_use(token))

    @admin.display(description=gettext_lazy("live secrets"))
    def secrets_used_shown(self, token: Token) -> SafeString:
        """Return the secrets that work, the newest first, with when each was last used."""
        now = timezone.now()
        live = [s for s in token.secrets.all() if s.expires_at is None or s.expires_at > now]
        if not live or token.revoked_at is not None or token.expires_at <= now:
            return columns.code(columns.NOTHING)
        rows = [
            (short(columns.code(each.mask)), short(_end(each)), used(last_use_of_secret(token, each.pk)))
            for each in live
        ]
        return _table((_("secret"), _("works until"), _("last used")), rows)

    @admin.display(description=gettext_lazy("used by"))
    def used_by_shown(self, token: Token) -> SafeString:
        """Return a table of who uses the token."""
        rows = [
            (
                columns.code(use.address or columns.NOTHING),
                columns.code(use.user_agent or columns.NOTHING),
                short(use.endpoint),
                short(columns.code(use.secret.mask)),
                short(moment(use.last_at)),
            )
            for use in token.uses.all()
        ]
        heads = (_("client address"), _("user agent"), _("endpoint"), _("secret"), _("last used"))
        return _table(heads, rows) if rows else format_html("{}", _("nobody yet"))

    @admin.display(description=gettext_lazy("grants"))
    def grants_shown(self, token: Token) -> SafeString:
        """Return a table of its grants with when each last opened something."""
        seen = grants_of(token, timezone.now())
        if not seen:
            return columns.warning(_("opens nothing"))
        rows = [(columns.code(each.grant), _grant_used(each)) for each in seen[:MOST_GRANTS]]
        more = len(seen) - len(rows)
        note = format_html("<p>{}</p>", _("and %(count)d more") % {"count": more}) if more else SafeString()
        return format_html("{}{}", _table((_("grant"), _("last used")), rows), note)


def used(use: TokenUse | None) -> SafeString:
    """Return when a use was and from where; that there was none, in words."""
    if use is None:
        return format_html('<span class="mcp-guard-note">{}</span>', _("never"))
    place = format_html(
        '<span class="mcp-guard-note">{} {}</span>', columns.code(use.address), columns.code(use.endpoint)
    )
    return format_html("{}{}", short(moment(use.last_at)), place)


def short(text: object) -> SafeString:
    """Return a text that stays on one line."""
    return format_html('<span class="mcp-guard-short">{}</span>', text)


def moment(at: datetime) -> str:
    """Return a moment in the reader's form and time zone."""
    return str(localize(timezone.localtime(at)))


def _grant_used(seen: GrantSeen) -> SafeString:
    when = moment(seen.last_at) if seen.last_at else _("never")
    if seen.is_idle:
        return columns.warning(_("%(when)s: not in 30 days") % {"when": when})
    return format_html("{}", when)


def _end(secret: Any) -> str:
    return str(_("the token's end")) if secret.expires_at is None else moment(secret.expires_at)


def _table(heads: Iterable[str], rows: Iterable[tuple[Any, ...]]) -> SafeString:
    heads = list(heads)
    head = format_html_join("", '<th scope="col">{}</th>', ((each,) for each in heads))
    body = format_html_join("", "<tr>{}</tr>", ((_cells(heads, row),) for row in rows))
    return format_html(
        '<table class="mcp-guard-table mcp-guard-stack"><thead><tr>{}</tr></thead><tbody>{}</tbody></table>',
        head, body,
    )  # fmt: skip


def _cells(heads: Iterable[str], row: tuple[Any, ...]) -> SafeString:
    return format_html_join("", '<td data-label="{}">{}</td>', zip(heads, row, strict=True))
