"""A mounted server as a Django view, under ASGI and under WSGI."""

from __future__ import annotations

import json

import pytest
from django.test import AsyncClient, Client

from tests.mcp import urls
from tests.mcp.recorder import INITIALIZE, META, MODERN

pytestmark = [pytest.mark.urls("tests.mcp.urls"), pytest.mark.usefixtures("policy")]

ACCEPT = "application/json, text/event-stream"


@pytest.fixture(autouse=True)
def events():
    urls.recorder.events.clear()
    urls.recorder.cancelled.clear()
    return urls.recorder.events


def body(method: str, **params):
    return json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params})


def call_body(tool: str, **arguments):
    return body("tools/call", name=tool, arguments=arguments, _meta=META)


def headers(token: str, **more: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}", "accept": ACCEPT, **more}


def modern_headers(token: str, tool: str) -> dict[str, str]:
    routing = {"mcp-protocol-version": MODERN, "mcp-method": "tools/call", "mcp-name": tool}
    return headers(token, **routing)


def wsgi_client() -> Client:
    return Client(headers={"host": "testserver"})


def read(response) -> dict:
    raw = b"".join(response.streaming_content) if response.streaming else response.content
    text = raw.decode()
    if response.headers["Content-Type"].startswith("text/event-stream"):
        text = [line[5:] for line in text.splitlines() if line.startswith("data:") and len(line) > 6][-1]
    return json.loads(text)


def test_a_call_runs_the_tool_under_wsgi(policy, events):
    response = wsgi_client().post(
        "/mcp", call_body("echo", text="x"), "application/json", headers=modern_headers(policy.server, "echo")
    )
    assert response.status_code == 200
    assert read(response)["result"]["structuredContent"] == {"result": "x"}
    assert "echo x" in events


async def test_a_call_runs_the_tool_under_asgi(policy, events):
    response = await AsyncClient().post(
        "/mcp", call_body("echo", text="x"), "application/json", headers=modern_headers(policy.server, "echo")
    )
    assert response.status_code == 200
    assert json.loads(response.content)["result"]["structuredContent"] == {"result": "x"}
    assert "echo x" in events
    await urls.mounted.aclose()


def test_a_session_lasts_over_requests_under_wsgi(policy, events):
    client = wsgi_client()
    opened = client.post(
        "/mcp", body("initialize", **INITIALIZE), "application/json", headers=headers(policy.server)
    )
    assert opened.status_code == 200
    assert read(opened)["result"]["protocolVersion"] == "2025-11-25"
    within = headers(policy.server, **{"mcp-session-id": opened.headers["Mcp-Session-Id"]})
    called = client.post(
        "/mcp", body("tools/call", name="echo", arguments={"text": "y"}), "application/json", headers=within
    )
    assert read(called)["result"]["content"][0]["text"] == "y"
    ended = client.delete("/mcp", headers=within)
    assert ended.status_code == 200
    after = client.post("/mcp", body("ping"), "application/json", headers=within)
    assert after.status_code == 404
    assert events.count("echo y") == 1


def counting_body(**params):
    return body("tools/call", name="count", arguments={}, **params)


def test_tools_reach_the_database_in_a_session_under_wsgi(policy):
    client = wsgi_client()
    opened = client.post(
        "/mcp", body("initialize", **INITIALIZE), "application/json", headers=headers(policy.server)
    )
    within = headers(policy.server, **{"mcp-session-id": opened.headers["Mcp-Session-Id"]})
    assert read(opened)["result"]
    counted = client.post("/mcp", counting_body(), "application/json", headers=within)
    assert read(counted)["result"]["structuredContent"] == {"result": 1}


def sync_only(get_response):
    def middleware(request):
        return get_response(request)

    return middleware


async def test_tools_reach_the_database_behind_a_sync_only_middleware(policy, settings):
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, "tests.mcp.test_view.sync_only"]
    response = await AsyncClient().post(
        "/mcp",
        counting_body(_meta={**META, "progressToken": "p"}),
        "application/json",
        headers=modern_headers(policy.server, "count"),
    )
    assert response.streaming
    streamed = b"".join([part async for part in response.streaming_content]).decode()
    assert "notifications/progress" in streamed
    assert '"structuredContent":{"result":1}' in streamed
    await urls.mounted.aclose()


def test_a_stream_is_live_and_closing_it_cancels_the_call_under_wsgi(policy, events):
    progress = {**META, "progressToken": "p"}
    response = wsgi_client().post(
        "/mcp",
        body("tools/call", name="wait", arguments={}, _meta=progress),
        "application/json",
        headers=modern_headers(policy.server, "wait"),
    )
    assert response.streaming
    assert b"notifications/progress" in next(iter(response.streaming_content))
    response.close()
    assert urls.recorder.cancelled.wait(5)
    assert events[-1] == "cancelled"


def test_a_call_without_grant_runs_nothing(policy, events):
    response = wsgi_client().post(
        "/mcp", call_body("secret"), "application/json", headers=modern_headers(policy.server, "secret")
    )
    assert response.status_code == 403
    assert events == []


def test_an_unknown_method_is_answered_by_the_server(policy):
    routing = {"mcp-protocol-version": MODERN, "mcp-method": "x/unknown"}
    response = wsgi_client().post(
        "/mcp", body("x/unknown", _meta=META), "application/json", headers=headers(policy.server, **routing)
    )
    assert response.status_code == 404
    assert read(response)["error"]["code"] == -32601


def test_tools_see_no_credential_under_wsgi(policy):
    client = wsgi_client()
    client.cookies["sessionid"] = "abcdefgh"
    response = client.post(
        "/mcp", call_body("whoami"), "application/json", headers=modern_headers(policy.server, "whoami")
    )
    seen = read(response)["result"]["structuredContent"]
    assert "authorization" not in seen["headers"]
    assert seen["token"]["client_id"] == str(policy.client.pk)


async def test_without_the_middleware_the_view_refuses(policy, events, settings):
    settings.MIDDLEWARE = [name for name in settings.MIDDLEWARE if "mcp_guard" not in name]
    response = await AsyncClient().post(
        "/mcp", call_body("echo", text="x"), "application/json", headers=modern_headers(policy.server, "echo")
    )
    assert response.status_code == 503
    assert events == []
