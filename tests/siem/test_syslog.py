"""Syslog over UDP, TCP and TLS: framed, and taken only when the collector has closed in order."""

from __future__ import annotations

import socket
import time

import pytest

from mcp_guard.audit.delivery import Undelivered
from mcp_guard.audit.syslog import send
from mcp_guard.conf.destinations import Protocol
from tests.siem.receiver import destination_of, die, hang, read_all

MESSAGES = [b"<110>1 one", b"<110>1 two \xc3\xa9"]
FRAMED = b"10 <110>1 one13 <110>1 two \xc3\xa9"
STREAMS = (Protocol.SYSLOG_TCP, Protocol.SYSLOG_TLS)


@pytest.mark.parametrize("protocol", STREAMS)
def test_a_batch_is_taken_when_the_collector_closes_in_order(protocol, folder, receive):
    receiver = receive(protocol, read_all)

    send(destination_of(protocol, receiver.port, folder), MESSAGES)

    receiver.close()
    assert receiver.got == FRAMED


@pytest.mark.parametrize("protocol", STREAMS)
def test_a_batch_that_was_not_read_is_not_taken(protocol, folder, receive):
    receiver = receive(protocol, die)

    with pytest.raises(Undelivered) as raised:
        send(destination_of(protocol, receiver.port, folder), [b"x" * 5000] * 200)

    assert not raised.value.is_refused


@pytest.mark.parametrize("protocol", STREAMS)
def test_a_collector_that_hangs_has_its_time_and_no_more(protocol, folder, receive):
    receiver = receive(protocol, hang)
    began = time.monotonic()

    with pytest.raises(Undelivered, match="not taken within 1 s"):
        send(destination_of(protocol, receiver.port, folder, timeout=1.0), [b"x" * 5000] * 2000)

    assert time.monotonic() - began < 3


def test_a_certificate_of_nobody_is_not_accepted(folder, receive):
    receiver = receive(Protocol.SYSLOG_TLS, read_all)

    with pytest.raises(Undelivered, match="CERTIFICATE_VERIFY_FAILED"):
        send(destination_of(Protocol.SYSLOG_TLS, receiver.port), MESSAGES)

    receiver.close()
    assert receiver.got == b""


def test_nobody_there_is_tried_again():
    with pytest.raises(Undelivered, match="ConnectionRefusedError") as raised:
        send(destination_of(Protocol.SYSLOG_TCP, 9), MESSAGES)

    assert not raised.value.is_refused


def test_a_datagram_holds_one_message():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.bind(("127.0.0.1", 0))
        receiver.settimeout(5)
        send(destination_of(Protocol.SYSLOG_UDP, receiver.getsockname()[1]), MESSAGES)

        assert [receiver.recv(9000), receiver.recv(9000)] == MESSAGES
