"""How far behind destinations are: on the status page, in the metrics, and as a system check."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.core.checks import run_checks
from django.test import override_settings
from prometheus_client import CollectorRegistry

from mcp_guard.audit import lag
from mcp_guard.audit.delivery import Undelivered
from mcp_guard.audit.ship import Shipper
from mcp_guard.checks import shipping
from mcp_guard.conf import config
from mcp_guard.metrics import register
from tests.operators.admin_pages import browser_of, superuser
from tests.siem.sealed import NOW, prune, seal

pytestmark = pytest.mark.django_db

URL = "https://collector.example.com/events?key=s3cret"
SHIPPING = override_settings(
    MCP_GUARD={"SHIP": {"siem": {"url": URL}, "logs": {"url": "syslog+tls://10.0.0.9"}}}
)


@pytest.fixture
def shipping_declared():
    with SHIPPING:
        yield


def fail(texts):
    raise Undelivered("503 <script>alert(1)</script>")


def found(name):
    return next(each for each in lag.lags(NOW + timedelta(minutes=20)) if each.destination.name == name)


def test_without_a_destination_nothing_is_asked(django_assert_num_queries):
    with django_assert_num_queries(0):
        assert lag.lags(NOW) == []


def test_what_is_sealed_and_not_shipped_is_behind(shipping_declared):
    seal(3)
    seal(2, at=NOW + timedelta(minutes=10))
    Shipper(config().ship["siem"], lambda texts: None).step(NOW, 0.5)
    seal(4, at=NOW + timedelta(minutes=15))

    siem, logs = found("siem"), found("logs")

    assert (siem.events, siem.seconds, siem.is_late) == (4, 300.0, False)
    assert (logs.events, logs.seconds, logs.is_late) == (9, 1200.0, True)


def test_nothing_is_behind_where_everything_is_shipped_or_nothing_is_there(shipping_declared):
    assert (found("siem").events, found("siem").seconds) == (0, 0.0)
    seal(5)
    prune(5)
    assert (found("siem").events, found("siem").oldest) == (0, None)


def test_the_metrics_tell_what_was_seen_and_grow_while_nobody_looks(shipping_declared, monkeypatch):
    registry = CollectorRegistry()
    register(registry)
    seal(3)
    monkeypatch.setattr(lag, "watch", lag.Watch())
    monkeypatch.setattr(lag.timezone, "now", lambda: NOW + timedelta(seconds=60))
    lag.watch.look()
    monkeypatch.setattr(lag.timezone, "now", lambda: NOW + timedelta(seconds=90))

    def value(name):
        return registry.get_sample_value(f"mcp_guard_ship_{name}", {"destination": "siem"})

    assert (value("events_behind"), value("seconds_behind"), value("failures")) == (3.0, 90.0, 0.0)


def test_a_process_looks_now_and_then(shipping_declared, django_assert_num_queries):
    watch = lag.Watch()
    watch.look()

    with django_assert_num_queries(0):
        watch.look()

    assert [each.destination.name for each in watch.seen] == ["logs", "siem"]


def test_a_late_destination_is_warned_about(shipping_declared, monkeypatch):
    seal(3)
    monkeypatch.setattr(shipping.timezone, "now", lambda: NOW + timedelta(minutes=16))

    messages = shipping.check_lag(databases=["default"])

    assert [message.id for message in messages] == ["mcp_guard.W022"] * 2
    assert messages[1].msg == "'siem' lacks 3 events, the oldest for 16 min."
    assert shipping.check_lag(databases=None) == []


def test_without_the_extra_https_is_an_error(shipping_declared, monkeypatch):
    monkeypatch.setattr(shipping, "find_spec", lambda name: None)

    [message] = shipping.check_extra()

    assert message.id == "mcp_guard.E020"
    assert "'siem'" in message.msg


@pytest.mark.parametrize(
    ("url", "is_plain"),
    [
        ("syslog+udp://10.0.0.9", True),
        ("syslog+tcp://logs.example.com", True),
        ("syslog+udp://127.0.0.1", False),
        ("syslog+tcp://[::1]:601", False),
        ("syslog+tls://10.0.0.9", False),
    ],
)
def test_plain_text_to_another_host_is_warned_about(url, is_plain):
    with override_settings(MCP_GUARD={"SHIP": {"logs": {"url": url}}}):
        found = [message.id for message in shipping.check_destinations()]

    assert found == (["mcp_guard.W020"] if is_plain else [])


@pytest.mark.parametrize("key", ["token_file", "ca_file"])
def test_a_file_that_cannot_be_read_is_warned_about(tmp_path, key):
    file = tmp_path / "file"
    with override_settings(MCP_GUARD={"SHIP": {"siem": {"url": URL, key: str(file)}}}):
        [message] = shipping.check_destinations()
        file.touch()
        assert shipping.check_destinations() == []

    assert (message.id, message.msg) == (
        "mcp_guard.W021",
        f"{key} of the destination 'siem' cannot be read.",
    )


def test_the_checks_are_registered(shipping_declared, monkeypatch):
    seal()
    found = run_checks(include_deployment_checks=True, databases=["default"])

    assert "mcp_guard.W022" in {message.id for message in found}


def test_the_status_page_shows_who_is_behind_and_why(shipping_declared):
    seal(3)
    Shipper(config().ship["siem"], fail).step(NOW, 0.5)

    page = browser_of(superuser()).get("/admin/mcp_guard/endpointstate/status/").content.decode()

    assert "Collectors of audit events" in page
    assert "503 &lt;script&gt;alert(1)" in page
    assert "the oldest for " in page
    assert "<script>alert" not in page
    assert "s3cret" not in page


def test_the_status_page_is_silent_where_nothing_is_shipped():
    page = browser_of(superuser()).get("/admin/mcp_guard/endpointstate/status/").content.decode()

    assert "Collectors of audit events" not in page
