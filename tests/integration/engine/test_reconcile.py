"""What the reconciler makes good, repair by repair, and that it leaves the healthy alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from tests.support.hands import Done, Fail, Spawn, claim, dag, do, held, start, state, states
from tests.support.waiting import eventually
from workflows.conf import conf
from workflows.core.errors import LostClaim
from workflows.core.plan import Plan
from workflows.core.states import Reason, RunState, TaskState
from workflows.engine import plans, transitions
from workflows.engine.advance import settle_parent
from workflows.engine.finish import finish
from workflows.engine.publish import publish
from workflows.engine.reconcile import sweep
from workflows.engine.rows import Attempted
from workflows.models import DagRun, TaskAttempt, TaskExecution

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("broker")]


def run_sql(statement: str, *params: Any) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement, params)


def expire(run: DagRun) -> None:
    run_sql(
        "UPDATE workflows_taskexecution SET lease_until = now() - interval '1 s' "
        "WHERE run_id = %s AND state = 'running'",
        run.pk,
    )


def ends(run: DagRun) -> list[tuple[int, str, str]]:
    rows = TaskAttempt.objects.filter(task_execution__run=run).order_by("number")
    return list(rows.values_list("number", "end", "reason"))


def test_nothing_overdue_is_nothing_done() -> None:
    run = start(dag(a={}))
    held(run, "a")
    assert sweep().total == 0


def test_an_expired_lease_is_another_try() -> None:
    run = start(dag(a={}))
    stale = held(run, "a")
    expire(run)
    assert sweep().lost == 1
    assert states(run) == {"a": "queued"}
    fresh = held(run, "a")
    with pytest.raises(LostClaim):
        finish(stale, plans.plan_of(stale.version_id), Done(), chance=0)
    assert finish(fresh, plans.plan_of(fresh.version_id), Done(), chance=0).state == "success"
    assert ends(run) == [(1, "lost", "lost"), (2, "success", "")]


def test_a_poisoned_task_is_stopped() -> None:
    run = start(dag(a={}, b={"depends_on": ["a"]}))
    for _ in range(conf.MAX_LOST_ATTEMPTS):
        held(run, "a")
        expire(run)
        sweep()
    row = TaskExecution.objects.get(run=run, task_id="a")
    assert (row.state, row.reason, row.losses) == ("failed", "poisoned", conf.MAX_LOST_ATTEMPTS)
    assert (states(run)["b"], state(run)) == ("upstream_failed", "failed")


def test_a_task_that_may_run_once_is_not_run_twice() -> None:
    run = start(dag(a={"at_most_once": True}))
    held(run, "a")
    expire(run)
    sweep()
    assert states(run) == {"a": "failed"}
    assert ends(run) == [(1, "lost", "lost")]


def test_a_retry_waits_for_its_time() -> None:
    run = start(dag(a={"retry": {"max_attempts": 2, "delay": "1h"}}))
    do(run, "a", Fail(message="first"))
    assert states(run) == {"a": "retrying"}
    assert sweep().due == 0
    run_sql("UPDATE workflows_taskexecution SET next_attempt_at = now() WHERE run_id = %s", run.pk)
    assert sweep().due == 1
    do(run, "a", Fail(message="second"))
    assert (states(run), state(run)) == ({"a": "failed"}, "failed")
    assert [end for _, end, _ in ends(run)] == ["retrying", "failed"]


def test_a_permanent_failure_is_not_retried() -> None:
    run = start(dag(a={"retry": {"max_attempts": 5}}))
    do(run, "a", Fail(message="never", permanent=True))
    assert states(run) == {"a": "failed"}


def test_an_attempt_past_its_hard_limit_is_ended() -> None:
    run = start(dag(a={"timeout": 1}))
    held(run, "a", lease=3600)
    run_sql("UPDATE workflows_taskexecution SET started_at = now() - interval '1 h' WHERE run_id = %s", run.pk)
    assert sweep().overdue == 1
    assert TaskExecution.objects.get(run=run).reason == "timed_out"


def test_a_run_past_its_deadline_fails() -> None:
    run = start(dag(a={}, b={"depends_on": ["a"]}) | {"config": {"timeout": "1h"}})
    assert run.deadline_at is not None
    assert run.deadline_at > timezone.now()
    run_sql("UPDATE workflows_dagrun SET deadline_at = now() WHERE id = %s", run.pk)
    assert sweep().expired_runs == 1
    assert (state(run), run.reason, set(states(run).values())) == ("failed", "run_timed_out", {"cancelled"})


def test_a_run_whose_last_worker_died_before_it_looked_is_ended() -> None:
    run = start(dag(a={}))
    mine = held(run, "a")
    finish(mine, plans.plan_of(mine.version_id), Done(), chance=0)  # and no follow-up
    assert state(run) == "running"
    assert sweep().ended_runs == 1
    assert state(run) == "success"


def test_a_verdict_that_a_dead_worker_owed_is_given() -> None:
    run = start(dag(a={}, b={}, join={"depends_on": ["a", "b"]}))
    do(run, "a", Fail(message="x"))
    mine = held(run, "b")
    transitions.succeed(mine, output=None, below=[2])  # the statement alone, as if the worker died after it
    assert states(run)["join"] == "pending"
    assert sweep().undecided == 1
    assert states(run)["join"] == "upstream_failed"


def test_lost_messages_are_sent_again_when_the_queue_is_empty(settings: Any, broker: str) -> None:
    import redis

    run = start(dag(a={}))
    client = redis.Redis.from_url(broker)
    sweep()  # the reconciler learns the broker's epoch
    assert sweep().resent == 0  # queued a moment ago: no evidence yet
    run_sql("UPDATE workflows_taskexecution SET queued_at = now() - interval '1 min' WHERE run_id = %s", run.pk)
    assert sweep().resent == 0  # its message is still in the queue: a backlog is not evidence
    for key in client.keys("*celeriac\x06\x16*") or client.keys("*"):
        client.delete(key) if client.type(key) == b"list" else None
    assert sweep().resent == 1
    assert sweep().resent == 0  # sent a moment ago
    assert claim(run, "a") is not None


def test_a_broker_that_lost_its_memory_is_noticed_at_once(broker: str) -> None:
    import redis

    start(dag(a={}, b={}, c={"depends_on": ["a"]}))
    sweep()
    redis.Redis.from_url(broker).flushall()
    assert sweep().resent == 2


def test_a_parent_whose_child_ended_unseen_is_settled() -> None:
    publish(dag("child", x={}))
    run = start(dag("parent", s={"type": "subdag", "parameters": {"dag_id": "child"}}, after={"depends_on": ["s"]}))
    do(run, "s", Spawn(dag_id="child"))
    child = DagRun.objects.get(parent__run=run)
    assert states(run)["s"] == "deferred"
    mine = held(child, "x")
    finish(mine, plans.plan_of(mine.version_id), Done(), chance=0)
    run_sql("UPDATE workflows_dagrun SET state = 'success', ended_at = now() WHERE id = %s", child.pk)
    assert sweep().parents == 1
    assert states(run) == {"s": "success", "after": "queued"}


def test_a_lease_renewed_after_the_look_is_not_taken() -> None:
    run = start(dag(a={}))
    mine = held(run, "a")
    which = Attempted(execution_id=mine.execution_id, attempt=1, expired=True)
    options: dict[str, Any] = {"expect": TaskState.RUNNING, "reason": Reason.LOST, "end": "lost"}
    assert transitions.requeue(which, **options) is None
    assert not transitions.move_task(which, expect=TaskState.RUNNING, to=TaskState.FAILED)
    expire(run)
    assert transitions.requeue(which, **options) is not None


def test_after_an_outage_workers_may_renew_first(settings: Any, reload_conf: Callable[[], None]) -> None:
    settings.CELERIAC = {**settings.CELERIAC, "LEASE_RENEW_SECONDS": 0.2}
    reload_conf()
    run = start(dag(a={}))
    held(run, "a")
    expire(run)
    assert sweep(gap=conf.LEASE_SECONDS).lost == 0
    eventually(lambda: sweep().lost == 1, 5)


def test_the_child_of_a_stopped_task_is_stopped_too() -> None:
    publish(dag("child", x={}))
    run = start(dag("parent", s={"type": "subdag", "parameters": {"dag_id": "child"}}))
    do(run, "s", Spawn(dag_id="child"))
    transitions.cancel_tasks(run.pk, Reason.CANCELLED_BY_USER)  # and whoever did it died before the children's turn
    assert sweep().orphans == 1
    child = DagRun.objects.get(parent__run=run)
    assert (state(child), child.reason) == ("cancelled", "parent_ended")


def test_an_old_childs_end_does_not_settle_a_later_try() -> None:
    publish(dag("child", x={}))
    task = {"type": "subdag", "parameters": {"dag_id": "child"}, "retry": {"max_attempts": 2, "delay": 0}}
    run = start(dag("parent", s=task))
    do(run, "s", Spawn(dag_id="child"))
    first = DagRun.objects.get(parent__run=run)
    do(first, "x", Fail(message="no"))
    assert sweep().due == 1
    do(run, "s", Spawn(dag_id="child"))
    parent = TaskExecution.objects.get(run=run)
    settle_parent(parent.pk, first.pk, RunState.FAILED)  # a process that had stalled since the first child's end
    assert states(run) == {"s": "deferred"}


def test_a_run_that_cannot_be_mended_does_not_hold_up_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    bad, good = start(dag("bad", a={})), start(dag("good", a={}))
    for run in (bad, good):
        held(run, "a")
        expire(run)
    real = plans.plan_of

    def plan_of(version_id: int) -> Plan:
        if version_id == bad.version_id:
            raise ValueError("plan format 99")
        return real(version_id)

    monkeypatch.setattr(plans, "plan_of", plan_of)
    assert sweep().lost == 1
    assert (states(bad), states(good)) == ({"a": "running"}, {"a": "queued"})
