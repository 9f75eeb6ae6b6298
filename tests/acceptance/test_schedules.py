"""Schedules with real beats, workers and reconcilers: each time has its run, once, whoever watches the clock."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest

from tests.support.stack import Stack
from tests.support.waiting import eventually, stays

SHELL = {"type": "shell", "command": "echo from {{ run.interval_start }} to {{ run.interval_end }}"}
SECOND = timedelta(seconds=1)
# `make schedules-show` sets it to 300: five minutes.
SECONDS = int(os.environ.get("CELERIAC_SCHEDULE_SECONDS", "12"))


def publish(dag_id: str, schedule: Any) -> Any:
    from workflows.engine.publish import publish as store
    from workflows.models import Schedule

    store({"id": dag_id, "schedule": schedule, "tasks": {"a": SHELL}})
    return Schedule.objects.get(dag__dag_id=dag_id)


def runs(dag_id: str) -> list[Any]:
    from workflows.models import DagRun

    return list(DagRun.objects.filter(dag__dag_id=dag_id).order_by("logical_date"))


def clock() -> datetime:
    from workflows.engine import schedules

    return schedules.sql_now()


def check_each_second_has_its_run(row: Any, at_least: int) -> None:
    """Every whole second between the schedule's beginning and its cursor, once; every run succeeded."""
    first = row.cursor.replace(microsecond=0) + SECOND
    row.refresh_from_db()
    expected = [first + number * SECOND for number in range(int((row.cursor - first) / SECOND) + 1)]
    assert len(expected) >= at_least
    assert [run.logical_date for run in runs("tick")] == expected
    eventually(lambda: all(run.ended_at for run in runs("tick")), 120, every=0.5)
    assert {run.state for run in runs("tick")} == {"success"}
    late = sorted((run.created_at - run.logical_date).total_seconds() for run in runs("tick"))
    print(f"{len(expected)} ticks, {len(late)} runs; late by {late[len(late) // 2]:.2f} s, at most {late[-1]:.2f} s")


@pytest.mark.timeout(SECONDS + 240)
def test_three_beats_start_one_run_a_second(live_stack: Callable[..., Stack]) -> None:
    from workflows.engine import control

    stack = live_stack(workers=1, concurrency=2, reconciler=True)
    row = publish("tick", {"cron": "* * * * * *", "overlap": "allow"})
    for number in range(3):
        stack.beat(f"beat{number}")
    eventually(lambda: clock() > row.cursor + SECONDS * SECOND, SECONDS + 60, every=0.5)
    eventually(lambda: all("celeriac schedule" in stack[f"beat{n}"].log() for n in range(3)), 60)
    control.pause_dag("tick")
    check_each_second_has_its_run(row, SECONDS - 1)
    run = runs("tick")[1]
    assert run.interval_start == run.logical_date - SECOND


@pytest.mark.timeout(240)
def test_beat_alone_is_enough(live_stack: Callable[..., Stack]) -> None:
    """Without a reconciler's process."""
    live_stack(workers=1, concurrency=2, reconciler=False, beat=True)
    row = publish("tick", {"cron": "* * * * * *", "overlap": "allow"})
    eventually(lambda: len(runs("tick")) >= 8, 90, every=0.2)
    from workflows.engine import control

    control.pause_dag("tick")
    check_each_second_has_its_run(row, 8)


@pytest.mark.timeout(240)
def test_the_reconciler_alone_is_enough(live_stack: Callable[..., Stack]) -> None:
    """A beat that is down costs no more than a sweep."""
    from workflows.engine import control
    from workflows.models import LogChunk

    live_stack(workers=1, concurrency=2, reconciler=True)
    row = publish("tick", {"cron": "*/1 * * * * *", "overlap": "allow"})
    publish("below", {"after": "tick"})
    eventually(lambda: len(runs("tick")) >= 5, 60, every=0.2)
    control.pause_dag("tick")
    check_each_second_has_its_run(row, 5)
    dates = [run.logical_date for run in runs("tick")]
    eventually(lambda: [run.logical_date for run in runs("below")] == dates, 30)
    assert [run.cause_id for run in runs("below")] == [run.pk for run in runs("tick")]
    run = runs("tick")[1]
    said = "".join(LogChunk.objects.filter(task_execution_id=run.tasks.get().pk).values_list("text", flat=True))
    assert f"from {dates[0].isoformat()} to {dates[1].isoformat()}" in said


@pytest.mark.timeout(240)
def test_what_was_missed_while_nobody_ticked(live_stack: Callable[..., Stack]) -> None:
    """Beat is started long after ten times have passed: each policy makes good what it says, exactly."""
    from workflows.engine import schedules

    stack = live_stack(workers=1, concurrency=2, reconciler=False)
    # Times that are half an hour away from now, on both sides.
    start = (clock() - timedelta(hours=100, minutes=30)).isoformat()
    for catchup in ("none", "latest", "all"):
        row = publish(catchup, {"interval": "1h", "start": start, "catchup": catchup, "overlap": "allow"})
        row.cursor = clock() - timedelta(hours=10)
        row.next_at = schedules.next_start(schedules.spec_of(row), catchup, row.cursor)
        row.save()
        hourly = row.periodic_task
        hourly.crontab = None
        hourly.interval = _every_second()
        hourly.save()
    stack.beat()
    counts = {"none": 0, "latest": 1, "all": 10}
    eventually(lambda: {name: len(runs(name)) for name in counts} == counts, 90, every=0.2)
    stays(lambda: {name: len(runs(name)) for name in counts} == counts, 2)
    assert runs("latest")[0].logical_date == runs("all")[-1].logical_date


def _every_second() -> Any:
    from django_celery_beat.models import IntervalSchedule

    return IntervalSchedule.objects.create(every=1, period=IntervalSchedule.SECONDS)
