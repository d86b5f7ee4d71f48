"""Use a sync tool in a session under WSGI, and end: TOKEN; prints what the tool returned."""

import json
import os
import sys

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.mcp.probe.settings")
django.setup()

from django.test import Client  # noqa: E402 (needs the app registry)

client = Client(
    headers={
        "host": "127.0.0.1",
        "authorization": f"Bearer {sys.argv[1]}",
        "accept": "application/json, text/event-stream",
    }
)


def post(method, params, **headers):
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params})
    response = client.post("/django/mcp", body, "application/json", headers=headers)
    assert response.status_code == 200, response.content
    return response, b"".join(response.streaming_content).decode()


about = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}
opened, _ = post("initialize", about)
_, answer = post(
    "tools/call", {"name": "nap", "arguments": {}}, mcp_session_id=opened.headers["Mcp-Session-Id"]
)
print(answer)
