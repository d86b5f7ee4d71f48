"""What an admitted exchange carries inwards: the decision itself, never a header that says so.

It stands in the scope and on the request as an object, so nothing that a client can send looks like it.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from django.contrib.auth import get_user_model
from django.contrib.auth.models import AnonymousUser
from django.utils.functional import SimpleLazyObject

from mcp_guard.policy.credential import without_cookies
from mcp_guard.policy.decision import Admitted, Principal
from mcp_guard.policy.endpoint import Endpoint
from mcp_guard.policy.facts import RequestHead
from mcp_guard.wire import Scope

KEY: Final = "mcp_guard"
"""Where the passage is: ``scope["mcp_guard"]`` and ``request.mcp_guard``."""


class Passage(NamedTuple):
    """An exchange that was let in, and the endpoint whose gate it passed."""

    endpoint: str
    head: RequestHead
    admitted: Admitted

    @property
    def principal(self) -> Principal:
        """Who the exchange acts for."""
        return self.admitted.principal


def of_scope(scope: Scope, endpoint: Endpoint) -> Passage | None:
    """Return the passage through the gate of this endpoint; another endpoint's does not count."""
    passage = scope.get(KEY)
    if isinstance(passage, Passage) and passage.endpoint == endpoint.name:
        return passage
    return None


def inner_scope(scope: Scope, endpoint: Endpoint, passage: Passage) -> dict[str, Any]:
    """Return the scope that the guarded application gets: without credentials, with the principal.

    The user that an outer middleware found by a cookie is replaced: the application must not act for
    another party than the one that was let in.
    """
    inner = dict(scope)
    inner["headers"] = without_credentials(scope["headers"], endpoint)
    inner[KEY] = inward(passage, endpoint)
    inner["user"] = user_of(passage.principal)
    inner.pop("session", None)
    inner.pop("cookies", None)
    return inner


def inward(passage: Passage, endpoint: Endpoint) -> Passage:
    """Return the passage as the guarded application gets it: its head without credentials too."""
    headers = dict(without_credentials([*passage.head.headers.items()], endpoint))
    return passage._replace(head=passage.head._replace(headers=headers))


def without_credentials(headers: list[tuple[bytes, bytes]], endpoint: Endpoint) -> list[tuple[bytes, bytes]]:
    """Return the headers without tokens and without the cookies that log a user in."""
    kept: list[tuple[bytes, bytes]] = []
    for name, value in headers:
        if name == b"cookie":
            value = without_cookies(value, endpoint.stripped_cookies)  # noqa: PLW2901 (the same header)
            if not value:
                continue
        elif is_credential(name, endpoint):
            continue
        kept.append((name, value))
    return kept


def is_credential(name: bytes, endpoint: Endpoint) -> bool:
    """Return whether a header carries a token that the inner application must not see."""
    if name == b"authorization":
        return not endpoint.forward_authorization
    return name == endpoint.token_header and name != b"cookie"


def user_of(principal: Principal) -> Any:
    """Return the Django user a principal acts for, fetched when first looked at, or an anonymous one."""
    if principal.user_id is None:
        return AnonymousUser()
    user_id = principal.user_id
    return SimpleLazyObject(lambda: _fetch(user_id))


async def auser_of(principal: Principal) -> Any:
    """Return the Django user a principal acts for, or an anonymous one."""
    if principal.user_id is None:
        return AnonymousUser()
    user = await get_user_model()._default_manager.filter(pk=principal.user_id).afirst()
    return AnonymousUser() if user is None else user


def _fetch(user_id: int) -> Any:
    user = get_user_model()._default_manager.filter(pk=user_id).first()
    return AnonymousUser() if user is None else user
