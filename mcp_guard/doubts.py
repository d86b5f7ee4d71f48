"""What operators are told of doubtful origins, on screens and by commands."""

from __future__ import annotations

from typing import Final

from django.utils.translation import gettext_lazy as _

from mcp_guard.models import AllowedOrigin
from mcp_guard.policy.lookalike import Doubt, Lookalikes, Warned

_IN_WORDS: Final = {
    Doubt.NULL: _("null names nobody"),
    Doubt.PLAIN_HTTP: _("http: without TLS anybody on the way can be it"),
    Doubt.LOCALHOST: _("a page on the visitor's own machine"),
    Doubt.ADDRESS: _("a raw IP address"),
    Doubt.PORT: _("an unusual port"),
    Doubt.PUNYCODE: _("letters outside of ASCII (punycode)"),
    Doubt.MIXED_SCRIPTS: _("letters of several scripts in one word"),
    Doubt.SAME_HOST: _("same host as %(like)s, another scheme or port"),
    Doubt.CONFUSABLE: _("reads like %(like)s"),
    Doubt.ONE_LETTER: _("one letter from %(like)s"),
    Doubt.CONTAINS: _("has %(like)s in its name, but ends otherwise: somebody else's"),
}


def said(warned: Warned) -> str:
    """Return a warning in words."""
    return str(_IN_WORDS[warned.doubt] % {"like": warned.like})


def lookalikes() -> Lookalikes:
    """Return what tells doubtful origins, given those that are listed now."""
    return Lookalikes(AllowedOrigin.objects.order_by().values_list("origin", flat=True))
