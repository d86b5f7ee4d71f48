"""Which secret of a token is used from where, and which of its grants: noted in memory, written in batches.

A use is noted once a minute for each secret, endpoint and caller. Whoever comes again within the minute
costs two look-ups, so that this may stand on the path of every request.
"""

from __future__ import annotations

import os
import threading
from itertools import islice
from typing import Final, Generic, NamedTuple, TypeVar

from mcp_guard.audit import use_rows
from mcp_guard.audit.bounded import text
from mcp_guard.audit.use_rows import GrantUsed, TokenUsed
from mcp_guard.policy.decision import Principal
from mcp_guard.policy.endpoint import Endpoint, Messages
from mcp_guard.policy.facts import Exchange, RequestHead
from mcp_guard.policy.proxies import client_address
from mcp_guard.policy.scopes import Grants, Operation, over_http

SECONDS: Final = 60.0
"""How long a use is not noted again."""

MOST_CALLERS: Final = 8
"""How many callers of one secret on one endpoint are noted within that time; the others are not."""

MOST_NOTED: Final = 20_000
"""How many secrets, and how many grants, are remembered as noted; without room a use is not noted."""

MOST_WAITING: Final = 20_000
"""How many uses wait to be written at most, as long as the database does not take them."""

BATCH: Final = 500
"""How many uses are written in one transaction."""

_NOTHING: Final[dict[str, float]] = {}

Used = TypeVar("Used", TokenUsed, GrantUsed)


class _Caller(NamedTuple):
    peer: str
    forwarded: bytes | None
    user_agent: bytes | None


class _Noted:
    """What was noted of one secret on one endpoint, until when, and who called last."""

    __slots__ = ("callers", "last", "until")

    def __init__(self, until: float) -> None:
        self.until = until
        self.callers: set[_Caller] = set()
        self.last = _Caller("", None, None)

    def is_last(self, head: RequestHead) -> bool:
        headers, last = head.headers, self.last
        return (
            last.peer == head.peer
            and last.user_agent == headers.get(b"user-agent")
            and last.forwarded == headers.get(b"x-forwarded-for")
        )


class _Waiting(Generic[Used]):
    """What was used and when last, on its way into the database."""

    def __init__(self) -> None:
        self._moments: dict[Used, float] = {}

    def __len__(self) -> int:
        return len(self._moments)

    def put(self, used: Used, now: float) -> None:
        if used in self._moments or len(self._moments) < MOST_WAITING:
            self._moments[used] = now

    def take(self) -> dict[Used, float]:
        taken = dict(islice(self._moments.items(), BATCH))
        for used in taken:
            del self._moments[used]
        return taken

    def put_back(self, taken: dict[Used, float]) -> None:
        self._moments = {**taken, **self._moments}


class Uses:
    """The uses that one process saw. Times are seconds since the epoch, by the database's clock."""

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Drop everything, as a new process has nothing."""
        self._lock = threading.Lock()
        self._writing = threading.Lock()
        self._secrets: dict[str, dict[int, _Noted]] = {}
        self._grants: dict[int, dict[str, float]] = {}
        self._noted = 0
        self._pruned_at = 0.0
        self._tokens_used: _Waiting[TokenUsed] = _Waiting()
        self._grants_used: _Waiting[GrantUsed] = _Waiting()

    def note(self, endpoint: Endpoint, head: RequestHead, principal: Principal, now: float) -> None:
        """Note that a principal was let in; nothing is noted of one without a token."""
        secret_id = principal.secret_id
        if secret_id is None:
            return
        of_endpoint = self._secrets.get(endpoint.name)
        noted = None if of_endpoint is None else of_endpoint.get(secret_id)
        if noted is None or now >= noted.until or not noted.is_last(head):
            self._note(endpoint, head, principal, now)
        if endpoint.messages is Messages.HTTP and head.exchange is Exchange.REQUEST:
            self.note_grant(principal, over_http(head.method), now)

    def note_grant(self, principal: Principal, operation: Operation, now: float) -> None:
        """Note which grants of a token opened an operation that was let through."""
        token_id = principal.token_id
        if token_id is None:
            return
        noted = self._grants.get(token_id, _NOTHING)
        for each in (operation, *operation.also):
            grant = _opener(principal.grants, each)
            if grant is not None and now >= noted.get(grant, 0.0):
                self._note_grant(GrantUsed(token_id, grant), now)

    def write(self) -> None:
        """Write what was noted since; without anything to write nothing is asked of the database."""
        with self._writing:
            while self._tokens_used or self._grants_used:
                with self._lock:
                    tokens, grants = self._tokens_used.take(), self._grants_used.take()
                try:
                    use_rows.write(tokens, grants)
                except BaseException:
                    with self._lock:
                        self._tokens_used.put_back(tokens)
                        self._grants_used.put_back(grants)
                    raise

    def _note(self, endpoint: Endpoint, head: RequestHead, principal: Principal, now: float) -> None:
        token_id, secret_id = principal.token_id, principal.secret_id
        if token_id is None or secret_id is None:
            return
        headers = head.headers
        caller = _Caller(head.peer, headers.get(b"x-forwarded-for"), headers.get(b"user-agent"))
        with self._lock:
            noted = self._of_secret(endpoint.name, secret_id, now)
            if noted is None:
                return
            noted.last = caller
            if caller in noted.callers or len(noted.callers) >= MOST_CALLERS:
                return
            noted.callers.add(caller)
            agent = (caller.user_agent or b"").decode("latin-1")
            address = text(client_address(head, endpoint), 45)
            used = TokenUsed(token_id, secret_id, endpoint.name, address, text(agent, 200))
            self._tokens_used.put(used, now)

    def _of_secret(self, endpoint: str, secret_id: int, now: float) -> _Noted | None:
        """Return what is noted of a secret in this minute, None without room; the lock is held."""
        of_endpoint = self._secrets.setdefault(endpoint, {})
        noted = of_endpoint.get(secret_id)
        if noted is not None and now < noted.until:
            return noted
        if noted is None and not self._has_room(now):
            return None
        fresh = of_endpoint[secret_id] = _Noted(now + SECONDS)
        return fresh

    def _note_grant(self, used: GrantUsed, now: float) -> None:
        with self._lock:
            noted = self._grants.setdefault(used.token_id, {})
            if used.grant not in noted and not self._has_room(now):
                return
            noted[used.grant] = now + SECONDS
            self._grants_used.put(used, now)

    def _has_room(self, now: float) -> bool:
        """Count one more that is remembered; where there is no room, forget once a minute what is over."""
        if self._noted >= MOST_NOTED and now >= self._pruned_at + SECONDS:
            self._pruned_at = now
            self._prune(now)
        if self._noted >= MOST_NOTED:
            return False
        self._noted += 1
        return True

    def _prune(self, now: float) -> None:
        for name, secrets in self._secrets.items():
            self._secrets[name] = {pk: noted for pk, noted in secrets.items() if now < noted.until}
        grants = {
            token: {grant: until for grant, until in moments.items() if now < until}
            for token, moments in self._grants.items()
        }
        self._grants = {token: moments for token, moments in grants.items() if moments}
        self._noted = sum(map(len, self._secrets.values())) + sum(map(len, self._grants.values()))


def _opener(grants: Grants, operation: Operation) -> str | None:
    """Return which of the grants opened an operation that they cover; None where none was needed."""
    wanted = operation.grant
    if wanted in grants.exact:
        return wanted
    if operation.is_template:
        return grants.opener(operation)
    return next((f"{prefix}*" for prefix in grants.prefixes if wanted.startswith(prefix)), None)


uses: Final = Uses()
"""The uses that this process saw."""

os.register_at_fork(after_in_child=uses.forget)  # a child notes what it saw itself
