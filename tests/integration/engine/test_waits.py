"""Waits without a worker: how they begin, what ends them, and that nothing ends them twice."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.support.hands import (
    Defer,
    Done,
    Expand,
    Fail,
    admitted,
    claim,
    dag,
    do,
    end,
    held,
    items,
    start,
    state,
    states,
)
from workflows.core.errors import LostClaim
from workflows.engine import control, invariants
from workflows.engine.reconcile import sweep
from workflows.models import DagRun, Event, NodePool, TaskAttempt, TaskExecution

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("broker")]

WAIT = {"type": "wait", "parameters": {"http": {"url": "https://example.com"}}}


def waiting_run(**task: Any) -> DagRun:
    return start(dag(w={**WAIT, **task}, after={"depends_on": ["w"]}))


def row(run: DagRun, task: str = "w") -> TaskExecution:
    return TaskExecution.objects.get(run=run, task_id=task)


def past(run: DagRun, **ago: float) -> None:
    """Move a wait into the past."""
    by = timedelta(**(ago or {"hours": 2}))
    task = row(run)
    since = task.waiting_since and task.waiting_since - by
    wake = task.wake_at and task.wake_at - by
    TaskExecution.objects.filter(pk=task.pk).update(waiting_since=since, wake_at=wake)


def sound(run: DagRun) -> None:
    broken = [finding for finding in invariants.audit(run.pk) if not finding.holds]
    assert not broken, broken


def story(run: DagRun, task: str = "w") -> list[str]:
    rows = Event.objects.filter(run=run, task_id=task).order_by("id")
    return [f"{e.old}>{e.new}{'/' if e.reason else ''}{e.reason}" for e in rows]


def test_a_wait_for_a_time_ends_by_itself_when_the_time_has_come() -> None:
    run = waiting_run()
    do(run, "w", Defer(until=3600.0, output={"seconds": 3600}, message="waits"))
    task = row(run)
    assert (task.state, task.message, task.token, task.lease_until) == ("deferred", "waits", None, None)
    assert task.waiting_since is not None
    assert task.wake_at == task.waiting_since + timedelta(seconds=3600)
    assert TaskAttempt.objects.get(task_execution=task).end == "deferred"
    assert (sweep().waits, states(run)["w"]) == (0, "deferred")
    sound(run)
    past(run)
    assert sweep().waits == 1
    task = row(run)
    assert (task.state, task.output, task.wake_at, task.waiting_since) == ("success", {"seconds": 3600}, None, None)
    assert states(run)["after"] == "queued"
    assert sweep().waits == 0
    sound(run)


def test_a_moment_is_kept_as_it_is() -> None:
    run = waiting_run()
    at = datetime.now(UTC) + timedelta(days=3)
    do(run, "w", Defer(until=at, output={}))
    assert row(run).wake_at == at


def test_a_wait_for_a_condition_looks_again_as_a_new_attempt() -> None:
    run = waiting_run(timeout="10m")
    do(run, "w", Defer(until=30.0, message="not yet"))
    past(run, seconds=60)
    since = row(run).waiting_since
    assert sweep().waits == 1
    assert (row(run).state, row(run).attempt, row(run).reason) == ("queued", 2, "awaited")
    do(run, "w", Defer(until=30.0))
    assert row(run).waiting_since == since  # the looks of one wait share its timeout
    past(run, seconds=60)
    sweep()
    do(run, "w", Done(output={"status": 200}))
    assert story(run) == [
        *("pending>queued", "queued>running", "running>deferred", "deferred>queued/awaited"),
        *("queued>running", "running>deferred", "deferred>queued/awaited", "queued>running", "running>success"),
    ]
    assert row(run).output == {"status": 200}
    sound(run)


def test_a_look_that_was_lost_with_its_worker_does_not_begin_the_wait_anew() -> None:
    run = waiting_run(timeout="10m")
    do(run, "w", Defer(until=30.0))
    past(run, seconds=60)
    since = row(run).waiting_since
    sweep()
    held(run, "w", lease=-1)
    assert sweep().lost == 1
    do(run, "w", Defer(until=30.0))
    assert row(run).waiting_since == since


def test_the_timeout_counts_from_the_first_look_and_cuts_the_last_interval() -> None:
    run = waiting_run(timeout=90)
    do(run, "w", Defer(until=60.0))
    past(run, seconds=60)
    sweep()
    do(run, "w", Defer(until=60.0))
    task = row(run)
    assert task.waiting_since is not None
    assert task.wake_at == task.waiting_since + timedelta(seconds=90)
    past(run, seconds=60)
    assert sweep().waits == 1
    assert (row(run).state, row(run).reason, row(run).failures) == ("failed", "timed_out", 1)
    assert "90 s" in row(run).message
    assert state(run) == "failed"
    sound(run)


def test_a_time_behind_the_timeout_is_never_reached() -> None:
    run = waiting_run(timeout=60)
    do(run, "w", Defer(until=3600.0, output={"seconds": 3600}))
    past(run, seconds=61)
    sweep()
    assert row(run).state == "failed"


def test_a_time_before_the_timeout_is_reached_even_when_both_have_passed() -> None:
    run = waiting_run(timeout=60)
    do(run, "w", Defer(until=59.0, output={"seconds": 59}))
    past(run, seconds=3600)
    sweep()
    assert row(run).state == "success"


def test_a_wait_that_timed_out_may_skip_its_task() -> None:
    run = waiting_run(timeout=60, parameters={"http": {"url": "http://x"}, "on_timeout": "skip"})
    do(run, "w", Defer(until=30.0))
    past(run)
    sweep()
    assert (row(run).state, row(run).reason, states(run)["after"]) == ("skipped", "timed_out", "skipped")
    assert state(run) == "success"
    sound(run)


def test_a_wait_that_timed_out_with_tries_left_begins_anew() -> None:
    run = waiting_run(timeout=60, retry={"max_attempts": 2, "delay": 0})
    do(run, "w", Defer(until=30.0))
    past(run)
    sweep()
    assert (row(run).state, row(run).waiting_since) == ("retrying", None)
    sweep()
    do(run, "w", Defer(until=30.0))
    task = row(run)
    assert task.wake_at is not None
    assert task.waiting_since is not None
    assert task.wake_at - task.waiting_since == timedelta(seconds=30)
    assert (task.failures, task.attempt) == (1, 2)
    sound(run)


def test_a_cancel_ends_a_wait_and_a_later_sweep_does_nothing() -> None:
    run = waiting_run()
    do(run, "w", Defer(until=0.0, output={}))
    control.cancel_run(run.pk)
    assert (row(run).state, row(run).wake_at) == ("cancelled", None)
    assert sweep().waits == 0
    sound(run)


def test_a_cancel_between_claim_and_deferral_wins() -> None:
    run = waiting_run()
    look = held(run, "w")
    control.cancel_run(run.pk)
    with pytest.raises(LostClaim):
        end(look, Defer(until=5.0))
    assert row(run).state == "cancelled"
    sound(run)


def test_a_stale_look_cannot_defer() -> None:
    run = waiting_run()
    stale = held(run, "w", lease=-1)
    sweep()
    with pytest.raises(LostClaim):
        end(stale, Defer(until=5.0))
    assert claim(run, "w") is not None


def test_the_runs_deadline_ends_a_wait() -> None:
    document = {**dag(w=WAIT), "config": {"timeout": "1h"}}
    run = start(document)
    do(run, "w", Defer(until=60.0))
    DagRun.objects.filter(pk=run.pk).update(deadline_at=datetime.now(UTC) - timedelta(seconds=1))
    assert sweep().expired_runs == 1
    assert (state(run), row(run).state) == ("failed", "cancelled")
    sound(run)


def test_a_paused_run_ends_no_wait_until_it_goes_on() -> None:
    run = waiting_run()
    do(run, "w", Defer(until=0.0, output={}))
    control.pause_run(run.pk)
    assert (sweep().waits, row(run).state) == (0, "deferred")
    control.resume_run(run.pk)
    assert (sweep().waits, row(run).state) == (1, "success")


def test_an_output_that_cannot_be_kept_fails_the_wait_at_once() -> None:
    run = waiting_run()
    do(run, "w", Defer(until=5.0, output={"nul": "\x00"}))
    assert (row(run).state, "NUL" in row(run).message) == ("failed", True)


def test_a_failed_look_with_tries_left_begins_the_wait_anew() -> None:
    run = waiting_run(timeout=60, retry={"max_attempts": 2, "delay": 0})
    do(run, "w", Defer(until=30.0))
    past(run, seconds=40)
    sweep()
    do(run, "w", Fail(message="refused"))
    sweep()
    do(run, "w", Defer(until=30.0))
    task = row(run)
    assert task.waiting_since is not None
    assert task.waiting_since > datetime.now(UTC) - timedelta(seconds=20)
    sound(run)


def test_the_items_of_a_mapped_wait_end_each_by_itself_and_together() -> None:
    run = start(dag(w={**WAIT, "foreach": [1, 2]}, after={"depends_on": ["w"]}))
    do(run, "w", Expand(items=(1, 2)))
    for index in (0, 1):
        do(run, "w", Defer(until=3600.0, output={"n": index}), item=index)
    assert (items(run, "w"), sweep().waits) == (["deferred", "deferred"], 0)
    TaskExecution.objects.filter(run=run, map_index=0).update(wake_at=datetime.now(UTC))
    assert (sweep().waits, items(run, "w")) == (1, ["success", "deferred"])
    assert states(run) == {"w": "deferred", "after": "pending"}
    TaskExecution.objects.filter(run=run, map_index=1).update(wake_at=datetime.now(UTC))
    assert (sweep().waits, items(run, "w")) == (1, ["success", "success"])
    assert states(run) == {"w": "success", "after": "queued"}
    sound(run)


def test_a_wait_holds_no_slot_of_its_pool_and_needs_one_to_look_again() -> None:
    NodePool.objects.update_or_create(name="small", defaults={"slots": 1})
    run = start(dag(w={**WAIT, "pool": "small"}, x={"pool": "small"}))
    assert admitted(run) == ["w"]
    do(run, "w", Defer(until=60.0))
    assert admitted(run) == ["x"]
    past(run)
    assert (sweep().waits, admitted(run)) == (1, ["x"])
    do(run, "x")
    assert admitted(run) == ["w"]
    sound(run)
