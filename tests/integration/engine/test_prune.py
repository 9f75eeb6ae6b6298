"""What may go goes whole, what may not stays, and the audit finds nothing after an interruption at any moment."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from django.db import connection

from tests.support.hands import Done, Fail, Spawn, dag, do, held, start, state
from workflows.core.errors import DagHasRuns, PartOfRun, RunGoesOn, UnknownDag, UnknownRun
from workflows.engine import backfill, control, deletion, invariants, prune
from workflows.engine.launch import launch
from workflows.engine.prune import DAY, Pruned, Rules
from workflows.engine.publish import publish
from workflows.models import (
    Approval,
    Backfill,
    BackfillDate,
    Callback,
    Dag,
    DagRun,
    DagVersion,
    Event,
    LogChunk,
    TaskAttempt,
    TaskExecution,
)

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("broker")]
MONTH = Rules(runs=30 * DAY)


def run_sql(statement: str, *params: Any) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement, params)


def age(run: DagRun, days: float) -> None:
    """Let a run and all that belongs to it have ended so many days ago."""
    for statement in (
        "UPDATE workflows_dagrun SET ended_at = ended_at - make_interval(secs => %s), "
        "deleted_at = deleted_at - make_interval(secs => %s) WHERE id = %s",
        "UPDATE workflows_logchunk SET at = at - make_interval(secs => %s + 0 * %s) WHERE task_execution_id IN "
        "(SELECT id FROM workflows_taskexecution WHERE run_id = %s)",
    ):
        run_sql(statement, days * DAY, days * DAY, run.pk)


def ended(name: str = "d", days: float = 0) -> DagRun:
    """A run with a success, a failure with a retry behind it, and logs."""
    document = dag(name, a={}, b={"retry": {"max_attempts": 2, "delay": 0}}, c={"depends_on": ["b"]})
    run = start(document)
    do(run, "a")
    do(run, "b", Fail(message="no", permanent=True))
    assert state(run) == "failed"
    for task in TaskExecution.objects.filter(run=run, attempt=1):
        for seq in range(3):
            LogChunk.objects.create(task_execution_id=task.pk, attempt=1, seq=seq, stream="stdout", text="hello\n")
    age(run, days)
    return run


def broken() -> dict[str, int]:
    return {found.id: found.count for found in invariants.audit() if not found.holds}


def rows_of(run: DagRun) -> int:
    tasks = list(TaskExecution.objects.filter(run_id=run.pk).values_list("pk", flat=True))
    chunks = LogChunk.objects.filter(task_execution_id__in=tasks).count()
    return Event.objects.filter(run_id=run.pk).count() + len(tasks) + chunks


def left() -> list[int]:
    return list(DagRun.objects.order_by("id").values_list("pk", flat=True))


def test_old_runs_go_whole_and_young_ones_stay() -> None:
    old, young = ended(days=31), ended(days=29)
    whole = rows_of(young)
    shown = prune.preview(MONTH)
    done = prune.prune(MONTH)
    assert done == shown == Pruned(runs=1, tasks=3, attempts=2, events=9, log_chunks=6)
    assert left() == [young.pk]
    assert (rows_of(old), rows_of(young)) == (0, whole)
    assert not TaskAttempt.objects.exclude(task_execution__run=young).exists()
    assert broken() == {}
    assert prune.prune(MONTH).total == 0


def test_unfinished_runs_are_never_touched() -> None:
    run = start(dag(a={}, b={}))
    do(run, "a")
    run_sql(
        "UPDATE workflows_dagrun SET started_at = now() - interval '9 years', created_at = now() - interval '9 years'"
    )
    assert prune.prune(Rules(runs=0, logs=0, deleted=0)).total == 0


def test_what_has_just_ended_stays_for_who_follows_the_events() -> None:
    run = ended()
    assert prune.prune(Rules(runs=0)).total == 0
    age(run, 0.01)
    assert prune.prune(Rules(runs=0)).runs == 1


def test_the_last_runs_of_each_dag_stay() -> None:
    runs = [ended("one", days=40 - number) for number in range(4)]
    other = ended("two", days=90)
    rules = Rules(runs=DAY, keep_last=2)
    assert prune.preview(rules).runs == 2
    prune.prune(rules)
    assert left() == [runs[2].pk, runs[3].pk, other.pk]
    prune.prune(Rules(runs=DAY, keep_last=5))
    assert len(left()) == 3


def test_one_dag_alone() -> None:
    one, two = ended("one", days=40), ended("two", days=40)
    prune.prune(Rules(runs=DAY, dag="one"))
    assert left() == [two.pk]
    assert rows_of(one) == 0


def test_sub_dags_go_with_their_run_and_not_before() -> None:
    publish(dag("child", x={}))
    run = start(dag("parent", s={"type": "subdag", "parameters": {"dag_id": "child"}}))
    do(run, "s", Spawn(dag_id="child"))
    child = DagRun.objects.get(parent__run=run)
    do(child, "x")
    assert state(run) == "success"
    age(child, 90)
    assert prune.prune(MONTH).runs == 0
    age(run, 90)
    assert prune.preview(MONTH).runs == 2
    assert prune.prune(MONTH).runs == 2
    assert (left(), broken()) == ([], {})


def test_everything_that_names_a_run_is_seen_to() -> None:
    row = backfill.start(_january(2))
    backfill.advance()
    first = DagRun.objects.get()
    do(first, "a")
    follower = start(dag("low", a={}))
    DagRun.objects.filter(pk=follower.pk).update(cause=first)
    task = TaskExecution.objects.get(run=first)
    Approval.objects.create(task_execution=task, attempt=1)
    Callback.objects.create(event_id=1, place=0, run=first, kind="webhook", target={}, payload={}, state="sent")
    age(first, 90)
    assert prune.prune(MONTH).runs == 1
    assert DagRun.objects.get(pk=follower.pk).cause_id is None
    assert (Approval.objects.count(), Callback.objects.count()) == (0, 0)
    assert backfill.progress_of([row.pk])[row.pk].as_dict() == {"success": 1, "waiting": 1}
    assert BackfillDate.objects.get(state="success").run_id is None
    backfill.advance()
    assert DagRun.objects.filter(trigger="backfill").count() == 1  # the second date, and not the first one again
    assert broken() == {}


def _january(days: int) -> backfill.Wanted:
    from datetime import UTC, datetime, timedelta

    publish(dag(a={}))
    first = datetime(2025, 1, 1, tzinfo=UTC)
    return backfill.Wanted(dag_id="d", start=first, end=first + timedelta(days=days - 1), every=DAY)


def test_no_table_that_names_runs_or_tasks_is_forgotten() -> None:
    source = Path(prune.__file__).read_text()
    named = {
        relation.related_model._meta.db_table
        for model in (DagRun, TaskExecution)
        for relation in model._meta.related_objects
    }
    assert len(named) > 5
    assert not {table for table in named if table not in source}


def test_a_run_whose_callback_is_still_to_be_sent_stays() -> None:
    run = ended(days=90)
    Callback.objects.create(event_id=1, place=0, run=run, kind="webhook", target={}, payload={})
    assert prune.preview(MONTH).runs == 0
    assert prune.prune(MONTH).total == 0


def test_logs_may_go_before_their_runs() -> None:
    old, young = ended(days=31), ended(days=2)
    at_work = start(dag("busy", a={}, b={}))
    task = TaskExecution.objects.get(run=at_work, task_id="a")
    do(at_work, "a")
    LogChunk.objects.create(task_execution_id=task.pk, attempt=1, seq=0, stream="stdout", text="still needed")
    run_sql("UPDATE workflows_logchunk SET at = now() - interval '1 year' WHERE task_execution_id = %s", task.pk)
    rules = Rules(logs=30 * DAY)
    assert prune.preview(rules) == Pruned(log_chunks=6)
    assert prune.prune(rules, batch=4) == Pruned(log_chunks=6)
    assert left() == [old.pk, young.pk, at_work.pk]
    assert LogChunk.objects.count() == 7
    assert broken() == {}


def test_an_interruption_leaves_nothing_half() -> None:
    runs = [ended(days=90) for _ in range(3)]

    class Stop(Exception):
        pass

    for allowed in range(12):
        told = 0

        def stop(done: Pruned, allowed: int = allowed) -> None:
            nonlocal told
            told += 1
            if told > allowed:
                raise Stop

        try:
            prune.prune(MONTH, batch=2, tell=stop)
        except Stop:
            assert broken() == {}
            continue
        break
    assert (left(), broken()) == ([], {})
    assert not LogChunk.objects.exists()
    assert all(rows_of(run) == 0 for run in runs)


def test_a_run_that_is_reopened_meanwhile_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    from workflows.engine import surgery

    run = ended(days=90)
    real = prune._tree
    looks: list[int] = []

    def tree(run_id: int) -> list[int] | None:
        looks.append(run_id)
        found = real(run_id)
        if len(looks) == 1:
            surgery.retry_failed(run_id)
        return found

    monkeypatch.setattr(prune, "_tree", tree)
    assert prune.prune(MONTH).runs == 0
    assert state(run) == "running"


# Deleting


def test_a_deleted_run_is_hidden_then_pruned() -> None:
    run, other = ended(), ended()
    assert deletion.preview_run(run.pk) == deletion.RunDeletion(run_id=run.pk, children=(), tasks=3)
    assert deletion.delete_run(run.pk)
    assert not deletion.delete_run(run.pk)
    assert list(DagRun.objects.live()) == [other]
    week = Rules(deleted=7 * DAY)
    assert prune.prune(week).total == 0
    assert deletion.restore_run(run.pk)
    assert not deletion.restore_run(run.pk)
    deletion.delete_run(run.pk)
    age(run, 8)
    assert prune.prune(week).runs == 1
    assert left() == [other.pk]


def test_a_run_is_deleted_with_its_sub_dags() -> None:
    publish(dag("child", x={}))
    run = start(dag("parent", s={"type": "subdag", "parameters": {"dag_id": "child"}}))
    do(run, "s", Spawn(dag_id="child"))
    child = DagRun.objects.get(parent__run=run)
    with pytest.raises(RunGoesOn):
        deletion.delete_run(run.pk)
    do(child, "x")
    with pytest.raises(PartOfRun, match=f"part of run {run.pk}"):
        deletion.delete_run(child.pk)
    deletion.delete_run(run.pk)
    assert not DagRun.objects.live().exists()
    deletion.restore_run(run.pk)
    assert DagRun.objects.live().count() == 2
    with pytest.raises(UnknownRun):
        deletion.delete_run(999)


def test_a_deleted_dag_keeps_its_history_and_comes_back() -> None:
    first = ended()
    publish(dag("user", s={"type": "subdag", "parameters": {"dag_id": "d"}}))
    row = backfill.start(_january(2))
    shown = deletion.preview_dag("d")
    assert (shown.runs, shown.unfinished, shown.backfills, shown.used_by) == (1, (), (row.pk,), ("user",))
    deletion.delete_dag("d", by="me")
    row.refresh_from_db()
    assert (row.state, row.message) == ("cancelled", "cancelled by me, with its DAG")
    with pytest.raises(UnknownDag):
        launch("d")
    with pytest.raises(UnknownDag):
        deletion.delete_dag("d")
    assert deletion.restore_dag("d")
    assert not deletion.restore_dag("d")
    assert launch("d").pk > first.pk
    with pytest.raises(UnknownDag):
        deletion.restore_dag("nothing")


def test_the_schedule_follows_its_dag_into_deletion_and_back() -> None:
    from django_celery_beat.models import PeriodicTask

    publish(dag(a={}) | {"schedule": {"cron": "0 2 * * *"}})
    ours = PeriodicTask.objects.filter(task__contains="schedule")
    assert [entry.enabled for entry in ours] == [True]
    assert deletion.preview_dag("d").has_schedule
    deletion.delete_dag("d")
    assert not ours.all().exists()
    deletion.restore_dag("d")
    assert [entry.enabled for entry in ours.all()] == [True]


def test_publishing_the_id_again_brings_the_dag_back_with_its_numbers() -> None:
    publish(dag(a={}))
    deletion.delete_dag("d")
    assert publish(dag(a={}, b={})).number == 2
    assert Dag.objects.live().filter(dag_id="d").exists()


def test_a_dag_with_runs_is_deleted_only_when_they_may_be_cancelled() -> None:
    run = start(dag(a={}))
    held(run, "a")
    with pytest.raises(DagHasRuns, match=rf"1 run\(s\) that have not ended \({run.pk}\)"):
        deletion.delete_dag("d")
    assert Dag.objects.live().exists()
    deletion.delete_dag("d", cancel_runs=True, by="me")
    assert state(run) == "cancelled"
    assert not Dag.objects.live().exists()


def test_a_deleted_dag_is_pruned_with_its_runs_and_versions() -> None:
    run, row = ended(), backfill.start(_january(1))
    deletion.delete_dag("d")
    week = Rules(deleted=7 * DAY)
    assert prune.prune(week).total == 0
    run_sql("UPDATE workflows_dag SET deleted_at = now() - interval '8 days'")
    age(run, 8)
    assert prune.preview(week).dags == 1
    assert prune.prune(week).dags == 1
    assert [model.objects.count() for model in (Dag, DagVersion, Backfill)] == [0, 0, 0], row
    assert broken() == {}
    publish(dag(a={}))


def test_rules_come_from_the_settings(settings: Any) -> None:
    from workflows.conf import conf

    assert prune.rules_of() == Rules(deleted=7 * DAY)
    settings.CELERIAC = {
        **settings.CELERIAC,
        "RETENTION_RUN_DAYS": 30,
        "RETENTION_LOG_DAYS": 7,
        "RETENTION_KEEP_LAST": 5,
    }
    conf.reload()
    try:
        assert prune.rules_of() == Rules(runs=30 * DAY, logs=7 * DAY, deleted=7 * DAY, keep_last=5)
        assert prune.rules_of(older_than=DAY, keep_last=0).runs == DAY
    finally:
        conf.reload()
    with pytest.raises(UnknownDag):
        prune.rules_of(dag="nothing")


def test_a_deleted_run_counts_for_no_backfill() -> None:
    row = backfill.start(_january(1))
    backfill.advance()
    run = DagRun.objects.get()
    do(run, "a", Done())
    backfill.advance()
    assert backfill.preview(_january(1)).chosen == 0
    deletion.delete_run(run.pk)
    assert backfill.preview(_january(1)).chosen == 1
    assert row.pk
    assert not control.resume_dag("d")
