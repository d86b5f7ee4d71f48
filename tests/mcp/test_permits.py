"""What a socket was permitted is recalled for the same decision and operation, and asked anew in time."""

from __future__ import annotations

import pytest

from mcp_guard.mcp import permit
from mcp_guard.mcp.jsonrpc import Message, parse
from mcp_guard.mcp.permit import MOST_PERMITTED, Permits, permit_message
from mcp_guard.policy.decision import Admitted, Principal, Refused
from mcp_guard.policy.scopes import compile_grants
from mcp_guard.recall import NOTED_SECONDS

READER = Admitted(Principal(grants=compile_grants(["tools/call:read", "resources/read:note://a/*"])))


def call(method: str = "tools/call", **params: str) -> Message:
    params_text = ", ".join(f'"{name}": "{value}"' for name, value in params.items())
    message = parse(f'{{"jsonrpc": "2.0", "id": 7, "method": "{method}", "params": {{{params_text}}}}}')
    assert isinstance(message, Message)
    return message


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Message]:
    """Return the messages of which it was asked what they need."""
    found: list[Message] = []

    def watched(admitted, message, registered, revision):
        found.append(message)
        return permit_message(admitted, message, registered, revision)

    monkeypatch.setattr(permit, "permit_message", watched)
    return found


def test_the_same_again_is_recalled_until_its_use_is_to_be_noted(asked):
    permits = Permits()
    for now in (100.0, 101.0, 99.0 + NOTED_SECONDS, 100.0 + NOTED_SECONDS):
        assert permits.ask(READER, call(name="read"), None, now) is READER
    assert len(asked) == 2


def test_another_decision_is_asked_anew_and_may_lack_the_grant(asked):
    permits = Permits()
    permits.ask(READER, call(name="read"), None, 100.0)
    refused = permits.ask(READER._replace(principal=Principal()), call(name="read"), None, 100.1)
    assert isinstance(refused, Refused)
    assert refused.request_id == 7
    assert permits.ask(READER, call(name="read"), None, 100.2) is READER


def test_what_is_refused_is_asked_each_time(asked):
    permits = Permits()
    for _ in range(3):
        assert isinstance(permits.ask(READER, call(name="write"), None, 100.0), Refused)
    assert len(asked) == 3


def test_a_method_that_the_server_gains_needs_its_grant_at_once():
    """Of one that it lacks the server says so itself, whoever asks; that is not recalled."""
    permits, methods = Permits(), set()

    def registered(method: str, _revision: str) -> bool:
        return method in methods

    assert permits.ask(READER, call(name="write"), registered, 100.0) is READER
    methods.add("tools/call")
    assert isinstance(permits.ask(READER, call(name="write"), registered, 100.0), Refused)


def test_memory_is_bounded_in_number_and_length(asked):
    permits = Permits()
    for number in range(3 * MOST_PERMITTED):
        permits.ask(READER, call("resources/read", uri=f"note://a/{number}"), None, 100.0)
        assert len(permits._permitted) <= MOST_PERMITTED
    long = call("resources/read", uri="note://a/" + "x" * 1000)
    for _ in range(2):
        asked.clear()
        assert permits.ask(READER, long, None, 100.0) is READER
        assert asked == [long]
