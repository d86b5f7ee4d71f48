"""What an admitted exchange carries inwards: the decision itself, never a header that says so.

It stands in the scope and on the request as an object, so nothing that a client can send looks like it.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Hashable, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final

from django.contrib.auth import get_user_model
from django.contrib.auth.models import AnonymousUser
from django.utils.functional import SimpleLazyObject

from mcp_guard.policy.content import has_body
from mcp_guard.policy.credential import (
    offers_token,
    without_cookies,
    without_offered_token,
    without_parameter,
)
from mcp_guard.policy.decision import Admitted, Principal
from mcp_guard.policy.endpoint import Endpoint, Profile
from mcp_guard.policy.facts import RequestHead, with_headers
from mcp_guard.policy.scopes import Operation
from mcp_guard.wire import SERVER_SEND, Scope

KEY: Final = "mcp_guard"
"""Where the passage is: ``scope["mcp_guard"]`` and ``request.mcp_guard``."""

IN_PART: Final = frozenset({b"cookie", b"sec-websocket-protocol"})
"""Headers of whose value a part may be a credential."""


Line = tuple[bytes, bytes]
PickKept = Callable[[Iterable[Line]], list[Line]]

Permitted = dict[Operation, float]
"""What was permitted lately, until which monotonic time it need not be asked again."""


class Passage:
    """An exchange that was let in, and the endpoint whose gate it passed. Requests that are alike share one.

    ``pick_kept`` returns, of the lines of its head, those that an application gets, where that is known
    without looking at them. ``has_body`` says whether its method gives a body a meaning, ``principal`` who it
    acts for. ``party`` is whose slots it takes, ``slots`` which ones a socket takes that it opens; both are
    None until somebody has asked. ``permitted`` is what its admission was found to permit, which all requests
    share that are recalled alike. ``added`` is what is added to the headers of most answers to it, where that
    is worth keeping.
    """

    __slots__ = (
        "_inward",
        "added",
        "admitted",
        "endpoint",
        "has_body",
        "head",
        "party",
        "permitted",
        "pick_kept",
        "prepared",
        "principal",
        "slots",
    )

    def __init__(
        self,
        endpoint: str,
        head: RequestHead,
        admitted: Admitted,
        pick_kept: PickKept | None = None,
        permitted: Permitted | None = None,
    ) -> None:
        self.endpoint = endpoint
        self.head = head
        self.has_body = has_body(head)
        self.admitted = admitted
        self.principal = admitted.principal
        self.pick_kept = pick_kept
        self.permitted: Permitted = {} if permitted is None else permitted
        self.party: Hashable = None
        self.prepared: Mapping[str, tuple[str, str]] | None = None
        self.slots: Sequence[tuple[Hashable, int]] | None = None
        self._inward: Passage | None = None
        self.added: tuple[Line, ...] | None = None

    def inward(self, endpoint: Endpoint) -> Passage:
        """Return the passage as the guarded application gets it: its head, read-only, without credentials."""
        if self._inward is None:
            self._inward = Passage(self.endpoint, _inward_head(self.head, endpoint), self.admitted)
        return self._inward


def _inward_head(head: RequestHead, endpoint: Endpoint) -> RequestHead:
    headers = {**head.headers}
    for carrier in endpoint.credential_headers:
        headers.pop(carrier, None)
    if not IN_PART.isdisjoint(headers):
        headers = dict(_without_parts([*headers.items()], endpoint))
    head = with_headers(head, MappingProxyType(headers))
    if head.exchange.is_websocket:
        head = head._replace(query=without_ticket(head.query, endpoint))
    return head


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
    lines, pick_kept = scope["headers"], passage.pick_kept
    inner = {**scope}  # what follows takes longer as a part of it
    inner["headers"] = without_credentials(lines, endpoint) if pick_kept is None else pick_kept(lines)
    inner[KEY] = passage._inward or passage.inward(endpoint)  # noqa: SLF001 (its own module)
    inner["user"] = user_of(passage.principal)
    if scope["type"] == "websocket":
        inner.pop(SERVER_SEND, None)
        if scope.get("query_string"):
            inner["query_string"] = without_ticket(scope["query_string"], endpoint)
        if scope.get("subprotocols"):
            inner["subprotocols"] = _without_tokens(scope["subprotocols"])
    inner.pop("session", None)  # what outer applications leave there is not the guarded one's business
    inner.pop("cookies", None)
    return inner


def inner_lines(lines: list[Line], endpoint: Endpoint, passage: Passage) -> list[Line]:
    """Return, of the lines of a head that was let in, those that the guarded application gets."""
    if passage.pick_kept is None:
        return without_credentials(lines, endpoint)
    return passage.pick_kept(lines)


def _without_tokens(offered: Sequence[str]) -> list[str]:
    return [name for name in offered if not offers_token(name.encode("latin-1", "replace"))]


def without_ticket(query: bytes, endpoint: Endpoint) -> bytes:
    """Return the query string of a WebSocket without the credential that it may carry."""
    if not query or endpoint.forward_authorization:
        return query
    without = without_parameter(query, "ticket")
    return without_parameter(without, "nonce") if endpoint.profile is Profile.LOCAL else without


def without_credentials(headers: list[Line], endpoint: Endpoint) -> list[Line]:
    """Return the headers without tokens, the cookies that log a user in, and what may be taken for others."""
    carriers, has_parts = endpoint.credential_headers, False
    kept: list[Line] = []
    for line in headers:
        name = line[0]
        if name not in carriers and not (b"_" in name and is_alias(name, carriers)):
            kept.append(line)
            has_parts = has_parts or name in IN_PART
    return _without_parts(kept, endpoint) if has_parts else kept


def _without_parts(headers: list[Line], endpoint: Endpoint) -> list[Line]:
    """Return the headers without the parts of a value that are a credential."""
    kept: list[Line] = []
    for name, value in headers:
        if name == b"cookie":
            value = without_cookies(value, endpoint.stripped_cookies)  # noqa: PLW2901 (the same header)
        elif name == b"sec-websocket-protocol":
            value = without_offered_token(value)  # noqa: PLW2901 (the same header)
        if value or name not in IN_PART:
            kept.append((name, value))
    return kept


def is_alias(name: bytes, carriers: Container[bytes]) -> bool:
    """Return whether some application could take a header for one of MCP's that was judged (``mcp_name``).

    Or for one of these that carry a credential, of which it would be another one than was judged.
    """
    if b"_" not in name:
        return False
    taken_for = name.replace(b"_", b"-")
    return taken_for.startswith(b"mcp-") or taken_for in carriers


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
