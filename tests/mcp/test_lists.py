"""What of a server's lists goes out, whoever answers: in JSON, event streams, batches, WebSockets."""

from __future__ import annotations

import asyncio
import gc
import gzip
import json

import pytest
from asgiref.sync import sync_to_async
from channels.testing import WebsocketCommunicator
from django.http import FileResponse, HttpResponse, StreamingHttpResponse

from mcp_guard import testing
from mcp_guard.asgi import guard
from mcp_guard.http.lists import arestrict, restrict
from mcp_guard.mcp import jsonrpc, mount
from mcp_guard.mcp.answers import restricted, restricted_list
from mcp_guard.mcp.event_stream import EventStream, TooLongError
from mcp_guard.mcp.listing import lists_of
from mcp_guard.policy.decision import Admitted, Principal
from mcp_guard.policy.endpoint import Endpoint, HostRules, Messages, Profile
from mcp_guard.policy.facts import Exchange, RequestHead
from mcp_guard.policy.limits import Limits
from mcp_guard.policy.lists import UnreadableListError
from mcp_guard.policy.scopes import compile_grants
from tests.mcp.conftest import LISTED
from tests.mcp.recorder import json_headers, open_session, request

GRANTS = compile_grants(["tools/call:echo", "prompts/get:p", "resources/read:note://public/*"])
ADMITTED = Admitted(Principal(1, "partner", grants=GRANTS))
HEAD = RequestHead(Exchange.REQUEST, "POST", "/mcp", b"", "http", "", "", {}, None)
ECHO, SECRET = {"name": "echo", "inputSchema": {"type": "object"}}, {"name": "secret"}
ASKED = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}


def listed(*tools: object, **more: object) -> dict:
    return {"jsonrpc": "2.0", "id": 1, "result": {"tools": list(tools), **more}}


FULL, SHOWN = listed(ECHO, SECRET, nextCursor="c2"), listed(ECHO, nextCursor="c2")


# one message


@pytest.mark.parametrize(
    "text",
    [
        json.dumps(listed(ECHO), indent=1),
        '{"jsonrpc":"2.0","id":1,"result":{"structuredContent":{"tools":[{"name":"secret"}]}}}',
        '{"jsonrpc":"2.0","id":1,"error":{"code":1,"message":"\\"tools\\"","data":{"tools":[{"name":"secret"}]}}}',
        '{"jsonrpc":"2.0","method":"notifications/x","params":{"tools":[{"name":"secret"}]}}',
        '{"jsonrpc":"2.0","id":2,"method":"sampling/createMessage","params":{"tools":[{"name":"secret"}]}}',
        '{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}',
        "no JSON at all",
    ],
)
def test_what_hides_nothing_stays_the_very_same(text):
    assert restricted(text, GRANTS) is text


def test_of_a_list_only_what_may_be_used_is_left():
    assert json.loads(restricted(json.dumps(FULL), GRANTS)) == SHOWN


def test_a_list_is_told_by_its_shape_not_by_an_id():
    assert json.loads(restricted(json.dumps(FULL | {"id": "of nobody"}), GRANTS))["result"] == SHOWN["result"]


def test_member_names_may_be_escaped():
    text = '{"jsonrpc":"2.0","id":1,"result":{"\\u0074ools":[{"name":"secret"}]}}'
    assert json.loads(restricted(text, GRANTS))["result"] == {"tools": []}


def test_batches_are_restricted_message_by_message():
    other = {"jsonrpc": "2.0", "id": 2, "result": {"content": []}}
    assert json.loads(restricted(json.dumps([FULL, other]), GRANTS)) == [SHOWN, other]


def test_the_answer_to_a_known_call_passes_as_it_is():
    text = json.dumps(FULL)
    assert restricted(text, GRANTS, 1) is text
    assert restricted(text, GRANTS, 2) is not text


@pytest.mark.parametrize(
    "text",
    [
        '{"id":1,"result":{"tools":[{"name":"echo"}],"tools":[{"name":"secret"}]}}',
        '{"id":1,"result":{"tools":[]},"result":{"tools":[{"name":"secret"}]}}',
        '{"id":1,"result":{"tools":{"secret":{}}}}',
        '{"id":1,"result":{"tools":[{"name":"secret"}]',
        '{"id":1,"result":{"tools":[],"x":NaN}}',
    ],
)
def test_what_may_be_a_list_and_cannot_be_read_is_not_passed(text):
    with pytest.raises(UnreadableListError):
        restricted(text, GRANTS)
    with pytest.raises(UnreadableListError):
        restricted_list(text.encode(), GRANTS)


@pytest.mark.parametrize(
    "body",
    [
        json.dumps(FULL).encode("utf-16"),
        json.dumps(FULL).encode("utf-16-le"),
        json.dumps(FULL).encode("utf-32"),
        gzip.compress(json.dumps(FULL).encode()),
        json.dumps(FULL["result"]).encode(),
        b'"tools"',
    ],
)
def test_the_answer_to_a_request_for_a_list_is_one(body):
    with pytest.raises(UnreadableListError):
        restricted_list(body, GRANTS)


@pytest.mark.parametrize(
    "body", [b"", b"Accepted", b'{"jsonrpc":"2.0","id":1,"error":{"code":1,"message":"m"}}']
)
def test_what_is_no_list_passes_in_its_place(body):
    assert restricted_list(body, GRANTS) is body


# an event stream


def _rewrite(text: str) -> str:
    return restricted(text, GRANTS)


def _event(message: object, end: str = "\n") -> bytes:
    return f"event: message{end}id: 7{end}data: {json.dumps(message)}{end}{end}".encode()


NOTE = {"jsonrpc": "2.0", "method": "notifications/progress", "params": {"progress": 1}}


@pytest.mark.parametrize("size", [1, 2, 3, 7, 64, 10_000])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_a_stream_is_restricted_however_it_is_cut(size, end):
    stream = EventStream(100_000)
    raw = _event(NOTE, end) + b": keep alive" + 2 * end.encode() + _event(FULL, end) + _event(NOTE, end)
    out = b"".join(stream.feed(raw[at : at + size], _rewrite) for at in range(0, len(raw), size))
    out += stream.end(_rewrite)
    shown = raw.replace(json.dumps(FULL).encode(), json.dumps(SHOWN, separators=(",", ":")).encode())
    assert out == shown


def test_each_event_goes_out_as_soon_as_it_is_complete():
    stream, raw = EventStream(1000), _event(NOTE)
    assert stream.feed(raw[:-1], _rewrite) == b""
    assert stream.feed(raw[-1:] + b"da", _rewrite) == raw
    assert stream.end(_rewrite) == b"da"


def test_a_message_may_stand_on_several_lines():
    lines = json.dumps(FULL, indent=1).splitlines()
    raw = "".join(f"data:{line}\n" for line in lines) + "retry: 5\n\n"
    out = EventStream(10_000).feed(raw.encode(), _rewrite).decode()
    assert json.loads(out.splitlines()[0].removeprefix("data: ")) == SHOWN
    assert out.splitlines()[1:] == ["retry: 5", ""]


def test_a_byte_order_mark_hides_nothing():
    raw = "\ufeffdata: " + json.dumps(FULL) + "\n\n"
    assert b"secret" not in EventStream(10_000).feed(raw.encode(), _rewrite)


def test_an_event_that_never_ends_is_restricted_at_the_end_of_its_stream():
    stream = EventStream(10_000)
    assert stream.feed(_event(FULL)[:-2], _rewrite) == b""
    assert b"secret" not in stream.end(_rewrite)


def test_long_events_pass_unless_they_may_hold_a_list():
    stream, long = EventStream(1000), b"data: " + b"x" * 5000
    parts = [long[at : at + 100] for at in range(0, len(long), 100)]
    out = b"".join(stream.feed(part, _rewrite) for part in [*parts, b"\n\n", _event(NOTE)])
    assert out == long + b"\n\n" + _event(NOTE)
    assert b"secret" not in stream.feed(_event(FULL), _rewrite)
    for part in (*parts, b'"too'):
        assert b"secret" not in stream.feed(part, _rewrite)
    with pytest.raises(TooLongError):
        stream.feed(b'ls": [{"name": "secret"}]', _rewrite)


# any ASGI application


class App:
    """An application that answers with fixed parts and keeps what it was asked."""

    def __init__(self, *parts: bytes, kind: bytes = b"application/json", status: int = 200, **headers: bytes):
        self.parts, self.status, self.asked = parts, status, []
        self.headers = [(b"content-type", kind), *((k.encode(), v) for k, v in headers.items())]

    async def __call__(self, scope, receive, send):
        self.asked.append(dict(scope["headers"]))
        await send({"type": "http.response.start", "status": self.status, "headers": self.headers})
        for number, part in enumerate(self.parts, 1):
            more = number < len(self.parts)
            await send({"type": "http.response.body", "body": part, "more_body": more})


def _cut(body: bytes) -> tuple[bytes, ...]:
    return body[:20], body[20:]


async def _ask(app, policy, body=ASKED, **headers):
    return await request(guard(app, "notes"), body, **json_headers(policy.server), **headers)


async def test_an_unknown_applications_list_is_restricted(policy):
    body = json.dumps(FULL).encode()
    app = App(*_cut(body), etag=b'"x"', **{"content-length": str(len(body)).encode()})
    answer = await _ask(app, policy, accept_encoding="gzip")
    assert (answer.status, answer.message) == (200, SHOWN)
    assert answer.header("content-length") == str(len(answer.body))
    assert answer.header("etag") is None
    assert b"accept-encoding" not in app.asked[0]


async def test_a_list_of_what_may_be_used_passes_byte_for_byte(policy):
    body = json.dumps(listed(ECHO), indent=3).encode()
    answer = await _ask(App(*_cut(body), etag=b'"x"'), policy)
    assert (answer.body, answer.header("etag")) == (body, '"x"')


@pytest.mark.parametrize(
    "app",
    [
        App(gzip.compress(json.dumps(FULL).encode()), **{"content-encoding": b"gzip"}),
        App(json.dumps(FULL).encode(), **{"content-encoding": b"br"}),
        App(json.dumps(FULL).encode("utf-16")),
        App(json.dumps(FULL).encode()[:-1]),
        App(b" " * (4 << 20), json.dumps(FULL).encode()),
        App(json.dumps(FULL["result"]).encode(), kind=b"text/plain"),
        App(gzip.compress(_event(FULL)), kind=b"text/event-stream", **{"content-encoding": b"gzip"}),
    ],
    ids=["compressed", "said to be", "UTF-16", "cut off", "too large", "no answer", "compressed stream"],
)
async def test_a_list_that_cannot_be_read_is_withheld(policy, app):
    answer = await _ask(app, policy)
    assert (answer.status, answer.message["id"]) == (502, 1)
    assert answer.message["error"]["message"] == "The list could not be read"
    assert answer.header("vary") == "Origin"
    assert b"secret" not in answer.body


@pytest.mark.parametrize("status", [202, 404, 500])
async def test_what_is_no_list_keeps_its_status(policy, status):
    answer = await _ask(App(b"Accepted", kind=b"text/plain", status=status), policy)
    assert (answer.status, answer.body) == (status, b"Accepted")


async def test_the_answer_to_a_call_passes_byte_for_byte(policy):
    call = ASKED | {"method": "tools/call", "params": {"name": "echo"}}
    compressed = gzip.compress(json.dumps(FULL).encode())
    for app in (
        App(json.dumps(FULL).encode()),
        App(_event(FULL), kind=b"text/event-stream"),
        App(compressed, **{"content-encoding": b"gzip"}),
    ):
        answer = await _ask(app, policy, call, accept_encoding="gzip")
        assert answer.body == b"".join(app.parts)
        assert b"accept-encoding" in app.asked[0]


async def test_a_list_that_a_stream_volunteers_is_restricted(policy):
    call = ASKED | {"id": 5, "method": "tools/call", "params": {"name": "echo"}}
    answer = await _ask(App(_event(FULL), kind=b"Text/Event-Stream; charset=utf-8"), policy, call)
    assert b"secret" not in answer.body
    assert b"echo" in answer.body


async def test_streams_of_get_are_restricted(policy):
    app = App(*_cut(_event(NOTE) + _event(FULL)), kind=b"text/event-stream", **{"content-length": b"999"})
    headers = {"accept": "text/event-stream", "authorization": f"Bearer {policy.server}"}
    answer = await request(guard(app, "notes"), method="GET", accept_encoding="gzip", **headers)
    assert answer.body.startswith(_event(NOTE))
    assert json.loads(answer.body.splitlines()[-2].removeprefix(b"data: ")) == SHOWN
    assert answer.header("content-length") is None
    assert b"accept-encoding" not in app.asked[0]


async def test_in_a_stream_an_error_stands_for_what_cannot_be_read(policy):
    broken = b'data: {"id":1,"result":{"tools":[{"name":"secret"}],"x":NaN}}\n\n'
    answer = await _ask(App(broken + _event(NOTE), kind=b"text/event-stream"), policy)
    first, *_ = answer.body.splitlines()
    error = json.loads(first.removeprefix(b"data: "))
    assert (answer.status, error["id"], error["error"]["code"]) == (200, 1, -32603)
    assert answer.body.endswith(_event(NOTE))
    assert b"secret" not in answer.body


async def test_a_stream_ends_at_an_event_that_is_too_long_to_be_read(policy):
    parts = (b'data: {"id":1,"result":{"tools":[', b'{"name":"secret"},' * 300_000, b"]}}\n\n", _event(NOTE))
    answer = await _ask(App(*parts, kind=b"text/event-stream"), policy)
    assert answer.body == b""


async def test_an_application_that_fails_within_a_list_is_answered_for(policy):
    async def app(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b'{"tools": [', "more_body": True})
        raise OSError

    sent = []

    async def serve(scope, receive, send):
        with pytest.raises(OSError):  # noqa: PT011 (it has no text)
            await guard(app, "notes")(scope, receive, send)
        sent.append(scope)

    answer = await request(serve, ASKED, **json_headers(policy.server))
    assert (answer.status, answer.header("vary"), len(sent)) == (500, "Origin", 1)
    assert answer.message["error"]["message"] == "Internal error"


async def test_nobody_reads_where_the_application_decides(policy, settings):
    settings.MCP_GUARD = {
        "ENDPOINTS": {
            "own": {"profile": "token", "forward_authorization": True},
            "http": {"profile": "public", "messages": "http", "public_scopes": ["posting"]},
        }
    }
    await sync_to_async(testing.grant_scope)("posting", "http:POST")
    for endpoint in ("own", "http"):
        headers = {"content_type": "application/json"}
        answer = await request(guard(App(json.dumps(FULL).encode()), endpoint), ASKED, **headers)
        assert answer.message == FULL


async def test_the_public_sees_what_public_scopes_open(policy, settings):
    settings.MCP_GUARD = {"ENDPOINTS": {"open": {"profile": "public", "public_scopes": ["most"]}}}
    app = guard(App(json.dumps(FULL).encode()), "open")
    answer = await request(app, ASKED, content_type="application/json")
    assert answer.message == SHOWN


# a session, whose ids nobody believes

CALL = ASKED | {"method": "tools/call", "params": {"name": "echo"}}
NO_LIST = {"jsonrpc": "2.0", "id": 1, "result": {"content": [{"type": "text", "text": "x"}]}}


@pytest.mark.filterwarnings("ignore:Exception ignored:pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("is_json", [True, False])
async def test_no_list_goes_out_as_the_answer_to_a_call_of_the_same_id(recorder, policy, is_json):
    app = mount(recorder.server, endpoint="notes", json_response=is_json)
    session = await open_session(app, policy.server)
    head = json_headers(policy.server) | {"mcp_session_id": session, "mcp_protocol_version": "2025-11-25"}
    seen = b""
    for number in range(100, 103):
        asked = ASKED | {"id": number}
        call = CALL | {"id": number, "params": {"name": "wait", "arguments": {}}}
        tasks = [asyncio.create_task(request(app, body, **head)) for body in (asked, call)]
        done, _ = await asyncio.wait(tasks, timeout=0.5)
        seen += b"".join(task.result().body for task in done)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    await app.aclose()
    gc.collect()  # the SDK leaves the streams open that it lost
    assert b'"echo"' in seen
    assert b'"secret"' not in seen


@pytest.mark.parametrize("kind", ["application/json", "text/event-stream"])
async def test_within_a_session_a_list_is_told_by_its_shape(policy, kind):
    body = json.dumps(FULL).encode() if kind == "application/json" else _event(FULL)
    app = App(*_cut(body), kind=kind.encode())
    answer = await _ask(app, policy, CALL, mcp_session_id="s", accept_encoding="gzip")
    assert (answer.status, answer.message) == (200, SHOWN)
    assert b"accept-encoding" not in app.asked[0]


@pytest.mark.parametrize(
    "body",
    [
        json.dumps(NO_LIST, indent=3).encode(),
        b'{"jsonrpc":"2.0","id":1,"result":{"content":[],"structuredContent":{"x":NaN}}}',
        b'{"jsonrpc":"2.0","id":1,"result":{"structuredContent":{"tools":[{"name":"secret"}]}}}',
        b"",
        b"no JSON at all",
        json.dumps(NO_LIST).encode() + b" " * (4 << 20),
    ],
    ids=["call", "not strict", "deeper", "empty", "no JSON", "long"],
)
async def test_within_a_session_everything_else_passes_byte_for_byte(policy, body):
    for parts in ([body], _cut(body), [body, b""]):
        answer = await _ask(App(*parts), policy, CALL, mcp_session_id="s")
        assert (answer.status, answer.body) == (200, body)


@pytest.mark.parametrize(
    "app",
    [
        App(gzip.compress(json.dumps(FULL).encode()), **{"content-encoding": b"gzip"}),
        App(json.dumps(FULL).encode("utf-16")),
        App(json.dumps(FULL).encode("utf-16") + b" " * (4 << 20)),
        App(json.dumps(FULL).encode()[:-1]),
        App(b" " * (4 << 20), json.dumps(FULL).encode()),
    ],
    ids=["compressed", "UTF-16", "long UTF-16", "cut off", "long"],
)
async def test_within_a_session_what_may_be_a_list_and_cannot_be_read_is_withheld(policy, app):
    answer = await _ask(app, policy, CALL, mcp_session_id="s")
    assert (answer.status, answer.message["id"]) == (502, 1)
    assert b"secret" not in answer.body


async def test_a_long_answer_ends_where_a_list_may_begin(policy):
    text = json.dumps(FULL).encode()
    for begun, rest in ((text[:25], text[25:]), (b"", text)):
        parts = (b" " * (5 << 20) + begun, rest, b" ")
        answer = await _ask(App(*parts, **{"content-length": b"5242999"}), policy, CALL, mcp_session_id="s")
        assert answer.status == 200
        assert answer.header("content-length") is None
        assert b"tools" not in answer.body
        assert b"secret" not in answer.body


# a Django view


def _lists(message: object = ASKED, head: RequestHead = HEAD, **limits: int):
    endpoint = Endpoint("e", Profile.TOKEN, HostRules(), limits=Limits(**limits))
    return lists_of(endpoint, head, ADMITTED, jsonrpc.parse(json.dumps(message)))


def _in_session(**limits: int):
    return _lists(CALL, HEAD._replace(headers={b"mcp-session-id": b"s"}), **limits)


def test_nothing_is_looked_at_where_messages_are_not_mcps():
    endpoint = Endpoint("e", Profile.TOKEN, HostRules(), messages=Messages.HTTP)
    assert lists_of(endpoint, HEAD, ADMITTED, None) is None
    assert (
        lists_of(Endpoint("e", Profile.TOKEN, HostRules()), HEAD, Admitted(Principal(), delegated=True), None)
        is None
    )


def _json(response: HttpResponse) -> HttpResponse:
    response["Content-Type"] = "application/json"
    return response


def test_responses_are_restricted():
    body = json.dumps(FULL).encode()
    for response in (_json(HttpResponse(body)), _json(StreamingHttpResponse(iter(_cut(body))))):
        response["ETag"] = '"x"'
        shown = restrict(response, _lists(), ADMITTED)
        assert json.loads(b"".join(shown)) == SHOWN
        assert not shown.has_header("ETag")
        assert int(shown["Content-Length"]) < len(body)


def test_responses_that_hide_nothing_stay_the_same():
    response = _json(HttpResponse(json.dumps(listed(ECHO), indent=2)))
    before = response.content
    assert restrict(response, _lists(), ADMITTED).content == before


@pytest.mark.parametrize("limit", [1024, 4096])
def test_responses_that_cannot_be_read_are_withheld(limit):
    body = json.dumps(FULL).encode() + b" " * 2000
    for response in (HttpResponse(body), StreamingHttpResponse(iter(_cut(body)))):
        shown = restrict(_json(response), _lists(list_bytes=limit), ADMITTED)
        assert shown.status_code == (502 if limit == 1024 else 200)
        assert b"secret" not in b"".join(shown)


@pytest.mark.django_db  # that a response is closed tells Django that the request is over
def test_files_and_event_streams_are_restricted(tmp_path):
    file = tmp_path / "tools.json"
    file.write_bytes(json.dumps(FULL).encode())
    shown = restrict(_json(FileResponse(file.open("rb"))), _lists(), ADMITTED)
    assert shown.file_to_stream is None
    assert json.loads(b"".join(shown)) == SHOWN
    shown.close()
    for response in (HttpResponse(_event(FULL)), StreamingHttpResponse(iter(_cut(_event(FULL))))):
        response["Content-Type"] = "text/event-stream"
        assert b"secret" not in b"".join(restrict(response, _lists(), ADMITTED))


async def _parts(*parts: bytes):
    for part in parts:
        await asyncio.sleep(0)
        yield part


async def test_asynchronous_responses_are_restricted():
    body = json.dumps(FULL).encode()
    shown = await arestrict(_json(StreamingHttpResponse(_parts(*_cut(body)))), _lists(), ADMITTED)
    assert json.loads(b"".join([part async for part in shown])) == SHOWN
    stream = StreamingHttpResponse(_parts(*_cut(_event(FULL))), content_type="text/event-stream")
    shown = await arestrict(stream, _lists(), ADMITTED)
    assert b"secret" not in b"".join([part async for part in shown])
    stream = _json(StreamingHttpResponse(_parts(*_cut(body))))
    assert (await arestrict(stream, _lists(list_bytes=1024), ADMITTED)).status_code == 200
    long = _json(StreamingHttpResponse(_parts(b" " * 2000, body)))
    assert (await arestrict(long, _lists(list_bytes=1024), ADMITTED)).status_code == 502


class Closing:
    """The content of a response, that tells whether it was closed."""

    def __init__(self, *parts: bytes):
        self.parts, self.is_closed = parts, False

    def __iter__(self):
        return iter(self.parts)

    def close(self):
        self.is_closed = True


@pytest.mark.parametrize("coding", ["identity", "gzip"])
def test_a_response_that_is_withheld_is_closed(coding):
    content = Closing(b"x" * 2000, b"y")
    response = _json(StreamingHttpResponse(content))
    response["Content-Encoding"] = coding
    assert restrict(response, _lists(list_bytes=1024), ADMITTED).status_code == 502
    assert content.is_closed


def test_responses_within_a_session_are_told_by_their_shape():
    body, other = json.dumps(FULL).encode(), json.dumps(NO_LIST).encode() + b" " * 2000
    for make in (HttpResponse, lambda body: StreamingHttpResponse(iter(_cut(body)))):
        assert json.loads(b"".join(restrict(_json(make(body)), _in_session(), ADMITTED))) == SHOWN
        assert b"".join(restrict(_json(make(other)), _in_session(list_bytes=1024), ADMITTED)) == other
        withheld = restrict(_json(make(b" " * 2000 + body)), _in_session(list_bytes=1024), ADMITTED)
        assert b"secret" not in b"".join(withheld)
    parts = (b" " * 2000, body, b" ")
    begun = restrict(_json(StreamingHttpResponse(iter(parts))), _in_session(list_bytes=1024), ADMITTED)
    assert b"".join(begun).strip() == b""


async def test_asynchronous_responses_within_a_session_are_told_by_their_shape():
    body, other = json.dumps(FULL).encode(), json.dumps(NO_LIST).encode()
    shown = await arestrict(_json(StreamingHttpResponse(_parts(*_cut(body)))), _in_session(), ADMITTED)
    assert json.loads(b"".join([part async for part in shown])) == SHOWN
    for parts, seen in (((b" " * 2000, other, b" "), other), ((b" " * 2000, body), b"")):
        stream = _json(StreamingHttpResponse(_parts(*parts)))
        shown = await arestrict(stream, _in_session(list_bytes=1024), ADMITTED)
        assert b"".join([part async for part in shown]).strip() == seen


# a WebSocket of any application


async def test_what_an_application_sends_over_a_websocket_is_restricted(policy):
    broken = '{"id":3,"result":{"tools":[{"name":"secret"}],"x":NaN}}'
    texts = (json.dumps(FULL), json.dumps(NOTE), broken, '{"id":[],"result":{"tools":1}}', json.dumps(NOTE))

    async def app(scope, receive, send):
        while (event := await receive())["type"] != "websocket.disconnect":
            if event["type"] == "websocket.connect":
                await send({"type": "websocket.accept"})
                continue
            for text in texts:
                await send({"type": "websocket.send", "text": text})

    headers = [
        (b"host", b"testserver"),
        (b"origin", LISTED.encode()),
        (b"sec-websocket-version", b"13"),
        (b"authorization", f"Bearer {policy.browser}".encode()),
    ]
    socket = WebsocketCommunicator(guard(app, "notes"), "/ws/mcp", headers=headers)
    assert (await socket.connect(timeout=5))[0]
    await socket.send_to(text_data=json.dumps(ASKED))
    heard = [json.loads(await socket.receive_from(timeout=5)) for _ in range(4)]
    assert heard[0] == SHOWN
    assert heard[1] == heard[3] == NOTE
    assert (heard[2]["id"], heard[2]["error"]["code"]) == (3, -32603)
    await socket.disconnect(timeout=5)
