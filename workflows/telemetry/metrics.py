"""Metrics for Prometheus, read from PostgreSQL at each scrape: the same from any web process, and none is kept twice.

Labels are queues, pools, nodes and states only: a run or a task as a label would grow without end.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from django.db.models import Count, Min, Sum
from django.utils import timezone
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from workflows.conf import conf
from workflows.core.states import RunState, TaskState
from workflows.models import BrokerMark, DagRun, Node, NodePool, TaskExecution

ACTIVE = (TaskState.QUEUED, TaskState.RUNNING, TaskState.RETRYING, TaskState.DEFERRED)


class TablesCollector(Collector):
    """Reads the gauges from the tables; each query uses a partial index over what is active."""

    def collect(self) -> Iterator[Metric]:
        """The metrics, now."""
        yield self._runs()
        yield from self._tasks()
        yield from self._limits()
        yield from self._nodes()
        yield from self._sweep()
        yield self._dropped()

    def _runs(self) -> GaugeMetricFamily:
        gauge = GaugeMetricFamily("celeriac_runs_active", "Runs that have not ended.", labels=["state"])
        counts = dict(DagRun.objects.unfinished().values_list("state").annotate(Count("pk")))
        for state in (RunState.PENDING, RunState.RUNNING):
            gauge.add_metric([state], counts.get(state, 0))
        return gauge

    def _tasks(self) -> Iterator[GaugeMetricFamily]:
        about = "Unsettled tasks that wait for no other."
        tasks = GaugeMetricFamily("celeriac_tasks_active", about, labels=["queue", "state"])
        oldest = GaugeMetricFamily("celeriac_queued_oldest_seconds", "Age of the oldest queued task.", labels=["queue"])
        now = timezone.now()
        rows = TaskExecution.objects.filter(state__in=ACTIVE).values("queue", "state")
        for row in rows.annotate(n=Count("pk"), since=Min("queued_at")).order_by("queue", "state"):
            tasks.add_metric([row["queue"], row["state"]], row["n"])
            if row["state"] == TaskState.QUEUED and row["since"]:
                oldest.add_metric([row["queue"]], max(0.0, (now - row["since"]).total_seconds()))
        yield tasks
        yield oldest

    def _limits(self) -> Iterator[GaugeMetricFamily]:
        held = GaugeMetricFamily(
            "celeriac_tasks_held", "Queued tasks that wait until a limit has room.", labels=["queue"]
        )
        rows = TaskExecution.objects.filter(held=True).order_by().values_list("queue").annotate(Count("pk"))
        for queue, count in rows:
            held.add_metric([queue], count)
        limit = GaugeMetricFamily("celeriac_pool_slots", "Slots that a pool has, where it is limited.", labels=["pool"])
        used = GaugeMetricFamily("celeriac_pool_slots_used", "Slots that its tasks hold.", labels=["pool"])
        admitted = TaskExecution.objects.filter(gated=True, held=False, state__in=(TaskState.QUEUED, TaskState.RUNNING))
        taken = dict(admitted.order_by().values_list("queue").annotate(Sum("slots")))
        for name, slots in NodePool.objects.filter(slots__isnull=False).values_list("name", "slots"):
            limit.add_metric([name], slots or 0)
            used.add_metric([name], taken.get(conf.queue_of(name), 0))
        yield from (held, limit, used)

    def _nodes(self) -> Iterator[GaugeMetricFamily]:
        alive = GaugeMetricFamily("celeriac_node_up", "1 if the node was heard of within a lease.", labels=["node"])
        running = GaugeMetricFamily("celeriac_node_tasks_running", "Tasks that the node runs.", labels=["node"])
        fresh = timezone.now() - timedelta(seconds=conf.LEASE_SECONDS)
        for node in Node.objects.filter(stopped_at__isnull=True):
            alive.add_metric([node.name], int(node.heartbeat_at > fresh))
            running.add_metric([node.name], node.running)
        yield alive
        yield running
        about = "Workers that are alive and take nothing of what waits for them."
        stalled = Node.objects.filter(stopped_at__isnull=True, heartbeat_at__gt=fresh, stalled_at__isnull=False)
        yield GaugeMetricFamily("celeriac_nodes_stalled", about, value=stalled.count())

    def _sweep(self) -> Iterator[GaugeMetricFamily]:
        mark = BrokerMark.objects.filter(name="sweep").first()
        if mark is not None:
            age = (timezone.now() - mark.at).total_seconds()
            yield GaugeMetricFamily("celeriac_sweep_age_seconds", "Since a reconciler last swept.", value=max(0.0, age))

    def _dropped(self) -> CounterMetricFamily:
        about = "Messages that workers threw away because they could not understand them."
        counter = CounterMetricFamily("celeriac_messages_dropped", about, labels=["kind"])
        for name, value in BrokerMark.objects.filter(name__startswith="dropped:").values_list("name", "value"):
            counter.add_metric([name.removeprefix("dropped:")], int(value))
        return counter


def exposition() -> bytes:
    """The metrics in Prometheus' text format."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(TablesCollector())
    return generate_latest(registry)
