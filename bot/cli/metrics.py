"""What `/metrics` says: how apps stand, read from the store when somebody asks, and what happened since the start."""

from __future__ import annotations

from importlib.metadata import version
from itertools import product
from typing import Any, Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from bot.model.outcome import SyncReport
from bot.model.record import SinkName
from bot.wiring import Engine

_HOW: Final = ("late", "lost", "diverted")
# From an app of ten objects that are equal to the longest health waits people configure.
_SECONDS: Final = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300)


class Metrics:
    """One per running configuration; safe to use from several threads."""

    def __init__(self, engine: Engine) -> None:
        self._registry = CollectorRegistry()
        self._registry.register(_Standing(engine))
        ProcessCollector(registry=self._registry)
        build = Gauge("gitops_bot_build_info", "What runs; always 1", ["version"], registry=self._registry)
        build.labels(version("gitops-bot")).set(1)
        self._passes = Histogram(
            "gitops_bot_pass_seconds",
            "How long passes took, the wait for health included",
            ["cluster", "result"],
            buckets=_SECONDS,
            registry=self._registry,
        )
        self._failures = Counter(
            "gitops_bot_delivery_failures",
            "Tries to deliver that failed: late is tried again, lost is not, diverted went to the fallback channel",
            ["sink", "how"],
            registry=self._registry,
        )
        for sink, how in product(SinkName, _HOW):
            self._failures.labels(sink.value, how)  # from 0 on: `increase` does not see a series that begins with 1

    def passed(self, report: SyncReport) -> None:
        """Count a pass that has ended."""
        cluster, _, _ = report.app.partition("/")
        took = report.finished_at - report.started_at
        self._passes.labels(cluster, report.result.value).observe(took.total_seconds())

    def undelivered(self, sink: SinkName, how: str) -> None:
        """Count a try to deliver that failed."""
        self._failures.labels(sink.value, how).inc()

    def text(self) -> bytes:
        """Return all of it in Prometheus' text format. Raises `StateError`."""
        return generate_latest(self._registry)


class _Standing(Collector):
    """Numbers read from the store when somebody asks."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def collect(self) -> Any:
        labels = ["app", "cluster"]
        synced = GaugeMetricFamily("gitops_bot_app_synced", "1 while the cluster is equal to Git", labels=labels)
        failures = GaugeMetricFamily("gitops_bot_app_failures", "Failed passes in a row", labels=labels)
        objects = GaugeMetricFamily("gitops_bot_app_objects", "Objects Git wants", labels=labels)
        last = GaugeMetricFamily(
            "gitops_bot_app_last_converged_timestamp_seconds",
            "When a pass last converged, since 1970; an app at rest has none, so that it is old of one that is well",
            labels=labels,
        )
        info = GaugeMetricFamily(
            "gitops_bot_app_info",
            "Where an app stands; always 1",
            labels=[*labels, "env", "revision", "sync", "health", "control"],
        )
        for status in self._engine.desk.status([app.key for app in self._engine.desk.apps()]):
            names = [status.app, status.cluster]
            synced.add_metric(names, 1.0 if status.sync.value == "synced" else 0.0)
            failures.add_metric(names, status.consecutive_failures)
            objects.add_metric(names, status.objects)
            if status.last_sync_at is not None:
                last.add_metric(names, status.last_sync_at.timestamp())
            words = [status.sync.value, status.health.value, status.control.value]
            info.add_metric([*names, status.env, status.revision, *words], 1)
        waiting = GaugeMetricFamily("gitops_bot_outbox_waiting", "Parcels not delivered yet", labels=["sink"])
        for sink in SinkName:
            waiting.add_metric([sink.value], self._engine.store.waiting(sink))
        failing = GaugeMetricFamily(
            "gitops_bot_registry_failing", "1 while new tags are not seen there", labels=["registry"]
        )
        images = self._engine.images
        for host, why in sorted(images.standing().items()) if images is not None else ():
            failing.add_metric([host], 1.0 if why else 0.0)
        yield from (info, synced, failures, objects, last, waiting, failing)
