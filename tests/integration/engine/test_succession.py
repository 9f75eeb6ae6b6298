"""Runs after the successes of other DAGs: one for each logical date, whatever crashes and whoever reads."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection

from tests.support.hands import Done, Fail, Spawn, dag, do, state
from workflows.core.errors import InvalidDocument
from workflows.engine import control, reconcile, succession
from workflows.engine.launch import launch
from workflows.engine.publish import publish
from workflows.models import DagRun, EventCursor, Schedule

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("broker")]
DATE = datetime(2025, 1, 2, 3, tzinfo=UTC)


def after(dag_id: str, *upstream: str, **document: Any) -> None:
    publish(dag(dag_id, a={}) | {"schedule": {"after": list(upstream)}} | document)


def succeed(dag_id: str, date: datetime | None = DATE, **options: Any) -> DagRun:
    run = launch(dag_id, logical_date=date, **options)
    do(run, "a")
    assert state(run) == "success"
    return run


def following(dag_id: str = "below") -> list[DagRun]:
    return list(DagRun.objects.filter(dag__dag_id=dag_id, trigger="after").order_by("id"))


@pytest.fixture(autouse=True)
def _two_dags(broker: str) -> None:
    publish(dag("one", a={}))
    publish(dag("two", a={}))


def test_a_success_starts_a_run_with_the_same_date() -> None:
    after("below", "one")
    publish(dag("one", a={}) | {"schedule": "0 0 * * *"})
    cause = succeed("one")
    assert reconcile.sweep().after == 1
    (run,) = following()
    assert (run.logical_date, run.cause_id, run.state) == (DATE, cause.pk, "running")
    assert run.interval_start == cause.interval_start == datetime(2025, 1, 2, tzinfo=UTC)
    assert reconcile.sweep().after == 0


def test_a_failure_starts_nothing_until_it_was_mended() -> None:
    after("below", "one")
    run = launch("one", logical_date=DATE)
    do(run, "a", Fail(message="no"))
    assert succession.follow_successes() == 0
    succeed("one")  # another run of the same date
    succeed("one")
    assert succession.follow_successes() == 1
    assert len(following()) == 1


def test_all_of_several_must_have_succeeded_for_the_date() -> None:
    after("below", "one", "two")
    succeed("one")
    succeed("two", DATE + timedelta(days=1))
    assert succession.follow_successes() == 0
    last = succeed("two")
    assert succession.follow_successes() == 1
    (run,) = following()
    assert (run.cause_id, run.logical_date) == (last.pk, DATE)


def test_a_chain_goes_on() -> None:
    after("below", "one")
    after("last", "below")
    succeed("one")
    succession.follow_successes()
    do(following()[0], "a")
    assert succession.follow_successes() == 1
    assert following("last")[0].cause_id == following()[0].pk


def test_what_was_before_and_what_is_paused_starts_nothing() -> None:
    succeed("one")
    after("below", "one")
    succession.follow_successes()
    after("other", "two")  # the events are being read for `below` already
    control.pause_dag("below")
    succeed("one", DATE + timedelta(days=1))
    succession.follow_successes()
    control.resume_dag("below")
    assert succession.follow_successes() == 0
    assert following() == []


def test_runs_inside_runs_and_backfills_do_not_count() -> None:
    after("below", "one")
    publish(dag("outer", s={"type": "subdag", "parameters": {"dag_id": "one"}}))
    run = launch("outer", logical_date=DATE)
    do(run, "s", Spawn(dag_id="one"))
    do(DagRun.objects.get(parent__run=run), "a", Done())
    succeed("one", trigger="backfill")
    assert succession.follow_successes() == 0


def test_a_crash_repeats_and_loses_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    after("below", "one")
    for day in range(3):
        succeed("one", DATE + timedelta(days=day))
    real, calls = succession.launch_once, []

    def crash(*args: Any, **options: Any) -> Any:
        calls.append(args)
        if len(calls) == 2:
            raise RuntimeError("crash")
        return real(*args, **options)

    monkeypatch.setattr(succession, "launch_once", crash)
    with pytest.raises(RuntimeError):
        succession.follow_successes()
    assert following() == []
    assert succession.follow_successes() == 3
    EventCursor.objects.update(seq=0)
    assert succession.follow_successes() == 0
    assert [run.logical_date for run in following()] == [DATE + timedelta(days=day) for day in range(3)]


def test_a_run_that_cannot_be_started_does_not_hold_up_the_others() -> None:
    after("below", "one", params={"n": {"type": "integer"}})
    after("other", "one")
    succeed("one")
    assert succession.follow_successes() == 1
    assert len(following("other")) == 1
    assert "no run after run" in Schedule.objects.get(dag__dag_id="below").message


def test_many_readers_start_each_run_once() -> None:
    after("below", "one")
    for day in range(8):
        succeed("one", DATE + timedelta(days=day))
    counts: list[int] = []
    together = threading.Barrier(3)

    def read() -> None:
        try:
            together.wait(10)
            for _ in range(10):
                counts.append(succession.follow_successes())
        finally:
            connection.close()

    threads = [threading.Thread(target=read) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sum(counts) == 8
    assert len(following()) == 8


def test_pages_are_read_to_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(succession, "BATCH", 2)
    after("below", "one")
    for day in range(5):
        succeed("one", DATE + timedelta(days=day))
    assert succession.follow_successes() == 5


def test_circles_and_strangers_are_refused() -> None:
    after("below", "one")
    after("last", "below")
    with pytest.raises(InvalidDocument, match="would run after each other"):
        after("one", "last")
    with pytest.raises(InvalidDocument, match="cannot run after itself"):
        after("one", "one")
    with pytest.raises(InvalidDocument, match="did you mean"):
        after("one", "twoo")
    with pytest.raises(InvalidDocument, match="no times of its own"):
        publish(dag("one", a={}) | {"schedule": {"after": "two", "catchup": "all"}})
    after("one", "two")
