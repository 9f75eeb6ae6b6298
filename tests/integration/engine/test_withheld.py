"""A wide fan-out: what is sent of it, and what waits for workers that go on with the run."""

from __future__ import annotations

import uuid

import pytest

from tests.support.hands import dag, do, held, start, states
from workflows.core.outcome import Done
from workflows.engine import control, plans, redeliver, sql, transitions
from workflows.engine.finish import Finished, finish
from workflows.engine.rows import Claim
from workflows.models import DagRun, TaskExecution

pytestmark = pytest.mark.django_db(transaction=True)
QUEUE = "celeriac"


def fan_out(width: int = 12, window: int | None = 3, **task: object) -> tuple[DagRun, Finished]:
    """A run whose first task has just ended well, and what followed from it."""
    below = {f"w{n:02}": {"depends_on": ["top"], **task} for n in range(width)}
    run = start(dag(top={}, **below))
    first = held(run, "top")
    return run, finish(first, plans.plan_of(first.version_id), Done(), chance=0.5, window=window)


def sent(finished: Finished) -> list[int]:
    """The positions that are to be sent."""
    return [item[0] for dispatch in finished.after.dispatches for item in dispatch.ready]


def take(run: DagRun) -> Claim | None:
    """Go on with the run."""
    return transitions.claim_withheld(run.pk, QUEUE, token=uuid.uuid4(), node="hand", lease=30)


def test_as_many_are_sent_as_there_are_children() -> None:
    run, finished = fan_out()
    assert sent(finished) == [1, 2, 3]
    assert all(dispatch.alone for dispatch in finished.after.dispatches), "a chord's part could be gone on with"
    assert sorted(states(run).values()) == ["queued"] * 12 + ["success"]


@pytest.mark.parametrize(("width", "window"), [(12, None), (12, 12), (7, 3)])
def test_all_are_sent_of_what_is_not_wide_or_when_nobody_goes_on(width: int, window: int | None) -> None:
    run, finished = fan_out(width, window)
    assert len(sent(finished)) == width
    assert not TaskExecution.objects.filter(run=run, withheld=True).exists()


def test_what_is_limited_is_held_and_not_withheld() -> None:
    run, _ = fan_out(12, 3, foreach=[1, 2], foreach_concurrency=1)
    assert TaskExecution.objects.filter(run=run, withheld=True, gated=False).count() == 12


def test_two_that_go_on_take_different_tasks_until_none_is_left() -> None:
    run, _ = fan_out()
    taken = list(iter(lambda: take(run), None))
    assert sorted(claim.position for claim in taken) == list(range(1, 13))
    assert taken[0].position == 12, "from the end: messages are on their way for the first"
    assert all(claim.attempt == 1 and claim.run_id == run.pk for claim in taken)


def test_a_task_that_another_is_about_to_claim_is_passed_over() -> None:
    run, _ = fan_out()
    with sql.atomically():
        sql.run("SELECT id FROM workflows_taskexecution WHERE run_id = %s AND position = 12 FOR UPDATE", (run.pk,))
        assert _from_another_session(run) == 11


def _from_another_session(run: DagRun) -> int:
    from concurrent.futures import ThreadPoolExecutor

    from django.db import connections

    def work() -> int:
        try:
            claim = take(run)
            assert claim is not None
            return claim.position
        finally:
            connections.close_all()

    with ThreadPoolExecutor(1) as pool:
        return pool.submit(work).result(10)


def test_the_answer_to_a_claim_may_be_lost() -> None:
    """Asked again with the same token, it is the same claim, and not one more."""
    run, _ = fan_out()
    token = uuid.uuid4()
    first = transitions.claim_withheld(run.pk, QUEUE, token=token, node="hand", lease=30)
    assert first is not None
    assert sql.run(transitions.hot._CLAIMED_BEFORE, {"run": run.pk, "token": token})[0][1] == first.position  # type: ignore[arg-type]


def test_a_message_may_still_claim_what_waits() -> None:
    run, _ = fan_out()
    do(run, "w11")
    assert states(run)["w11"] == "success"


def test_nobody_goes_on_with_a_run_that_is_paused_or_over() -> None:
    run, _ = fan_out()
    control.pause_run(run.pk)
    assert take(run) is None
    control.resume_run(run.pk)
    control.cancel_run(run.pk)
    assert take(run) is None


def test_who_stops_lets_one_be_sent() -> None:
    run, _ = fan_out()
    released = transitions.release(run.pk, QUEUE)
    assert released is not None
    assert (released.position, released.withheld) == (12, False)
    assert TaskExecution.objects.get(run=run, position=12).withheld is False
    assert transitions.release(run.pk, "celeriac.other") is None


def test_the_reconciler_sends_what_nobody_came_for(monkeypatch: pytest.MonkeyPatch) -> None:
    run, _ = fan_out()
    TaskExecution.objects.filter(run=run, state="queued").update(queued_at="2026-01-01T00:00Z")
    sent_again: list[tuple[int, ...]] = []
    monkeypatch.setattr(redeliver.broker, "empty_queues", lambda queues: set(queues))
    monkeypatch.setattr(redeliver.send, "send", lambda dispatches: sent_again.extend(d.ready for d in dispatches))
    redeliver.send_again()
    assert sum(len(ready) for ready in sent_again) == 12
    assert not TaskExecution.objects.filter(run=run, withheld=True).exists()
