"""What a client sends is bounded before anybody works on it, and not echoed past a bound."""

from __future__ import annotations

import pytest

from mcp_guard.mcp import jsonrpc, strict_json
from mcp_guard.policy import content, proxies, reply
from mcp_guard.policy.credential import LiveSession, UnreadSession
from mcp_guard.policy.decision import AwaitsSession, Reason, Refused
from mcp_guard.policy.endpoint import Endpoint, HostRules, Messages, Profile
from mcp_guard.policy.facts import Exchange, RequestHead
from mcp_guard.policy.headers import MAX_HEADERS, fold
from mcp_guard.policy.scopes import MAX_LENGTH, Operation
from mcp_guard.wire import _is_plain, is_plain

MCP = Endpoint("notes", Profile.TOKEN, HostRules())
HTTP = Endpoint("api", Profile.TOKEN, HostRules(), messages=Messages.HTTP)


def head(method: str, **headers: bytes) -> RequestHead:
    named = {name.replace("_", "-").encode(): value for name, value in headers.items()}
    return RequestHead(Exchange.REQUEST, method, "/mcp", b"", "https", "127.0.0.1", "", named, None)


def test_more_headers_than_anybody_sends_make_a_head_malformed():
    assert fold([(b"cookie", b"a=1")] * MAX_HEADERS).defect is None
    assert fold([(b"cookie", b"a=1")] * (MAX_HEADERS + 1)).defect == f"more than {MAX_HEADERS} headers"


def test_headers_that_may_occur_several_times_are_joined_in_their_order():
    folded = fold([(b"cookie", b"a=1"), (b"accept", b"*/*"), (b"cookie", b" b=2 "), (b"cookie", b"c=3")])

    assert folded.values[b"cookie"] == b"a=1; b=2; c=3"


@pytest.mark.parametrize("method", ["GET", "HEAD", "DELETE", "OPTIONS"])
@pytest.mark.parametrize("announced", [{"content_length": b"5"}, {"transfer_encoding": b"chunked"}])
def test_a_message_that_nobody_would_judge_is_refused(method: str, announced: dict[str, bytes]):
    assert content.refusal(head(method, **announced), MCP) is Reason.MESSAGE_MALFORMED
    assert content.refusal(head(method, **announced), HTTP) is None
    assert content.refusal(head(method, content_length=b"0"), MCP) is None


def test_a_name_too_long_for_a_grant_is_not_echoed():
    longest = Operation("tools/call", "n" * (MAX_LENGTH - len("tools/call:")))
    for operation, echoed in ((longest, True), (longest._replace(name=f"{longest.name}n"), False)):
        answer = reply.refusal(Refused(Reason.SCOPE_INSUFFICIENT, operation=operation), MCP, "id")

        assert (b"nnn" in dict(answer.headers)[b"www-authenticate"]) is echoed
        assert (b"nnn" in answer.body) is echoed


def test_a_message_of_countless_containers_is_refused_unread():
    many = strict_json.MAX_CONTAINERS

    assert jsonrpc.parse('{"a":[' + "[]," * many + "[]]}") == jsonrpc.Malformed(strict_json.JSONDefect.DEPTH)


def test_long_paths_are_judged_and_not_remembered():
    before = _is_plain.cache_info().currsize

    assert is_plain("/" + "a" * 10_000)
    assert not is_plain("/" + "a" * 10_000 + "//")
    assert _is_plain.cache_info().currsize == before


def test_addresses_are_remembered_unless_they_are_long():
    before = proxies._parse.cache_info().currsize
    zone = "fe80::1%" + "a" * 10_000

    assert proxies.network_of("192.0.2.77") == "192.0.2.77"
    assert proxies._parse.cache_info().currsize == before + 1
    assert proxies.network_of(zone) == "fe80::"
    assert proxies.network_of("x" * 10_000) == ""
    assert proxies._parse.cache_info().currsize == before + 1


def test_what_stands_in_a_traceback_holds_no_secret():
    shown = [
        head("GET", authorization=b"Bearer mcpg_secret", cookie=b"sessionid=secret")._replace(
            query=b"secret"
        ),
        UnreadSession("secret-key"),
        LiveSession("secret-key", 1),
        AwaitsSession("secret-key"),
    ]

    assert "secret" not in repr(shown)
