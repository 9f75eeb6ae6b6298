"""Why is this task not running: each gate is seen to close, and the ones behind it are not looked at."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from tests.support.hands import Defer, Done, Expand, Fail, Spawn, dag, do, held, start, states
from workflows.conf import conf
from workflows.core.errors import UnknownRun, UnknownTask
from workflows.core.outcome import Question
from workflows.engine import control, health, plans, transitions
from workflows.engine.explain import Explanation, Verdict, explain_run, explain_task
from workflows.engine.publish import publish
from workflows.engine.reconcile import sweep
from workflows.executors import broker as outbound
from workflows.models import BrokerMark, DagRun, Node, TaskExecution

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("broker")]
CHOICE = {"type": "conditional", "condition": "true", "true_task": "yes", "false_task": "no"}


def run_sql(statement: str, *params: Any) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement, params)


def closed(found: Explanation) -> tuple[str, str]:
    """The closed gate and its sentence, after a look at the order."""
    assert found.blocked is not None, found
    verdicts = [gate.verdict for gate in found.gates]
    at = verdicts.index(Verdict.BLOCKED)
    assert set(verdicts[:at]) <= {Verdict.PASSED}
    assert set(verdicts[at + 1 :]) <= {Verdict.NOT_REACHED}
    assert found.says == found.blocked.says
    return found.blocked.name, found.says


def node(**facts: Any) -> Node:
    return Node.objects.create(
        **{"name": "w@host", "hostname": "host", "pid": 1, "queues": ["celeriac"], "concurrency": 2} | facts
    )


def test_a_waiting_task_names_its_open_upstreams() -> None:
    run = start(dag(a={}, b={}, join={"depends_on": ["a", "b"]}))
    do(run, "a")
    name, says = closed(explain_task(run.pk, "join"))
    assert (name, says) == ("upstreams", "it waits for 1 of 2 upstreams (all_success): b is queued")
    gate = explain_task(run.pk, "join").blocked
    assert gate is not None
    assert gate.data["upstreams"] == {"a": "success", "b": "queued"}
    assert gate.data["verdict"] is None


def test_a_verdict_that_is_owed_is_the_engines_own() -> None:
    run = start(dag(a={}, b={}, join={"depends_on": ["a", "b"]}))
    do(run, "a", Fail(message="x"))
    transitions.succeed(held(run, "b"), output=None, below=[2])  # as if the worker died before the second look
    name, says = closed(explain_task(run.pk, "join"))
    assert name == "upstreams"
    assert "all_success makes it upstream_failed" in says
    assert sweep().undecided == 1
    assert states(run)["join"] == "upstream_failed"
    name, says = closed(explain_task(run.pk, "join"))
    assert (name, "a is failed (error)" in says) == ("upstreams", True)


def test_a_branch_not_taken_names_who_chose() -> None:
    run = start(dag(large=CHOICE, yes={}, no={}, after={"depends_on": ["no"]}))
    do(run, "large", Done(output={"branch": "yes"}, branch="yes"))
    assert closed(explain_task(run.pk, "no")) == ("branch", "large chose yes, not this task")
    name, says = closed(explain_task(run.pk, "after"))
    assert (name, "no is skipped (branch_not_taken)" in says) == ("upstreams", True)


def test_a_paused_run_holds_what_is_queued_and_not_what_runs() -> None:
    run = start(dag(a={}, b={}))
    held(run, "a")
    control.pause_run(run.pk)
    assert closed(explain_task(run.pk, "b"))[0] == "paused"
    assert closed(explain_run(run.pk))[0] == "paused"
    found = explain_task(run.pk, "a")
    assert found.blocked is None
    assert found.says.startswith("attempt 1 runs since ")


def test_a_paused_dag_holds_no_run_that_exists() -> None:
    run = start(dag(a={}))
    control.pause_dag("d")
    gate = explain_task(run.pk, "a").gates[0]
    assert (gate.name, gate.verdict) == ("dag", Verdict.PASSED)
    assert "is paused" in gate.says


def test_a_pending_run_says_who_is_before_it() -> None:
    first, other = (start(dag(a={}) | {"config": {"max_active_runs": 1}}) for _ in range(2))
    for found in (explain_run(other.pk), explain_task(other.pk, "a")):
        name, says = closed(found)
        assert name == "turn"
        assert f"max_active_runs is 1, and run {first.pk} go" in says
    with pytest.raises(UnknownTask):
        explain_task(other.pk, "nothing")
    third = start(dag(a={}) | {"config": {"max_active_runs": 1}})
    assert explain_run(third.pk).says.endswith("; 1 pending before it")
    DagRun.objects.filter(pk=third.pk).update(priority=9)
    assert "before it" not in explain_run(third.pk).says
    control.pause_run(other.pk)
    assert closed(explain_run(other.pk))[0] == "paused"


def test_a_retry_says_when_and_who_starts_it() -> None:
    run = start(dag(a={"retry": {"max_attempts": 3, "delay": 60, "jitter": False}}))
    do(run, "a", Fail(message="no luck"))
    name, says = closed(explain_task(run.pk, "a"))
    assert name == "retry"
    assert says.startswith("attempt 1 failed (error), 1 of 3 tries are used; the next is due in ")
    run_sql("UPDATE workflows_taskexecution SET next_attempt_at = now() - interval '9 s'")
    assert "no reconciler is there to see it" in explain_task(run.pk, "a").says
    BrokerMark.objects.create(name="sweep", value="here:1")
    assert "the reconciler is about to see it" in explain_task(run.pk, "a").says


def test_a_deferred_task_names_its_child() -> None:
    publish(dag("child", x={}))
    run = start(dag("parent", s={"type": "subdag", "parameters": {"dag_id": "child"}}))
    do(run, "s", Spawn(dag_id="child"))
    child = DagRun.objects.get(parent__run=run)
    assert closed(explain_task(run.pk, "s")) == (
        "deferred",
        f"it waits for run {child.pk} of child, which is running",
    )
    assert f"run {child.pk} of child" in explain_run(run.pk).says


def test_a_wait_says_until_when_and_an_approval_whom_it_asks() -> None:
    wait = {"type": "wait", "parameters": {"for": 60}}
    ask = {"type": "approval", "parameters": {"prompt": "Go?"}}
    run = start(dag(w=wait, free=ask, named=ask))
    do(run, "w", Defer(until=60.0, message="for a minute"))
    do(run, "free", Defer(question=Question(prompt="Go?")))
    do(run, "named", Defer(question=Question(prompt="Go?", users=("ann",), groups=("ops",))))
    name, says = closed(explain_task(run.pk, "w"))
    assert (name, says.startswith("it waits (for a minute) for ")) == ("deferred", True)
    assert "it waits for an answer from whoever may operate runs" in explain_task(run.pk, "free").says
    assert "it waits for an answer from ann and group ops" in explain_task(run.pk, "named").says
    run_sql("UPDATE workflows_taskexecution SET wake_at = now() - interval '3 s' WHERE task_id = 'w'")
    assert "the time came 3" in explain_task(run.pk, "w").says


def test_a_mapped_task_counts_its_items() -> None:
    run = start(dag(m={"foreach": [1, 2, 3]}))
    do(run, "m", Expand(items=(1, 2, 3)))
    name, says = closed(explain_task(run.pk, "m"))
    assert (name, says) == ("deferred", "it waits for its items: 0 of 3 have settled (3 queued)")
    assert closed(explain_task(run.pk, "m", 1))[0] == "workers"


def test_a_held_task_says_which_limit_is_full() -> None:
    from workflows.models import NodePool

    NodePool.objects.get_or_create(name="default")
    NodePool.objects.filter(name="default").update(slots=1)
    run = start(dag(a={}, b={}) | {"config": {"max_parallel_tasks": 5}})
    TaskExecution.objects.filter(run=run).update(gated=True, held=False)
    TaskExecution.objects.filter(run=run, task_id="b").update(held=True)
    name, says = closed(explain_task(run.pk, "b"))
    assert name == "limits"
    assert "pool default 1 of 1" in says
    assert says.endswith("what holds it is pool default")
    assert explain_task(run.pk, "a").blocked != explain_task(run.pk, "b").blocked


def test_a_queued_task_needs_broker_worker_and_message(monkeypatch: pytest.MonkeyPatch) -> None:
    run = start(dag(a={}))
    name, says = closed(explain_task(run.pk, "a"))
    assert (name, "no live worker takes queue celeriac" in says) == ("workers", True)
    mine = node(heartbeat_at=timezone.now() - timezone.timedelta(seconds=conf.LEASE_SECONDS + 5))
    assert "w@host fell silent" in explain_task(run.pk, "a").says
    Node.objects.filter(pk=mine.pk).update(heartbeat_at=timezone.now(), stalled_at=timezone.now())
    assert "w@host is alive and takes nothing" in explain_task(run.pk, "a").says
    Node.objects.filter(pk=mine.pk).update(stalled_at=None)
    Node.objects.filter(pk=mine.pk).update(heartbeat_at=timezone.now(), running=2)
    assert closed(explain_task(run.pk, "a")) == ("workers", "every process of w@host is busy (2 of 2)")
    Node.objects.filter(pk=mine.pk).update(running=1)
    name, says = closed(explain_task(run.pk, "a"))
    assert (name, "a worker is about to take it" in says) == ("message", True)
    run_sql("UPDATE workflows_taskexecution SET queued_at = now() - interval '1 min'")
    assert "no reconciler sweeps" in explain_task(run.pk, "a").says
    monkeypatch.setattr(outbound, "queue_length", lambda name: None)
    assert closed(explain_task(run.pk, "a"))[0] == "broker"


def test_the_length_of_a_queue() -> None:
    start(dag(a={}, b={}, c={}))
    assert outbound.queue_length("celeriac") == 3
    assert outbound.queue_length("celeriac.nobody") == 0


def test_a_running_task_whose_lease_is_over_says_so() -> None:
    run = start(dag(a={}))
    held(run, "a")
    run_sql("UPDATE workflows_taskexecution SET lease_until = now() - interval '1 s'")
    name, says = closed(explain_task(run.pk, "a"))
    assert (name, "its lease is over" in says) == ("running", True)


def test_what_has_settled_says_how() -> None:
    run = start(dag(a={}, b={}))
    do(run, "a")
    do(run, "b", Fail(message="out of milk"))
    good, bad = explain_task(run.pk, "a"), explain_task(run.pk, "b")
    assert good.blocked is None
    assert good.says.startswith("it succeeded at ")
    assert closed(bad)[0] == "settled"
    assert bad.says.endswith(": out of milk")
    name, says = closed(explain_run(run.pk))
    assert (name, says.endswith(": b failed")) == ("end", True)


def test_a_run_with_work_to_do_is_not_blocked() -> None:
    run = start(dag(a={}, b={"depends_on": ["a"]}))
    assert "no live worker takes queue celeriac" in closed(explain_run(run.pk))[1]
    held(run, "a")
    assert explain_run(run.pk).says == "it works: 1 pending, 1 running"


def test_what_is_not_there_is_named() -> None:
    run = start(dag(a={}))
    with pytest.raises(UnknownRun):
        explain_run(run.pk + 1)
    with pytest.raises(UnknownTask, match=r"a\[3\]"):
        explain_task(run.pk, "a", 3)


def test_nothing_is_written() -> None:
    run = start(dag(a={}))
    with connection.cursor() as cursor:
        cursor.execute("SET default_transaction_read_only = on")
        try:
            explain_task(run.pk, "a")
            explain_run(run.pk)
        finally:
            cursor.execute("SET default_transaction_read_only = off")
    assert list(health.reconciler())
    assert plans.plan_of(run.version_id).by_id == {"a": 0}
