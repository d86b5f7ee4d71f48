"""The view: it answers 200 bytes, whoever asks."""

from __future__ import annotations

import json
from typing import Any, Final

from django.http import HttpRequest, HttpResponse

_MESSAGE: Final[dict[str, Any]] = {
    "jsonrpc": "2.0",
    "id": 1,
    "result": {"content": [{"type": "text", "text": ""}], "isError": False},
}
_MESSAGE["result"]["content"][0]["text"] = "x" * (200 - len(json.dumps(_MESSAGE)))
REPLY: Final = json.dumps(_MESSAGE).encode()


def sync_view(_request: HttpRequest) -> HttpResponse:
    """Answer."""
    return HttpResponse(REPLY, content_type="application/json")


async def async_view(_request: HttpRequest) -> HttpResponse:
    """Answer."""
    return HttpResponse(REPLY, content_type="application/json")


async def null(_scope: Any, receive: Any, send: Any) -> None:
    """Answer as the cheapest ASGI application does."""
    while (await receive()).get("more_body"):
        pass
    headers = [(b"content-type", b"application/json"), (b"content-length", b"200")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": REPLY})
