"""The metrics for Prometheus, and the health of a process: what they say right after something happened."""

from __future__ import annotations

import json
import re

import pytest
from django.test import Client
from prometheus_client import CollectorRegistry, generate_latest

from mcp_guard import testing
from mcp_guard.audit import events
from mcp_guard.audit.events import Category, Event
from mcp_guard.live.connections import connections
from mcp_guard.live.delays import BOUNDS, Delays
from mcp_guard.live.holder import holder
from mcp_guard.metrics import register
from tests.deployment.page import TEXT, names_of
from tests.deployment.site import urls  # the mark of its views needs the endpoint

CALL = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "add", "arguments": {}}}

pytestmark = [pytest.mark.django_db, pytest.mark.urls(urls.__name__)]


@pytest.fixture
def policy():
    with testing.policy_of_this_connection():
        yield testing.add_client("partner")


@pytest.fixture
def registry():
    found = CollectorRegistry()
    register(found)
    return found


def bearer(client):
    scope = testing.grant_scope("add", "tools/call:add")
    return testing.bearer(testing.issue_token(client, "notes", scopes=[scope]))


def post(headers):
    return Client(headers={"host": "testserver"}).post("/mcp", CALL, "application/json", headers=headers)


def decisions(registry, outcome, exchange="request"):
    labels = {"endpoint": "notes", "exchange": exchange, "outcome": outcome}
    return registry.get_sample_value("mcp_guard_decisions_total", labels) or 0


class TestMetrics:
    def test_an_admitted_request_is_counted_at_once(self, policy, registry):
        before = decisions(registry, "admitted")
        assert post(bearer(policy)).status_code == 200
        assert decisions(registry, "admitted") == before + 1

    def test_a_refusal_is_counted_under_its_reason(self, policy, registry):
        before = decisions(registry, "origin_not_listed"), decisions(registry, "admitted")
        assert post({"Origin": "https://evil.example", **bearer(policy)}).status_code == 403
        after = decisions(registry, "origin_not_listed"), decisions(registry, "admitted")
        assert after == (before[0] + 1, before[1])

    def test_a_preflight_is_an_exchange_of_its_own(self, policy, registry):
        before = decisions(registry, "origin_not_listed", "preflight")
        headers = {"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"}
        assert Client(headers={"host": "testserver"}).options("/mcp", headers=headers).status_code == 403
        assert decisions(registry, "origin_not_listed", "preflight") == before + 1

    def test_the_revision_and_the_age_are_those_of_the_last_read(self, policy, registry):
        holder.refresh()
        first = registry.get_sample_value("mcp_guard_policy_revision")
        testing.add_client("other")
        assert registry.get_sample_value("mcp_guard_policy_age_seconds") == float("inf")
        holder.refresh()
        assert registry.get_sample_value("mcp_guard_policy_revision") == first + 1
        assert 0 <= registry.get_sample_value("mcp_guard_policy_age_seconds") < 60

    def test_reads_that_fail_in_a_row_are_told(self, registry, monkeypatch):
        monkeypatch.setattr(holder, "failures", 3)
        assert registry.get_sample_value("mcp_guard_policy_read_failures") == 3

    def test_events_that_wait_are_counted(self, registry):
        before = registry.get_sample_value("mcp_guard_audit_events_waiting")
        events.put(Event(Category.AUDIT, "test:waiting"))
        assert registry.get_sample_value("mcp_guard_audit_events_waiting") == before + 1
        events.recorder.forget()

    def test_open_connections_are_told_by_client(self, registry, monkeypatch):
        monkeypatch.setattr(connections, "by_client", lambda: {"partner": 2})
        assert registry.get_sample_value("mcp_guard_open_connections", {"client": "partner"}) == 2

    def test_a_registry_of_its_own_holds_nothing_else(self, registry):
        names = {metric.name for metric in registry.collect()}
        assert names == {
            "mcp_guard_decisions", "mcp_guard_policy_revision", "mcp_guard_policy_age_seconds",
            "mcp_guard_policy_read_failures", "mcp_guard_open_connections", "mcp_guard_policy_delay_seconds",
            "mcp_guard_ship_events_behind", "mcp_guard_ship_seconds_behind", "mcp_guard_ship_failures",
            "mcp_guard_audit_events_waiting",
        }  # fmt: skip
        assert b"mcp_guard_policy_revision" in generate_latest(registry)


class TestTheHistogramOfDelays:
    @pytest.fixture
    def delays(self, monkeypatch):
        found = Delays()
        monkeypatch.setattr(holder, "delays", found)
        return found

    def test_a_change_that_was_followed_is_counted(self, policy, registry, delays):
        holder.refresh()
        testing.add_client("other")
        holder.refresh()
        assert registry.get_sample_value("mcp_guard_policy_delay_seconds_count") == 1

    def test_buckets_are_cumulative_and_their_bounds_inclusive(self, registry, delays):
        for seconds in (0.01, 0.03, 0.03, 99.0):
            delays.observe(seconds)
        counts = [
            registry.get_sample_value("mcp_guard_policy_delay_seconds_bucket", {"le": bound})
            for bound in (*map(str, BOUNDS), "+Inf")
        ]
        assert counts == [1, 1, *[3] * (len(BOUNDS) - 2), 4]
        assert registry.get_sample_value("mcp_guard_policy_delay_seconds_count") == 4
        assert registry.get_sample_value("mcp_guard_policy_delay_seconds_sum") == pytest.approx(99.07)


class TestTheExampleInTheDocumentation:
    @pytest.fixture
    def view(self):
        names = names_of("Metrics")
        yield names["metrics"]
        names["REGISTRY"].unregister(names["collector"])

    def test_it_answers_in_the_text_format_with_every_metric_that_is_documented(self, view, rf):
        response = view(rf.get("/metrics"))
        assert response["Content-Type"].startswith("text/plain; version=")
        text = response.content.decode()
        documented = set(re.findall(r"^\| `(mcp_guard_[a-z_]+)", TEXT, re.MULTILINE))
        assert documented == set(re.findall(r"^# TYPE (mcp_guard_\S+) ", text, re.MULTILINE))


class TestHealth:
    def get(self, **headers):
        return Client(headers={"host": "testserver", **headers}).get("/healthz")

    def test_a_process_that_sees_answers_200_and_says_nothing_of_the_policy(self, policy):
        response = self.get()
        assert (response.status_code, json.loads(response.content)) == (200, {"status": "ok"})
        assert response["Cache-Control"] == "no-store"

    def test_a_process_that_has_read_nothing_yet_reads_first(self, policy):
        holder.forget()
        assert holder.age == float("inf")
        assert self.get().status_code == 200
        assert holder.age < 60

    @pytest.mark.parametrize(("age", "status"), [(9.9, 200), (10.1, 503)])
    def test_a_process_is_blind_when_its_policy_is_older_than_max_age(self, policy, monkeypatch, age, status):
        holder.refresh()
        monkeypatch.setattr(holder, "refresh", lambda: None)
        holder._read_at -= age
        response = self.get()
        assert response.status_code == status
        assert json.loads(response.content) == {"status": "ok" if status == 200 else "blind"}

    def test_a_blind_process_refuses_what_it_would_admit(self, policy, monkeypatch):
        headers = bearer(policy)
        assert post(headers).status_code == 200
        monkeypatch.setattr(holder, "refresh", lambda: None)
        holder._read_at -= 11
        assert (self.get().status_code, post(headers).status_code) == (503, 503)

    def test_it_is_no_guarded_view_but_django_checks_its_host(self, policy):
        assert Client(headers={"host": "10.0.0.7"}).get("/healthz").status_code == 400
