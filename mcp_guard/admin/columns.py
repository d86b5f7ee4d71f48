"""How values of policy are shown: escaped, in their own direction, and with a word beside each colour."""

from __future__ import annotations

import unicodedata
from collections.abc import Collection, Iterable
from datetime import datetime
from typing import Final

from django.utils import timezone
from django.utils.formats import localize
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from mcp_guard import conf
from mcp_guard.admin.states import LABELS, WORKING, State
from mcp_guard.conf.servers import PREFIX
from mcp_guard.endpoints import endpoints_of
from mcp_guard.forms.fields import is_grant
from mcp_guard.policy.credential import TokenKind
from mcp_guard.policy.origin import OriginError, canonical

NOTHING: Final = "-"


def warning(text: object) -> SafeString:
    """Return a text marked as something to look at."""
    return format_html('<span class="mcp-guard-warning"><span aria-hidden="true">⚠ </span>{}</span>', text)


def code(text: object) -> SafeString:
    """Return a text as it stands, able to wrap, without turning the direction of what follows."""
    return format_html('<bdi class="mcp-guard-code">{}</bdi>', text)


def moment(text: str) -> str:
    """Return an ISO 8601 moment in the project's zone, as people read it."""
    return localize(timezone.localtime(datetime.fromisoformat(text)))


def endpoints(stored: object, known: Collection[str] | None = None) -> SafeString:
    """Return the endpoints of a row, marking none, undeclared ones and what is no list.

    ``known`` are those that there are, where somebody has asked already.
    """
    if not isinstance(stored, list):
        return warning(_("not a list of names: opens nothing"))
    if not stored:
        return warning(_("opens nothing"))
    declared = _declared(list(map(str, stored))) if known is None else known
    return _joined(
        code(name) if name in declared else warning(_("%(name)s (not declared)") % {"name": name})
        for name in map(str, stored)
    )


def _declared(names: list[str]) -> Collection[str]:
    """Return the endpoints that there are; rows of servers are asked only where one of them is named."""
    settings = conf.parse()
    of_servers = any(name.startswith(PREFIX) for name in names)
    return endpoints_of(settings) if of_servers else settings.endpoints


def grants(stored: object) -> SafeString:
    """Return the grants of a scope, marking none and what is no list."""
    if not isinstance(stored, list):
        return warning(_("not a list of grants: opens nothing"))
    if not stored:
        return warning(_("opens nothing"))
    return _joined(map(_grant, stored))


def _grant(stored: object) -> SafeString:
    return code(stored) if is_grant(stored) else warning(_("%(grant)s (no grant)") % {"grant": stored})


def scopes(found: Iterable[object]) -> SafeString:
    """Return the names of scopes, marking none."""
    names = [code(scope) for scope in found]
    return _joined(names) if names else warning(_("opens nothing"))


def kind(stored: str) -> SafeString:
    """Return the kind of a token, the weaker one with a warning."""
    if stored not in {known.value for known in TokenKind}:
        return warning(_("%(kind)s: no such kind") % {"kind": stored})
    if stored == TokenKind.ANY.value:
        return warning(_("any: works from everywhere"))
    return code(stored)


def state(found: State) -> SafeString:
    """Return the state of a row: a word, and a class for its colour."""
    working = "on" if found in WORKING else "off"
    return format_html(
        '<span class="mcp-guard-state mcp-guard-{}" data-state="{}">{}</span>',
        working, found.value, LABELS[found],
    )  # fmt: skip


def origin(text: str) -> SafeString:
    """Return an origin; below an internationalized one how people read it, below a broken one why."""
    note = _origin_note(text)
    return format_html('<span class="mcp-guard-origin">{}{}</span>', code(text), note)


def _origin_note(text: str) -> SafeString:
    try:
        known = canonical(text)
    except OriginError as error:
        return _note(warning(error))
    if known != text:
        return _note(warning(_("not as browsers send it (%(known)s): never matches") % {"known": known}))
    unicode_form = readable(text)
    if unicode_form is None:
        return SafeString()
    return _note(format_html("{} {}", _("in Unicode:"), code(unicode_form)))


def _note(text: SafeString) -> SafeString:
    return format_html('<span class="mcp-guard-note">{}</span>', text)


def readable(text: str) -> str | None:
    """Return the Unicode form of a canonical origin; None when none leads back to it (RFC 3490 section 4.2).

    A label with anything but letters, digits, marks and hyphens has none: what looks like a dot or a slash
    would make one host look like another.
    """
    scheme, separator, authority = text.partition("://")
    labels = authority.split(".")
    if not any(label.startswith("xn--") for label in labels):
        return None
    try:
        return scheme + separator + ".".join(map(_unicode_label, labels))
    except UnicodeError:
        return None


def _unicode_label(label: str) -> str:
    """Return one label in Unicode; the last one may have a port behind it."""
    name, colon, port = label.partition(":")
    if not name.startswith("xn--"):
        return label
    decoded = name.encode("ascii").decode("idna")
    if not all(sign == "-" or unicodedata.category(sign)[0] in "LNM" for sign in decoded):
        raise UnicodeError
    return decoded + colon + port


def _joined(parts: Iterable[SafeString]) -> SafeString:
    return format_html(
        '<span class="mcp-guard-names">{}</span>', format_html_join(" ", "{}", ((part,) for part in parts))
    )
