"""Schedules: in step with their DAGs, ticked by anybody at any time, with exact counts for every policy."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from django.db import close_old_connections, connection, transaction
from django_celery_beat.models import PeriodicTask, PeriodicTasks

from tests.support.hands import dag, do, state
from workflows.conf import conf
from workflows.core.errors import InvalidDocument
from workflows.engine import control, reconcile, schedules, ticking
from workflows.engine.launch import launch
from workflows.engine.publish import publish
from workflows.models import Dag, DagRun, Schedule

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("broker")]
SECOND = timedelta(seconds=1)


def scheduled(spec: Any, **document: Any) -> Schedule:
    """Publish the DAG `d` with a schedule."""
    publish(dag(a={}) | {"schedule": spec} | document)
    return Schedule.objects.get(dag__dag_id="d")


def back(row: Schedule, ago: timedelta) -> None:
    """As if nobody had ticked for so long."""
    row.refresh_from_db()
    row.cursor = schedules.sql_now() - ago
    row.next_at = schedules.next_start(schedules.spec_of(row), row.dag.dag_id, row.cursor)
    row.save()


def dates() -> list[datetime]:
    found = DagRun.objects.filter(trigger="schedule").order_by("id").values_list("logical_date", flat=True)
    return [date for date in found if date is not None]


def wind(row: Schedule, minutes: int) -> None:
    """Move the cursor to just before the last so many whole minutes of the clock."""
    row.refresh_from_db()
    now = schedules.sql_now()
    row.cursor = now.replace(second=0, microsecond=0) - timedelta(minutes=minutes) + timedelta(microseconds=1)
    row.next_at = row.cursor
    row.save()


@pytest.fixture(autouse=True)
def _clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Half past a minute that is over, all the test long: no date comes due meanwhile."""
    now = schedules.sql_now().replace(second=30, microsecond=0) - timedelta(minutes=1)
    monkeypatch.setattr(schedules, "sql_now", lambda: now)


@pytest.fixture
def grace(settings: Any, reload_conf: Callable[[], None]) -> Callable[[float], None]:
    """Set how late a date may be before it was missed."""

    def be(seconds: float) -> None:
        settings.CELERIAC = {**settings.CELERIAC, "SCHEDULE_GRACE": seconds}
        reload_conf()

    return be


# In step with the DAG


def entry() -> PeriodicTask | None:
    return PeriodicTask.objects.filter(task="celeriac.schedule").first()


def test_the_schedule_follows_the_document() -> None:
    row = scheduled("0 2 * * *")
    task = entry()
    assert task is not None
    assert (task.pk, task.args, task.enabled, task.crontab.minute) == (row.periodic_task_id, f"[{row.pk}]", True, "0")
    assert row.next_at is not None
    assert (row.next_at.hour, row.next_at.minute) == (2, 0)
    row = scheduled({"interval": "90s"})
    task = entry()
    assert task is not None
    assert (task.crontab, task.interval.every, task.pk) == (None, 9, row.periodic_task_id)
    publish(dag(a={}))
    assert not Schedule.objects.exists()
    assert entry() is None


def test_new_times_count_from_now_and_other_changes_keep_the_place() -> None:
    row = scheduled("* * * * *")
    wind(row, 5)
    before = Schedule.objects.get().cursor
    scheduled({"cron": "* * * * *", "catchup": "all", "overlap": "allow"})
    assert Schedule.objects.get().cursor == before
    scheduled({"cron": "* * * * *", "timezone": "Asia/Kathmandu"})
    after = Schedule.objects.get().cursor
    assert after is not None
    assert schedules.sql_now() - after < timedelta(minutes=1)


def test_an_entry_that_is_right_is_left_alone() -> None:
    scheduled("0 2 * * *")
    changed = PeriodicTasks.last_change()
    scheduled({"cron": "0 2 * * *", "catchup": "latest"})
    assert PeriodicTasks.last_change() == changed


def test_a_paused_dag_has_nothing_due() -> None:
    row = scheduled({"cron": "* * * * *", "catchup": "all", "overlap": "allow"})
    wind(row, 3)
    control.pause_dag("d")
    task = entry()
    assert task is not None
    assert not task.enabled
    assert Schedule.objects.get().next_at is None
    assert (ticking.tick(row.pk), ticking.tick_due(), dates()) == (0, 0, [])
    control.resume_dag("d")
    task = entry()
    assert task is not None
    assert task.enabled
    assert reconcile.sweep().scheduled == 3


def test_a_deleted_dag_loses_its_schedule() -> None:
    scheduled("* * * * *")
    Dag.objects.update(deleted_at=datetime.now(UTC))
    schedules.switch("d")
    assert not Schedule.objects.exists()
    assert entry() is None
    Dag.objects.update(deleted_at=None)
    schedules.switch("d")
    assert Schedule.objects.get().next_at is not None


def test_a_publication_that_rolls_back_leaves_no_entry() -> None:
    with transaction.atomic():
        publish(dag(a={}) | {"schedule": "@daily"})
        transaction.set_rollback(True)
    assert entry() is None


@pytest.mark.parametrize(
    ("spec", "minutes", "seconds"),
    [
        ("30 2 * * *", "30", 0),
        ({"cron": "30 2 * * *", "timezone": "Europe/Berlin"}, "0,15,30,45", 0),
        ({"cron": "7 2 * * *", "timezone": "Asia/Kathmandu"}, "7,22,37,52", 0),
        ("*/10 * * * *", "0,10,20,30,40,50", 0),
        ("* * * * *", "*", 0),
        ("*/30 * * * * *", "", 1),
        ({"interval": "1d"}, "0", 0),
        ({"interval": "45m"}, "0,15,30,45", 0),
        ({"interval": "1h", "start": "2025-01-01T00:20"}, "20", 0),
        ({"interval": "7s"}, "", 1),
        ({"interval": "1h", "start": "2025-01-01T00:20:30"}, "", 10),
        ({"cron": "@daily", "jitter": "1h"}, "", 10),
        ({"cron": "@daily", "jitter": "20s"}, "", 2),
    ],
)
def test_beats_entry_is_as_coarse_as_it_may_be(spec: Any, minutes: str, seconds: int) -> None:
    scheduled(spec)
    task = entry()
    assert task is not None
    assert (task.crontab.minute if task.crontab else "", task.interval.every if task.interval else 0) == (
        minutes,
        seconds,
    )


def test_a_single_time_is_a_clocked_entry() -> None:
    row = scheduled({"at": "2999-01-01T00:00"})
    task = entry()
    assert task is not None
    assert (task.one_off, task.clocked.clocked_time, row.next_at) == (
        True,
        row.next_at,
        datetime(2999, 1, 1, tzinfo=UTC),
    )
    row = scheduled({"at": "1999-01-01T00:00"})
    task = entry()
    assert task is not None
    assert (row.next_at, task.enabled) == (None, False)


# Ticks


def test_a_tick_starts_each_date_once() -> None:
    row = scheduled({"cron": "* * * * *", "catchup": "all", "overlap": "allow"})
    wind(row, 4)
    assert ticking.tick(row.pk) == 4
    assert ticking.tick(row.pk) == 0
    found = dates()
    assert [b - a for a, b in pairwise(found)] == [timedelta(minutes=1)] * 3
    run = DagRun.objects.filter(trigger="schedule").order_by("id")[1]
    assert run.interval_start == found[0]
    row.refresh_from_db()
    assert row.cursor == found[-1]
    assert row.next_at == found[-1] + timedelta(minutes=1)


def test_a_cursor_that_was_set_back_repeats_harmlessly() -> None:
    row = scheduled({"cron": "* * * * *", "catchup": "all", "overlap": "allow"})
    wind(row, 3)
    assert ticking.tick(row.pk) == 3
    wind(row, 3)
    assert ticking.tick(row.pk) == 0
    assert len(dates()) == 3


def test_a_tick_before_the_time_does_nothing() -> None:
    row = scheduled("0 0 1 1 *")
    assert (ticking.tick(row.pk), ticking.tick_due(), ticking.tick(row.pk + 1)) == (0, 0, 0)


def test_a_batch_is_bounded_and_the_next_tick_goes_on(settings: Any, reload_conf: Callable[[], None]) -> None:
    settings.CELERIAC = {**settings.CELERIAC, "SCHEDULE_BATCH": 3}
    reload_conf()
    row = scheduled({"cron": "* * * * *", "catchup": "all", "overlap": "allow"})
    wind(row, 8)
    assert [ticking.tick_due() for _ in range(4)] == [3, 3, 2, 0]


def test_many_ticks_at_once_start_each_date_once() -> None:
    row = scheduled({"cron": "* * * * *", "catchup": "all", "overlap": "allow"})
    wind(row, 10)
    started: list[int] = []
    together = threading.Barrier(4)

    def tick() -> None:
        try:
            together.wait(10)
            for _ in range(20):
                started.append(ticking.tick(row.pk))
        finally:
            connection.close()

    threads = [threading.Thread(target=tick) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    close_old_connections()
    assert sum(started) == 10
    assert len(dates()) == len(set(dates())) == 10


def test_a_run_that_cannot_be_started_does_not_hold_up_the_next() -> None:
    row = scheduled({"cron": "* * * * *", "catchup": "all", "overlap": "allow"}, params={"n": {"type": "integer"}})
    wind(row, 2)
    assert ticking.tick(row.pk) == 0
    row.refresh_from_db()
    assert "could not be started" in row.message
    assert row.next_at is not None
    assert row.next_at > schedules.sql_now() - SECOND


def test_jitter_delays_the_start_and_not_the_date() -> None:
    row = scheduled({"interval": "1d", "jitter": "12h", "catchup": "all", "overlap": "allow"})
    back(row, timedelta(days=3))
    delay = timedelta(hours=12)
    now = schedules.sql_now()
    ticking.tick(row.pk)
    found = dates()
    row.refresh_from_db()
    assert len(found) in (2, 3)
    assert all((date.hour, date.minute, date.second) == (0, 0, 0) for date in found)
    assert row.next_at is not None
    assert now - delay < row.next_at - timedelta() < now + timedelta(days=1) + delay
    assert (row.next_at.minute, row.next_at.second) != (0, 0)


def test_the_end_is_the_end() -> None:
    end = (schedules.sql_now().replace(second=0, microsecond=0) - timedelta(minutes=1)).isoformat()
    row = scheduled({"cron": "* * * * *", "catchup": "all", "overlap": "allow", "end": end})
    assert row.next_at is None
    wind(row, 5)
    assert ticking.tick(row.pk) == 3
    row.refresh_from_db()
    assert row.next_at is None


# Catch-up


@pytest.mark.parametrize(
    ("catchup", "seconds", "expected"),
    [
        ("none", 90, 2),
        ("none", 89, 1),
        ("none", 0, 0),
        ("none", 100_000, 20),
        ("latest", 90, 2),
        ("latest", 30, 1),
        ("latest", 0, 1),
        ("all", 0, 20),
        ("all", 90, 20),
    ],
)
def test_what_is_made_good_after_twenty_minutes(
    catchup: str, seconds: float, expected: int, grace: Callable[[float], None]
) -> None:
    grace(seconds)
    row = scheduled({"cron": "* * * * *", "catchup": catchup, "overlap": "allow"})
    wind(row, 20)
    started = ticking.tick(row.pk)
    assert started == expected
    found = dates()
    last = schedules.sql_now().replace(second=0, microsecond=0)
    assert found == [last - timedelta(minutes=n) for n in reversed(range(started))]
    assert ticking.tick(row.pk) == 0
    row.refresh_from_db()
    assert ("missed" in row.message) == (catchup != "all" and started < 20)


def test_a_few_seconds_late_is_not_missed() -> None:
    row = scheduled({"cron": "* * * * * *", "overlap": "allow"})
    back(row, 5 * SECOND)
    assert ticking.tick(row.pk) == 5


def test_years_of_missed_dates_are_passed_at_once(grace: Callable[[float], None]) -> None:
    grace(0)
    row = scheduled({"cron": "* * * * * *", "overlap": "allow", "catchup": "latest", "start": "2001-01-01"})
    back(row, timedelta(days=3650))
    assert ticking.tick(row.pk) == 1  # 30 s past the minute is a date itself, and not late at all


# Overlap


def test_skip_leaves_out_what_comes_due_meanwhile() -> None:
    row = scheduled({"cron": "* * * * *", "overlap": "skip"})
    wind(row, 3)
    assert ticking.tick(row.pk) == 1
    run = DagRun.objects.get()
    row.refresh_from_db()
    assert f"run {run.pk} was still going" in row.message
    do(run, "a")
    wind(row, 1)
    assert ticking.tick(row.pk) == 1


def test_queue_lets_each_wait_for_the_one_before(grace: Callable[[float], None]) -> None:
    row = scheduled({"cron": "* * * * *", "overlap": "queue"})
    wind(row, 3)
    for number in range(1, 4):
        assert ticking.tick(row.pk) == 1
        assert ticking.tick(row.pk) == 0
        row.refresh_from_db()
        assert ("waits for run" in row.message) == (number < 3)
        grace(0)  # what waits was seen in time, and is not missed, however late it is by now
        do(DagRun.objects.order_by("-id")[0], "a")
        assert DagRun.objects.count() == number
    assert ticking.tick(row.pk) == 0


def test_cancel_running_ends_the_one_before() -> None:
    row = scheduled({"cron": "* * * * *", "overlap": "cancel_running"})
    wind(row, 3)
    assert ticking.tick(row.pk) == 3
    assert [state(run) for run in DagRun.objects.order_by("id")] == ["cancelled", "cancelled", "running"]


@pytest.mark.parametrize("overlap", ["skip", "cancel_running", "queue"])
def test_what_is_made_good_neither_skips_nor_cancels(overlap: str, grace: Callable[[float], None]) -> None:
    grace(0)
    row = scheduled({"cron": "* * * * *", "overlap": overlap, "catchup": "all"})
    wind(row, 3)
    for _ in range(3):
        assert ticking.tick_due() == 1
        assert ticking.tick_due() == 0
        do(DagRun.objects.order_by("-id")[0], "a")
    assert ticking.tick_due() == 0
    assert [state(run) for run in DagRun.objects.all()] == ["success"] * 3


def test_runs_by_hand_are_no_overlap() -> None:
    row = scheduled({"cron": "* * * * *", "overlap": "skip"})
    launch("d")
    wind(row, 1)
    assert ticking.tick(row.pk) == 1


# What a run is told


def test_a_run_by_hand_has_the_interval_since_the_last_date() -> None:
    scheduled({"cron": "0 0 * * *"})
    run = launch("d", logical_date=datetime(2025, 1, 2, 12, tzinfo=UTC))
    assert run.interval_start == datetime(2025, 1, 2, tzinfo=UTC)
    publish(dag(a={}))
    assert launch("d").interval_start is None


def test_the_default_of_a_parameter_may_name_the_interval() -> None:
    day = {"type": "string", "format": "date", "default": "{{ run.interval_start | date }}"}
    scheduled({"cron": "0 2 * * *"}, params={"day": day})
    run = launch("d", logical_date=datetime(2025, 1, 2, 2, tzinfo=UTC), external_id="x")
    assert run.params == {"day": "2025-01-01"}
    publish(dag(a={}))
    assert launch("d", external_id="x").pk == run.pk  # a repetition is completed as the first one was


def test_the_schedule_is_checked_when_it_is_published() -> None:
    with pytest.raises(InvalidDocument, match="there is no DAG 'nowhere'"):
        scheduled({"after": "nowhere"})
    assert conf.SCHEDULE_GRACE == 300
