"""Posting over HTTPS: verified, never redirected, bounded in time and bytes; the token is told nowhere."""

from __future__ import annotations

import socket
import threading
import time

import pytest

from mcp_guard.audit.delivery import Undelivered
from mcp_guard.audit.https import post
from mcp_guard.conf.destinations import Body
from tests.siem.collector import certify, collecting
from tests.siem.conftest import destination_of

EVENTS = [b'{"event":{"sequence":1}}', b'{"event":{"sequence":2}}']


def refusal(destination):
    with pytest.raises(Undelivered) as raised:
        post(destination, EVENTS)
    return raised.value


@pytest.mark.parametrize(
    ("body", "kind"), [(Body.NDJSON, "application/x-ndjson"), (Body.JSON, "application/json")]
)
def test_events_are_posted_as_lines_or_as_an_array(collector, body, kind):
    post(destination_of(collector, body=body), EVENTS)

    assert [event["event"]["sequence"] for event in collector.taken] == [1, 2]
    [(line, fields)] = collector.requests
    assert line == "POST /events HTTP/1.1"
    assert fields["content-type"] == kind
    assert "authorization" not in fields


def test_a_token_is_read_anew_for_each_batch(collector, tmp_path):
    file = tmp_path / "token"
    destination = destination_of(collector, token_file=str(file), token_scheme="Splunk")
    for token in ("one", "two"):
        file.write_text(f"{token}\n")
        post(destination, EVENTS)

    assert [fields["authorization"] for _, fields in collector.requests] == ["Splunk one", "Splunk two"]


def test_a_token_may_be_in_the_environment(collector, monkeypatch):
    monkeypatch.setenv("SIEM_TOKEN", "three")

    post(destination_of(collector, token_env="SIEM_TOKEN"), EVENTS)

    assert collector.requests[0][1]["authorization"] == "Bearer three"


@pytest.mark.parametrize("content", [None, "", " \n", "two\nlines", "tök"])
def test_nothing_is_sent_without_the_token_that_is_wanted(collector, tmp_path, content):
    file = tmp_path / "token"
    if content is not None:
        file.write_text(content, "utf-8")

    error = refusal(destination_of(collector, token_file=str(file)))

    assert error.is_refused
    assert collector.requests == []


def test_the_token_is_told_nowhere(collector, tmp_path, caplog):
    (tmp_path / "token").write_text("hunter2hunter2")
    collector.mode = "401"  # repeats the header that it got

    with caplog.at_level("DEBUG"):
        error = refusal(destination_of(collector, token_file=str(tmp_path / "token")))

    assert str(error) == "401 said: Bearer [redacted]"
    assert "hunter2" not in caplog.text
    assert "hunter2" not in repr(error.__context__)


@pytest.mark.parametrize("length", [60, 100, 6000])
def test_a_token_that_the_answer_is_cut_in_is_told_nowhere(collector, tmp_path, length):
    (tmp_path / "token").write_text("hunter2" + "x" * length)
    collector.mode = "401"

    error = refusal(destination_of(collector, token_file=str(tmp_path / "token")))

    assert str(error).startswith("401")
    assert "hunter2" not in str(error)


@pytest.mark.parametrize(
    ("status", "is_refused", "may_fit"),
    [
        (301, True, False),
        (400, True, True),
        (401, True, False),
        (403, True, False),
        (404, True, False),
        (408, False, False),
        (413, True, True),
        (422, True, True),
        (425, False, False),
        (429, False, False),
        (500, False, False),
        (503, False, False),
    ],
)
def test_a_status_says_whether_the_same_batch_may_be_taken_later(collector, status, is_refused, may_fit):
    collector.mode = str(status)

    error = refusal(destination_of(collector))

    assert (error.is_refused, error.may_fit) == (is_refused, may_fit)
    assert str(error).startswith(str(status))


@pytest.mark.parametrize(("value", "seconds"), [("120", 120.0), ("x", 0.0), ("99999999", 0.0), ("-1", 0.0)])
def test_a_collector_says_how_long_to_wait(collector, value, seconds):
    collector.mode = f"429 Retry-After:{value}"

    assert refusal(destination_of(collector)).retry_after == seconds


def test_a_redirect_is_not_followed(collector):
    collector.mode = "redirect"

    error = refusal(destination_of(collector))

    assert error.is_refused
    assert [line for line, _ in collector.requests] == ["POST /events HTTP/1.1"]


def test_an_endless_answer_is_not_read(collector):
    collector.mode = "endless"

    error = refusal(destination_of(collector, timeout=20.0))

    assert str(error) == "500 " + "x" * 80
    assert collector.sent < 20_000_000


@pytest.mark.parametrize("mode", ["drip", "slow 60"])
def test_all_of_it_has_one_time_limit(collector, mode):
    collector.mode = mode
    began = time.monotonic()

    error = refusal(destination_of(collector, timeout=1.0))

    assert str(error) == "no answer within 1 s"
    assert not error.is_refused
    assert time.monotonic() - began < 15


def test_a_reset_is_tried_again(collector):
    collector.mode = "reset"

    assert not refusal(destination_of(collector)).is_refused


def test_a_certificate_of_another_authority_is_not_accepted(collector, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    certify(other)

    for ca in (str(other / "ca.pem"), ""):
        assert "CERTIFICATE_VERIFY_FAILED" in str(refusal(destination_of(collector, ca_file=ca)))
    assert collector.requests == []


def test_a_certificate_for_another_name_is_not_accepted(tmp_path):
    certify(tmp_path, "collector.example")
    with collecting(tmp_path) as collector:
        error = refusal(destination_of(collector))

        assert "CERTIFICATE_VERIFY_FAILED" in str(error)
        assert collector.requests == []


def test_proxies_of_the_environment_are_not_used(collector, monkeypatch):
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")

    post(destination_of(collector), EVENTS)

    assert len(collector.taken) == 2


def test_nobody_there_is_tried_again(collector):
    error = refusal(destination_of(collector, url="https://127.0.0.1:9/"))

    assert not error.is_refused


def test_a_ca_file_that_is_gone_is_told(collector):
    assert "FileNotFoundError" in str(refusal(destination_of(collector, ca_file="/nowhere/ca.pem")))


def test_a_slow_resolver_is_not_waited_for(collector, monkeypatch):
    may_end, ended = threading.Event(), []

    def resolve(*_args, **_named):
        ended.append(may_end.wait(30))
        raise socket.gaierror

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    try:
        destination = destination_of(collector, url="https://slow.invalid/", timeout=0.2)

        assert "no answer within 0.2 s" in str(refusal(destination))

        assert ended == []
    finally:
        may_end.set()
