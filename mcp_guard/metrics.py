"""Metrics for Prometheus (the extra ``metrics``): decisions, age and revision of the policy, delays.

They are read when they are scraped: nothing of it is on the path of a request.
"""

from __future__ import annotations

from collections.abc import Iterator

from django.utils import timezone
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import REGISTRY, Collector, CollectorRegistry

from mcp_guard.audit import lag
from mcp_guard.audit.counts import decisions
from mcp_guard.audit.events import recorder
from mcp_guard.live.connections import connections
from mcp_guard.live.delays import BOUNDS
from mcp_guard.live.holder import holder


class GuardCollector(Collector):
    """The metrics of this process."""

    def collect(self) -> Iterator[Metric]:
        """Yield every metric with its values as they are now."""
        yield _decisions()
        yield GaugeMetricFamily(
            "mcp_guard_policy_revision", "Revision in use", value=holder.snapshot.revision
        )
        yield GaugeMetricFamily(
            "mcp_guard_policy_age_seconds", "Seconds since the last read", value=holder.age
        )
        failures = GaugeMetricFamily(
            "mcp_guard_policy_read_failures",
            "Reads of the policy that failed in a row",
            value=holder.failures,
        )
        yield failures
        yield GaugeMetricFamily(
            "mcp_guard_audit_events_waiting", "Audit events not written yet", value=len(recorder)
        )
        yield _connections()
        yield _delays()
        yield from _lags()


def register(registry: CollectorRegistry = REGISTRY) -> GuardCollector:
    """Add the metrics to a registry and return their collector."""
    collector = GuardCollector()
    registry.register(collector)
    return collector


def _decisions() -> Metric:
    metric = CounterMetricFamily(
        "mcp_guard_decisions", "Decisions of the gate", labels=["endpoint", "exchange", "outcome"]
    )
    for key, count in decisions.all().items():
        metric.add_metric(list(key), count)
    return metric


def _lags() -> Iterator[Metric]:
    """Yield how far behind collectors are, as this process saw it within the last seconds."""
    events = GaugeMetricFamily(
        "mcp_guard_ship_events_behind", "Sealed audit events not shipped yet", labels=["destination"]
    )
    seconds = GaugeMetricFamily(
        "mcp_guard_ship_seconds_behind", "Age of the oldest of them", labels=["destination"]
    )
    failures = GaugeMetricFamily(
        "mcp_guard_ship_failures", "Deliveries that failed in a row", labels=["destination"]
    )
    for found in (each.at(timezone.now()) for each in lag.watch.seen):
        name = [found.destination.name]
        events.add_metric(name, found.events)
        seconds.add_metric(name, found.seconds)
        failures.add_metric(name, found.row.failures)
    yield from (events, seconds, failures)


def _connections() -> Metric:
    metric = GaugeMetricFamily("mcp_guard_open_connections", "Open sockets and streams", labels=["client"])
    for client, count in connections.by_client().items():
        metric.add_metric([client], count)
    return metric


def _delays() -> Metric:
    counts, total = holder.delays.read()
    buckets: list[tuple[str, float]] = []
    below = 0
    for bound, count in zip([*map(str, BOUNDS), "+Inf"], counts, strict=True):
        below += count
        buckets.append((bound, below))
    metric = HistogramMetricFamily(
        "mcp_guard_policy_delay_seconds", "From the commit of a change to its use in this process"
    )
    metric.add_metric([], buckets, sum_value=total)
    return metric
