"""The requests that a WebSocket client has open, bounded, and their way into the SDK."""

from __future__ import annotations

import json
from typing import Any, Final

from mcp.shared.message import ServerMessageMetadata, SessionMessage
from mcp.types import JSONRPCError, JSONRPCMessage, JSONRPCResponse, jsonrpc_message_adapter
from starlette.authentication import UnauthenticatedUser
from starlette.requests import HTTPConnection
from starlette.types import Scope

from mcp_guard.mcp.jsonrpc import INVALID_REQUEST, Kind, Message, RequestId
from mcp_guard.mcp.principal import sdk_user
from mcp_guard.passage import KEY

MAX_OPEN: Final = 64
"""How many requests one socket may have open; the server would run any number of them at once."""


class Calls:
    """What one socket has open. The scope is what tools see of the connection."""

    def __init__(self, scope: Scope) -> None:
        user = sdk_user(scope[KEY].principal) or UnauthenticatedUser()
        self._connection = HTTPConnection({**scope, "user": user})
        self._open: set[RequestId] = set()

    def begin(self, message: Message) -> str | None:
        """Note a request. Return the JSON-RPC error for one too many or with an id that is taken."""
        if message.kind is not Kind.REQUEST or message.id is None:
            return None
        if message.id in self._open:
            return _error(message.id, "Request id in use")
        if len(self._open) >= MAX_OPEN:
            return _error(message.id, "Too many open requests")
        self._open.add(message.id)
        return None

    def end(self, message: JSONRPCMessage) -> None:
        """Note that the server has answered a request."""
        if isinstance(message, JSONRPCResponse | JSONRPCError) and message.id is not None:
            self._open.discard(message.id)

    def session_message(self, message: Message) -> SessionMessage:
        """Return the message as the SDK takes it, read from the very values that were judged."""

        async def unanswered() -> None:
            if message.id is not None:
                self._open.discard(message.id)

        return SessionMessage(
            jsonrpc_message_adapter.validate_python(message.payload, by_name=False),
            metadata=ServerMessageMetadata(
                request_context=self._connection, on_request_unanswered=unanswered
            ),
        )

    @staticmethod
    def notification(method: str, params: dict[str, Any] | None) -> str:
        """Return the text of a notification."""
        message: dict[str, Any] = {"jsonrpc": "2.0", "method": method}
        return json.dumps(message if params is None else {**message, "params": params})


def _error(identifier: RequestId, text: str) -> str:
    error = {"code": INVALID_REQUEST, "message": text}
    return json.dumps({"jsonrpc": "2.0", "id": identifier, "error": error})
