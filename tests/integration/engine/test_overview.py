"""What the first page counts."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from tests.support import hands
from tests.support.hands import dag, do, held
from workflows.conf import conf
from workflows.core.outcome import Fail
from workflows.core.states import Reason
from workflows.engine import overview
from workflows.models import DagRun, Node, NodePool, TaskExecution

pytestmark = pytest.mark.django_db

_ONE = dag("one", a={"retry": {"max_attempts": 5}})


def start(document: dict[str, Any]) -> DagRun:
    """A run whose messages are never sent: the test's transaction never commits."""
    return hands.start(document, on_commit=True)


def test_runs_are_counted_in_the_hour_and_on_the_day_of_their_end() -> None:
    for _ in range(2):
        do(start(dag("good", a={})), "a")
    do(start(dag("bad", a={})), "a", Fail(reason=Reason.ERROR, message="no", permanent=True))
    old = DagRun.objects.order_by("id").first()
    assert old is not None
    DagRun.objects.filter(pk=old.pk).update(ended_at=timezone.now() - timedelta(hours=30))
    hours = overview.throughput()
    assert len(hours) == overview.HOURS
    assert hours[-1].start <= timezone.now() < hours[-1].start + timedelta(hours=1)
    assert overview.last_day(hours) == overview.Ended(success=1, failed=1)
    assert sum(ended.total for ended in overview.calendar("UTC").values()) == 3


def test_failures_that_look_alike_are_one_line() -> None:
    for number in range(3):
        run = start(dag("bad", a={}))
        do(run, "a", Fail(reason=Reason.ERROR, message=f"row {number} is bad", permanent=True))
    do(start(dag("bad", a={}, b={})), "b", Fail(reason=Reason.ERROR, message="something else", permanent=True))
    (first,) = overview.failures()
    assert (first.signature, first.count, first.tasks) == ("row … is bad", 3, ("bad.a",))
    assert first.last_task == TaskExecution.objects.filter(run=run).get().pk


def test_a_running_task_that_writes_nothing_is_quiet() -> None:
    held(start(dag("quiet", a={})), "a")
    assert overview.stuck() == []
    TaskExecution.objects.update(started_at=timezone.now() - timedelta(seconds=overview.QUIET_SECONDS + 60))
    (found,) = overview.stuck()
    assert (found.kind, found.dag_id, found.task_id) == ("quiet", "quiet", "a")
    assert found.seconds >= overview.QUIET_SECONDS


def test_a_task_that_waits_in_its_queue_unusually_long_is_told_of() -> None:
    start(dag("waits", a={}))
    assert overview.stuck() == []
    TaskExecution.objects.update(queued_at=timezone.now() - timedelta(hours=1))
    assert [found.kind for found in overview.stuck()] == ["queued"]
    DagRun.objects.update(paused_at=timezone.now())
    assert overview.stuck() == []


def test_a_task_that_fails_again_and_again_is_told_of() -> None:
    run = start(_ONE)
    do(run, "a", Fail(reason=Reason.ERROR, message="no"))
    assert overview.stuck() == []
    TaskExecution.objects.update(failures=overview.MANY_FAILURES, attempt=overview.MANY_FAILURES)
    (found,) = overview.stuck()
    assert (found.kind, found.failures) == ("retrying", overview.MANY_FAILURES)


def test_queues_know_their_workers() -> None:
    start(dag("waits", a={}))
    (queue,) = overview.queues()
    assert (queue.pool, queue.load.queued, queue.abandoned) == ("default", 1, True)
    Node.objects.create(name="w@h", hostname="h", pid=1, queues=[conf.queue_of("default")], concurrency=4)
    NodePool.objects.create(name="other")
    first, second = overview.queues()
    assert (first.workers, first.places, first.abandoned) == (1, 4, False)
    assert (second.pool, second.workers, second.abandoned) == ("other", 0, False)
