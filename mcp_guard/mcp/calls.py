"""The requests that a WebSocket client has open, bounded, and their way into the SDK."""

from __future__ import annotations

import json
from typing import Any, Final, NamedTuple

from mcp.shared.message import ServerMessageMetadata, SessionMessage
from mcp.types import (
    JSONRPCError,
    JSONRPCMessage,
    JSONRPCNotification,
    JSONRPCResponse,
    jsonrpc_message_adapter,
)
from starlette.authentication import UnauthenticatedUser
from starlette.requests import HTTPConnection
from starlette.types import Scope

from mcp_guard.live.calls import LISTEN
from mcp_guard.live.slots import calls, party
from mcp_guard.mcp.jsonrpc import INVALID_REQUEST, Kind, Message, RequestId
from mcp_guard.mcp.principal import sdk_user
from mcp_guard.passage import KEY, Passage
from mcp_guard.policy.decision import Reason, Refused
from mcp_guard.policy.endpoint import Endpoint
from mcp_guard.policy.lists import LISTS
from mcp_guard.policy.pace import Pace

MAX_OPEN: Final = 64
"""How many requests one socket may have open; the server would run any number of them at once."""


class _Open:
    """One request that the server runs. ``is_cut`` says that the client was told that it took too long."""

    __slots__ = ("is_cut", "method", "since", "weight")

    def __init__(self, method: str | None, weight: int, since: float) -> None:
        self.method = method
        self.weight = weight
        self.since = since
        self.is_cut = False


class Calls:
    """What one socket has open. The scope is what tools see of the connection.

    A request counts among the calls of its principal until the server is through with it, even if its
    client was told meanwhile that it took too long.
    """

    def __init__(self, scope: Scope, endpoint: Endpoint, pace: Pace) -> None:
        passage: Passage = scope[KEY]
        user = sdk_user(passage.principal) or UnauthenticatedUser()
        self._connection = HTTPConnection({**scope, "user": user})
        self._limits = endpoint.limits
        self._party = party(endpoint, passage.head, passage.principal)
        self._pace = pace
        self._weight = 0
        self._open: dict[RequestId, _Open] = {}

    def begin(self, message: Message, weight: int = 0, now: float = 0.0) -> str | Refused | None:
        """Note a request of some weight at a monotonic time.

        Return what is wrong with one that cannot run: the JSON-RPC error for one too many or with an id that
        is taken, or the refusal of one that goes beyond a limit.
        """
        if message.kind is not Kind.REQUEST or message.id is None:
            return None
        if message.id in self._open:
            return _error(message.id, "Request id in use")
        if len(self._open) >= MAX_OPEN:
            return _error(message.id, "Too many open requests")
        if self._open and self._weight + weight > self._limits.in_flight_bytes:
            return Refused(Reason.CALL_TOO_LARGE, request_id=message.id)
        if not calls.take(self._party, self._limits.calls_per_principal):
            return Refused(Reason.CALLS_OF_PRINCIPAL, request_id=message.id)
        self._open[message.id] = _Open(message.method, weight, now)
        self._weight += weight
        self._pace.open_calls = len(self._open)
        return None

    def end(self, message: JSONRPCMessage) -> Ended:
        """Note what the server sends, and return whether it may go out, and what it answers."""
        if not isinstance(message, JSONRPCResponse | JSONRPCError) or message.id is None:
            return _GOES_OUT
        ended = self._forget(message.id)
        if ended is None:
            return _GOES_OUT
        own = None if ended.method is None or ended.method in LISTS else message.id
        return Ended(own, is_late=ended.is_cut)

    def overdue(self, now: float) -> list[RequestId]:
        """Return which requests take too long, each of them once."""
        found = [
            identifier
            for identifier, one in self._open.items()
            if not one.is_cut and one.method != LISTEN and now - one.since >= self._limits.call_seconds
        ]
        for identifier in found:
            self._open[identifier].is_cut = True
        return found

    def close(self) -> None:
        """Forget all of them: the server has ended."""
        for identifier in list(self._open):
            self._forget(identifier)

    def _forget(self, identifier: RequestId) -> _Open | None:
        one = self._open.pop(identifier, None)
        if one is not None:
            calls.release(self._party)
            self._weight -= one.weight
            self._pace.open_calls = len(self._open)
        return one

    def session_message(self, message: Message) -> SessionMessage:
        """Return the message as the SDK takes it, read from the very values that were judged."""

        async def unanswered() -> None:
            if message.id is not None:
                self._forget(message.id)

        return SessionMessage(
            jsonrpc_message_adapter.validate_python(message.payload, by_name=False),
            metadata=ServerMessageMetadata(
                request_context=self._connection, on_request_unanswered=unanswered
            ),
        )

    @staticmethod
    def cancellation(identifier: RequestId) -> SessionMessage:
        """Return what tells the server to run a request no longer."""
        params = {"requestId": identifier, "reason": "The call took too long"}
        return SessionMessage(
            JSONRPCNotification(jsonrpc="2.0", method="notifications/cancelled", params=params)
        )

    @staticmethod
    def notification(method: str, params: dict[str, Any] | None) -> str:
        """Return the text of a notification."""
        message: dict[str, Any] = {"jsonrpc": "2.0", "method": method}
        return json.dumps(message if params is None else {**message, "params": params})


class Ended(NamedTuple):
    """What the server sends: ``own`` is the id of the request that it answers, where that asks for no list.

    ``is_late`` means that the client has its answer already.
    """

    own: RequestId | None = None
    is_late: bool = False


_GOES_OUT: Final = Ended()


def _error(identifier: RequestId, text: str) -> str:
    error = {"code": INVALID_REQUEST, "message": text}
    return json.dumps({"jsonrpc": "2.0", "id": identifier, "error": error})
