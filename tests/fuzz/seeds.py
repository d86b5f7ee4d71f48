"""Messages, answers and events to begin with: what arbitrary bytes would take long to become."""

from __future__ import annotations

import json
from typing import Any, Final


def _call(method: str, **params: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}


def _answer(**result: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": 1, "result": result}


MESSAGES: Final = [
    _call("tools/call", name="read_note", arguments={"a": [1, 2.5, None, True]}),
    _call("prompts/get", name="summary"),
    _call("resources/read", uri="note://public/a/../b%2e"),
    _call("resources/subscribe", uri="note://public/x"),
    _call("completion/complete", ref={"type": "ref/prompt", "name": "summary"}),
    _call("completion/complete", ref={"type": "ref/resource", "uri": "note://{a}/{+b}"}),
    _call("subscriptions/listen", notifications={"resourceSubscriptions": ["note://public/a"]}),
    {"jsonrpc": "2.0", "method": "notifications/initialized"},
    {"jsonrpc": "2.0", "id": "x", "error": {"code": -1, "message": "m"}},
    {**_call("ping"), "auth": {"bearer": "t"}},
]
ANSWERS: Final = [
    _answer(tools=[{"name": "a"}, {"name": "b", "inputSchema": {"type": "object"}}], nextCursor="c"),
    _answer(resources=[{"uri": "note://public/1"}, {"uri": "note://private/1"}]),
    _answer(resourceTemplates=[{"uriTemplate": "note://{space}/{id}"}, {"uriTemplate": "x://{+a}"}]),
    _answer(prompts=[{"name": "summary"}, {"name": "other"}], cacheScope="public"),
    [_answer(tools=[{"name": "b"}]), _answer(content=[])],
]
SEEDS: Final = [json.dumps(value).encode() for value in (*MESSAGES, *ANSWERS)] + [
    f"event: message\nid: 3\ndata: {json.dumps(answer)}\r\n\r\n: ping\n\n".encode() for answer in ANSWERS
]
