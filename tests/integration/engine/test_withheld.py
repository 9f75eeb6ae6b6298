"""A wide fan-out: what is sent of it, and what waits for workers that go on with the run."""

from __future__ import annotations

import uuid
from dataclasses import replace
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from django.utils import timezone

from tests.support.hands import dag, do, held, start, states
from workflows.core.errors import LostClaim
from workflows.core.outcome import Done
from workflows.engine import control, plans, redeliver, sql, transitions
from workflows.engine.finish import Finished, finish
from workflows.engine.rows import Claim, Onward
from workflows.models import DagRun, NodePool, TaskExecution

pytestmark = pytest.mark.django_db(transaction=True)
QUEUE = "celeriac"


def onward(
    *, window: int | None = 2, takes: bool = True, first: bool = False, positions: tuple[int, ...] = ()
) -> Onward:
    """How a worker goes on."""
    return Onward(
        token=uuid.uuid4(),
        node="hand",
        lease=30,
        queue=QUEUE,
        priority=5,
        positions=positions,
        wide=True,
        first=first,
        takes=takes,
        window=window,
    )


def fan_out(width: int = 12, window: int | None = 3, **task: object) -> tuple[DagRun, Finished]:
    """A run whose first task has just ended well, and what followed from it; nothing was gone on with."""
    below = {f"w{n:02}": {"depends_on": ["top"], **task} for n in range(width)}
    run = start(dag(top={}, **below, end={"depends_on": list(below)}))
    return run, end_of(held(run, "top"), onward(window=window, takes=False))


def end_of(claimed: Claim, how: Onward) -> Finished:
    """Finish well, and go on."""
    return finish(claimed, plans.plan_of(claimed.version_id), Done(), chance=0.5, onward=how)


def sent(finished: Finished) -> list[int]:
    """The positions that are to be sent."""
    return [item[0] for dispatch in finished.after.dispatches for item in dispatch.ready]


def test_as_many_are_sent_as_there_are_children() -> None:
    run, finished = fan_out(window=3)
    assert sent(finished) == [1, 2, 3, 4], "and one for the place of this worker, which stops"
    assert finished.withheld
    assert all(dispatch.alone for dispatch in finished.after.dispatches), "a chord's part could be gone on with"
    assert sorted(states(run).values()) == ["pending"] + ["queued"] * 12 + ["success"]


@pytest.mark.parametrize(("width", "window"), [(12, None), (12, 12), (1, 0)])
def test_all_are_sent_of_what_is_not_wide_or_when_nobody_goes_on(width: int, window: int | None) -> None:
    run, finished = fan_out(width, window)
    assert len(sent(finished)) == width
    assert not finished.withheld
    assert not TaskExecution.objects.filter(run=run, withheld=True).exists()


def test_what_is_limited_is_held_and_not_withheld() -> None:
    run, _ = fan_out(12, 3, foreach=[1, 2], foreach_concurrency=1)
    assert TaskExecution.objects.filter(run=run, withheld=True, gated=False).count() == 12


def test_one_that_goes_on_takes_the_next_with_the_same_commit() -> None:
    run = start(dag(a={}, b={"depends_on": ["a"]}, c={"depends_on": ["b"]}))
    finished = end_of(held(run, "a"), onward(positions=(1,)))
    assert finished.following is not None
    assert (finished.following.position, finished.following.attempt) == (1, 1)
    assert sent(finished) == []
    assert states(run) == {"a": "success", "b": "running", "c": "pending"}


def test_the_most_urgent_follows_and_never_a_less_urgent_one() -> None:
    run = start(dag(a={}, b={"depends_on": ["a"]}, c={"depends_on": ["a"], "priority": 8}))
    finished = end_of(held(run, "a"), onward(positions=(1, 2)))
    assert finished.following is not None
    assert finished.following.position == 2
    run = start(dag("e", a={}, b={"depends_on": ["a"], "priority": 2}))
    assert end_of(held(run, "a"), onward(positions=(1,))).following is None


def test_another_pools_task_does_not_follow() -> None:
    NodePool.objects.create(name="io")
    run = start(dag(a={}, b={"depends_on": ["a"], "pool": "io"}))
    finished = end_of(held(run, "a"), onward(positions=(1,)))
    assert finished.following is None
    assert sent(finished) == [1]


@pytest.mark.parametrize("first", [True, False])
def test_who_goes_on_takes_all_that_is_withheld_from_the_end(first: bool) -> None:
    run, finished = fan_out(window=1)
    assert sent(finished) == [1, 2]
    current, taken = held(run, "w00"), []
    while (finished := end_of(current, onward(first=first, positions=(13,)))).following is not None:
        current = finished.following
        taken.append(current.position)
    last = [] if first else [13]  # what a join makes ready is not looked for where a withheld task is taken first
    assert taken == [*range(12, 1, -1), *last], "from the end: messages are on their way for the first"
    if first:
        do(run, "end")
    assert set(states(run).values()) == {"success"}


@pytest.mark.parametrize("first", [True, False])
def test_a_task_that_another_is_about_to_claim_is_passed_over(first: bool) -> None:
    run, _ = fan_out()
    claimed = held(run, "w00")
    with sql.atomically():
        sql.run("SELECT id FROM workflows_taskexecution WHERE run_id = %s AND position = 12 FOR UPDATE", (run.pk,))
        assert _from_another_session(claimed, onward(first=first)) == 11


def _from_another_session(claimed: Claim, how: Onward) -> int:
    from concurrent.futures import ThreadPoolExecutor

    from django.db import connections

    def work() -> int:
        try:
            following = end_of(claimed, how).following
            assert following is not None
            return following.position
        finally:
            connections.close_all()

    with ThreadPoolExecutor(1) as pool:
        return pool.submit(work).result(10)


@pytest.mark.parametrize("first", [True, False])
def test_a_stale_worker_goes_on_with_nothing(first: bool) -> None:
    run, _ = fan_out()
    stale = replace(held(run, "w00"), token=uuid.uuid4())
    with pytest.raises(LostClaim):
        end_of(stale, onward(first=first, positions=(13,)))
    assert TaskExecution.objects.filter(run=run, state="running").count() == 1


@pytest.mark.parametrize("first", [True, False])
def test_the_answer_may_be_lost_after_the_commit(monkeypatch: pytest.MonkeyPatch, first: bool) -> None:
    """Asked again, the success is found done, and the claim is the one that was made with it."""
    run, _ = fan_out()
    claimed, how, real, lost = held(run, "w00"), onward(first=first), sql.together, []

    def together(statements: Any) -> Any:
        answers = real(statements)
        if not lost:
            lost.append(answers)
            raise psycopg.OperationalError("the server closed the connection")
        return answers

    monkeypatch.setattr(sql, "together", together)
    finished = end_of(claimed, how)
    assert lost
    assert finished.following is not None
    assert finished.following.token == how.token
    assert TaskExecution.objects.filter(run=run, state="running").count() == 1


def test_a_message_may_still_claim_what_waits() -> None:
    run, _ = fan_out()
    do(run, "w11")
    assert states(run)["w11"] == "success"


@pytest.mark.parametrize("first", [True, False])
def test_nobody_goes_on_with_a_paused_run(first: bool) -> None:
    run, _ = fan_out()
    claimed = held(run, "w00")
    control.pause_run(run.pk)
    assert end_of(claimed, onward(first=first)).following is None
    assert transitions.release(5) == []


def test_who_stops_has_one_sent_and_whoever_is_free_gets_more() -> None:
    run, _ = fan_out()
    other, _ = fan_out()
    assert [(r, row.position) for r, _, _, row in transitions.release(1, run_id=run.pk)] == [(run.pk, 12)]
    assert TaskExecution.objects.get(run=run, position=12).withheld is False
    assert {r for r, _, _, _ in transitions.release(30)} == {run.pk, other.pk}
    assert transitions.release(30) == []


@pytest.mark.parametrize(("running", "age", "resent"), [(False, 60, 12), (False, 0, 0), (True, 10, 0), (True, 60, 11)])
def test_the_reconciler_sends_what_nobody_came_for(
    monkeypatch: pytest.MonkeyPatch, running: bool, age: float, resent: int
) -> None:
    """At once when nothing of the run runs; while something does, whoever runs it may come for the rest."""
    run, _ = fan_out()
    if running:
        held(run, "w00")
    long_ago = timezone.now() - timedelta(seconds=age)
    TaskExecution.objects.filter(run=run, state="queued").update(queued_at=long_ago)
    sent_again: list[int] = []
    monkeypatch.setattr(redeliver.broker, "empty_queues", lambda queues: set())
    monkeypatch.setattr(redeliver.broker, "epoch", lambda: None)
    monkeypatch.setattr(redeliver.send, "send", lambda dispatches: sent_again.extend(len(d.ready) for d in dispatches))
    assert redeliver.send_again() == resent
    assert sum(sent_again) == resent


def test_what_was_gone_on_with_does_not_overtake_messages() -> None:
    """It was queued a moment ago; the message that led to it was not."""
    run = start(dag(a={}, b={"depends_on": ["a"]}))
    TaskExecution.objects.filter(run=run, task_id="a").update(queued_at=timezone.now() - timedelta(seconds=60))
    finished = end_of(held(run, "a"), onward(positions=(1,)))
    assert finished.following is not None
    first, second = TaskExecution.objects.filter(run=run).order_by("position")
    assert second.state == "running"
    assert second.sent_at == first.sent_at == first.queued_at
    assert second.queued_at > second.sent_at


@pytest.mark.parametrize(("urgent", "resent"), [(5, 1), (9, 1), (1, 0)])
def test_a_message_that_was_taken_is_evidence_for_those_that_are_as_urgent(
    monkeypatch: pytest.MonkeyPatch, urgent: int, resent: int
) -> None:
    """They are taken first, and those of one priority in their order; of less urgent ones it says nothing."""
    later = start(dag("later", a={}))
    waits = start(dag("waits", b={"priority": urgent}))
    TaskExecution.objects.filter(run=waits).update(queued_at=timezone.now() - timedelta(seconds=60))
    held(later, "a")
    monkeypatch.setattr(redeliver.broker, "empty_queues", lambda queues: set())
    monkeypatch.setattr(redeliver.broker, "epoch", lambda: None)
    monkeypatch.setattr(redeliver.canaries, "send", lambda queues: None)
    monkeypatch.setattr(redeliver.send, "send", lambda dispatches: len(list(dispatches)))
    assert redeliver.send_again() == resent
