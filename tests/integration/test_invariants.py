"""The audit: a sound history passes, and each promise is seen to be broken when it is."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection

from tests.support import hands
from tests.support.hands import Done, Fail
from workflows.core.outcome import Skip, Spawn
from workflows.core.states import TaskState
from workflows.engine import advance, control, invariants, plans, reconcile, surgery
from workflows.engine.invariants import RECOUNTED
from workflows.engine.launch import launch
from workflows.engine.promises import INVARIANTS
from workflows.engine.publish import publish
from workflows.models import DagRun, TaskExecution

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("broker")]

DOCUMENT = hands.dag(
    "audited",
    first={},
    flaky={"retry": {"max_attempts": 3}},
    choose={
        "type": "conditional",
        "condition": "true",
        "true_task": "taken",
        "false_task": "left",
        "depends_on": ["first"],
    },
    taken={},
    left={},
    below_left={"depends_on": ["left"]},
    early={"depends_on": ["first", "slow"], "trigger_rule": "one_success"},
    slow={},
    bad={"depends_on": ["first"], "allow_failure": True},
    end={
        "depends_on": ["flaky", "taken", "left", "bad", "early"],
        "trigger_rule": "none_failed_min_one_success",
    },
)


def broken(**options: Any) -> dict[str, int]:
    """The promises that are found broken, with the number of rows that break each."""
    return {finding.id: finding.count for finding in invariants.audit(**options) if not finding.holds}


@pytest.fixture(autouse=True)
def _plans_as_they_are() -> Iterator[None]:
    yield
    plans.forget()


@pytest.fixture
def ended() -> DagRun:
    """A run with a retry, a lost worker, a branch, a skip, an early start and a failure, worked to its end."""
    run = hands.start(DOCUMENT, on_commit=True)
    hands.do(run, "first")
    hands.do(run, "early")
    hands.do(run, "flaky", Fail(message="not yet"))
    reconcile.sweep()
    lost = hands.held(run, "flaky", lease=-1)
    reconcile.sweep()
    assert hands.claim(run, "flaky", attempt=lost.attempt) is None
    hands.do(run, "flaky")
    hands.do(run, "choose", Done(branch="taken", output={"result": True, "branch": "taken"}))
    hands.do(run, "taken")
    hands.do(run, "slow", Skip())
    hands.do(run, "bad", Fail(message="for good", permanent=True))
    hands.do(run, "end")
    assert hands.state(run) == "success", hands.states(run)
    execute(
        "INSERT INTO workflows_logchunk (task_execution_id, attempt, seq, stream, text) "
        "SELECT id, 1, 0, 'stdout', 'hello' FROM workflows_taskexecution WHERE task_id = 'first'"
    )
    return run


def execute(*statements: str) -> None:
    """Run SQL that no code of ours would."""
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)


def test_a_sound_history_breaks_nothing(ended: DagRun) -> None:
    assert broken(quiescent=True) == {}
    assert broken(run_id=ended.pk, quiescent=True) == {}


def test_work_on_its_way_breaks_only_what_is_asked_of_a_quiet_system() -> None:
    child = publish(hands.dag("child", only={}))
    run = hands.start(
        hands.dag("parent", sub={"type": "subdag", "parameters": {"dag_id": "child"}}, beside={}), on_commit=True
    )
    hands.do(run, "sub", Spawn(dag_id=child.dag.dag_id))
    hands.held(run, "beside")
    assert broken() == {}
    assert broken(quiescent=True) == {"I6q": 5}  # three tasks and two runs


def test_a_stopped_run_breaks_nothing() -> None:
    run = hands.start(DOCUMENT, on_commit=True)
    hands.do(run, "first")
    hands.held(run, "slow")
    assert control.cancel_run(run.pk)
    assert broken(quiescent=True) == {}


def test_surgery_breaks_nothing(ended: DagRun) -> None:
    """What ran is opened again, run anew with another branch chosen, marked by hand, and cancelled in the end."""
    assert broken(quiescent=True) == {}
    surgery.clear(ended.pk, ["first"])
    assert broken() == {}
    hands.do(ended, "first")
    hands.do(ended, "choose", Done(branch="left", output={"result": False, "branch": "left"}))
    assert hands.states(ended)["taken"] == "skipped"
    hands.do(ended, "left")
    hands.do(ended, "below_left")
    hands.do(ended, "bad", Fail(message="for good", permanent=True))
    hands.do(ended, "early")
    assert broken() == {}
    surgery.mark(ended.pk, ["end"], TaskState.FAILED)
    advance.conclude(advance.Consequences(maybe_over={ended.pk}))
    assert hands.state(ended) == "failed"
    assert broken(quiescent=True) == {}
    surgery.retry_failed(ended.pk)
    assert broken() == {}
    assert control.cancel_run(ended.pk)
    assert broken(quiescent=True) == {}
    surgery.clear(ended.pk, ["flaky"], downstream=False)
    hands.do(ended, "flaky")
    assert broken() == {}


_TASK = "(SELECT id FROM workflows_taskexecution WHERE task_id = '{}')"
_FREE = (
    "SET CONSTRAINTS ALL IMMEDIATE",  # nothing may be pending on a table that is to be altered
    "ALTER TABLE workflows_taskexecution DISABLE TRIGGER task_move",
    "ALTER TABLE workflows_dagrun DISABLE TRIGGER run_move",
    "ALTER TABLE workflows_dagversion DISABLE TRIGGER version_frozen",
)
_EVENT = (
    "INSERT INTO workflows_event (run_id, task_execution_id, task_id, attempt, old, new, seq) "
    "SELECT run_id, id, task_id, {attempt}, '{old}', '{new}', {seq} "
    "FROM workflows_taskexecution WHERE task_id = '{task}'"
)


_PLAN = (
    "UPDATE workflows_dagversion SET plan = jsonb_set(plan, '{}', '{}') "
    "FROM (SELECT position FROM workflows_taskexecution WHERE task_id = 'flaky') t"
)


def event(task: str, old: str, new: str, attempt: int = 1, seq: str = "pg_current_xact_id()::text::bigint") -> str:
    """SQL that adds an event."""
    return _EVENT.format(task=task, old=old, new=new, attempt=attempt, seq=seq)


def drop(table: str, constraint: str) -> str:
    """SQL that takes a guard away, within the test's transaction."""
    return f"ALTER TABLE workflows_{table} DROP CONSTRAINT {constraint}"


SABOTAGE: dict[str, tuple[str, ...]] = {
    "I1a": (event("first", "queued", "running", 2),),
    "I1b": (event("first", "success", "running", 2),),
    "I1c": ("UPDATE workflows_taskexecution SET state = 'skipped' WHERE task_id = 'taken'",),
    "I1d": ("UPDATE workflows_dagrun SET state = 'failed'",),
    "I2a": (event("first", "running", "success"),),
    "I2b": (
        "UPDATE workflows_taskattempt SET ended_at = NULL, \"end\" = '' WHERE task_execution_id = "
        + _TASK.format("first"),
    ),
    "I2c": (event("flaky", "queued", "running", 1),),
    "I3": (
        "UPDATE workflows_event SET id = (SELECT max(id) + 1 FROM workflows_event) "
        "WHERE task_id = 'choose' AND new = 'success'",
    ),
    "I4a": (
        drop("taskexecution", "task_sound"),
        "UPDATE workflows_taskexecution SET ended_at = NULL WHERE task_id = 'end'",
    ),
    "I4b": (
        "UPDATE workflows_dagrun SET state = 'running', ended_at = NULL",
        "UPDATE workflows_taskexecution SET ended_at = now() - interval '1 hour'",
    ),
    "I4c": ("DELETE FROM workflows_taskexecution WHERE task_id = 'below_left'",),
    "I4d": ("UPDATE workflows_dagrun SET state = 'failed'",),
    "I5": ("UPDATE workflows_taskexecution SET waiting_on = 1 WHERE task_id = 'end'",),
    "I6a": (
        "UPDATE workflows_taskexecution SET state = 'running', ended_at = NULL, token = gen_random_uuid(), "
        "lease_until = now() - interval '1 minute' WHERE task_id = 'end'",
    ),
    "I6b": (
        "UPDATE workflows_taskexecution SET state = 'retrying', ended_at = NULL, "
        "next_attempt_at = now() - interval '1 minute' WHERE task_id = 'end'",
    ),
    "I6c": ("UPDATE workflows_taskexecution SET state = 'deferred', ended_at = NULL WHERE task_id = 'end'",),
    "I6f": (
        "UPDATE workflows_taskexecution SET state = 'deferred', ended_at = NULL, waiting_since = now() "
        "WHERE task_id = 'end'",
    ),
    "I6g": (
        "INSERT INTO workflows_approval (task_execution_id, attempt, prompt, users, groups, on_timeout, on_reject, "
        "answered_at, approved, closed_at) SELECT id, 1, '', '{}', '{}', 'fail', 'fail', now(), true, now() "
        "FROM workflows_taskexecution WHERE task_id = 'end'",
    ),
    "I6d": ("UPDATE workflows_dagrun SET state = 'running', ended_at = NULL, deadline_at = now() - interval '1 hour'",),
    "I6e": (
        "UPDATE workflows_dagrun SET state = 'running', ended_at = NULL",
        "UPDATE workflows_taskexecution SET state = 'pending', ended_at = NULL WHERE task_id = 'end'",
        "UPDATE workflows_event SET at = now() - interval '1 hour'",
    ),
    "I6h": (
        "UPDATE workflows_dagrun SET state = 'running', ended_at = NULL",
        "UPDATE workflows_taskexecution SET state = 'queued', ended_at = NULL, gated = true, held = true, "
        "queued_at = now() - interval '1 hour' WHERE task_id = 'end'",
        "UPDATE workflows_event SET at = now() - interval '1 hour'",
    ),
    "I6q": ("UPDATE workflows_dagrun SET state = 'running', ended_at = NULL",),
    "I7a": (
        "UPDATE workflows_nodepool SET slots = 1",
        "UPDATE workflows_taskexecution SET gated = true",
        event("first", "queued", "running", 2),
        event("taken", "queued", "running", 2),
    ),
    "I7b": (
        "UPDATE workflows_nodepool SET slots = 1",
        "UPDATE workflows_taskexecution SET gated = true, state = 'queued', ended_at = NULL "
        "WHERE task_id IN ('first', 'taken')",
    ),
    "I7c": (
        _PLAN.format("{max_parallel}", 1),
        "UPDATE workflows_taskexecution SET gated = true",
        event("first", "queued", "running", 2),
        event("taken", "queued", "running", 2),
    ),
    "I8a": ("UPDATE workflows_taskexecution SET losses = 0 WHERE task_id = 'flaky'",),
    "I8b": (
        drop("taskexecution", "task_sound"),
        "UPDATE workflows_taskexecution SET failures = 9 WHERE task_id = 'flaky'",
    ),
    "I8c": (_PLAN.format("{tasks,{position},at_most_once}", "true"),),
    "I9": (
        "DROP INDEX dagrun_external_id",
        "UPDATE workflows_dagrun SET external_id = 'x'",
        "INSERT INTO workflows_dagrun (dag_id, version_id, state, reason, trigger, params, external_id, depth) "
        "SELECT dag_id, version_id, 'pending', '', trigger, '{}', 'x', 0 FROM workflows_dagrun",
    ),
    "I10": (event("end", "success", "failed", seq="1"),),
    "I11": (
        'INSERT INTO workflows_taskattempt (task_execution_id, number, token, ended_at, "end") '
        f"SELECT {_TASK.format('left')}, 1, gen_random_uuid(), now(), 'success'",
    ),
    "I12": ("DELETE FROM workflows_taskattempt WHERE task_execution_id = " + _TASK.format("first"),),
    "I13": ("UPDATE workflows_dagrun SET trigger = 'subdag'",),
    "I15": ("UPDATE workflows_logchunk SET text = repeat('x', 9000000)",),
    "O1": ("UPDATE workflows_logchunk SET task_execution_id = 0",),
}


@pytest.mark.parametrize("promise", SABOTAGE)
def test_a_broken_promise_is_found(promise: str, ended: DagRun) -> None:
    place = TaskExecution.objects.get(task_id="flaky").position
    execute(*_FREE, *(statement.replace("{position}", str(place)) for statement in SABOTAGE[promise]))
    plans.forget()
    found = broken(quiescent=True)
    assert promise in found, found


def test_every_promise_can_be_broken() -> None:
    assert set(SABOTAGE) == {each.id for each in (*INVARIANTS, *RECOUNTED)}


def test_a_branch_that_was_left_and_ran_all_the_same_is_found(ended: DagRun) -> None:
    execute("UPDATE workflows_event SET new = 'queued' WHERE task_id = 'left' AND old = 'pending'")
    assert "I3" in broken()


def test_a_finding_has_a_sample_and_the_whole_count(ended: DagRun) -> None:
    execute(
        "INSERT INTO workflows_event (run_id, task_id, old, new) "
        "SELECT id, '', 'success', 'pending' FROM workflows_dagrun, generate_series(1, 50)"
    )
    finding = next(each for each in invariants.audit() if each.id == "I1b")
    assert finding.count == 50
    assert len(finding.rows) == invariants.SAMPLE
    assert finding.rows[0]["run_id"] == ended.pk


def test_one_run_is_audited_without_the_others(ended: DagRun) -> None:
    execute("UPDATE workflows_taskexecution SET waiting_on = 1 WHERE task_id = 'end'")
    other = launch(publish(hands.dag("other", a={})), on_commit=True)
    assert broken(run_id=other.pk) == {}
    assert "I5" in broken(run_id=ended.pk)
    assert "I5" in broken()
    assert "I5" not in broken(newest=1)


def test_the_audit_reads_only(ended: DagRun) -> None:
    execute("SET CONSTRAINTS ALL IMMEDIATE", "SET TRANSACTION READ ONLY")
    assert broken(quiescent=True) == {}
    assert TaskExecution.objects.filter(run=ended).count() == len(DOCUMENT["tasks"])
