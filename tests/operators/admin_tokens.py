"""The forms of tokens as an operator sends them, and the text that comes back."""

from __future__ import annotations

import re

from django.utils import timezone

from mcp_guard.tokens import is_well_formed

ADD = "/admin/mcp_guard/token/add/"
TEXT = re.compile(r"mcpg_[0-9A-Za-z]{49}")


def form(owner, **values):
    return {"client": owner.pk, "name": "ci", "kind": "server", "endpoints": ["notes"]} | values


def rotation(token, overlap):
    """Return the form that rotates a token, as its page would send it now."""
    return {"overlap": str(overlap), "newest": str(token.secrets.first().pk)}


def text_of(response) -> str:
    """Return the one token text of a page."""
    assert response.status_code == 200
    (text,) = set(TEXT.findall(response.content.decode()))
    assert is_well_formed(text)
    return text


def changed(token):
    """Return the change form of a token with another name."""
    expires = timezone.localtime(token.expires_at)
    return {
        "name": "changed",
        "kind": token.kind,
        "endpoints": token.endpoints,
        "scopes": [scope.pk for scope in token.scopes.all()],
        "expires_at_0": f"{expires:%Y-%m-%d}",
        "expires_at_1": f"{expires:%H:%M:%S}",
    }
