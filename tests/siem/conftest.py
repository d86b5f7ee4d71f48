"""A collector with a certificate of its own CA, and a destination that leads to it."""

from __future__ import annotations

import pytest

from mcp_guard.audit.events import recorder
from mcp_guard.audit.seal import sealer
from mcp_guard.conf.destinations import Destination, Protocol
from tests.siem.collector import certify, collecting, server_context
from tests.siem.receiver import Receiver


@pytest.fixture(autouse=True)
def afresh():
    """Start and end with nothing in memory of what was recorded and sealed."""
    for each in (recorder, sealer):
        each.forget()
    yield
    for each in (recorder, sealer):
        each.forget()


@pytest.fixture(scope="session")
def certified(tmp_path_factory):
    folder = tmp_path_factory.mktemp("certified")
    certify(folder)
    return folder


@pytest.fixture
def collector(certified, tmp_path):
    for name in ("ca.pem", "server.pem"):
        (tmp_path / name).write_bytes((certified / name).read_bytes())
    with collecting(tmp_path) as running:
        yield running


@pytest.fixture
def destination(collector, tmp_path):
    return destination_of(collector)


def destination_of(collector, **values):
    url = f"https://127.0.0.1:{collector.port}/events"
    given = {"ca_file": str(collector.folder / "ca.pem"), "timeout": 5.0, "batch": 10, "url": url} | values
    return Destination("siem", Protocol.HTTPS, host="127.0.0.1", port=collector.port, **given)


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("logs")
    certify(made)
    return made


@pytest.fixture
def receive(folder):
    running = []

    def start(protocol, behave):
        context = server_context(folder) if protocol is Protocol.SYSLOG_TLS else None
        running.append(Receiver(behave, context))
        return running[-1]

    yield start
    for receiver in running:
        receiver.close()
