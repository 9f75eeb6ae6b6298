"""Backfills: which dates, in which order, how many at a time; and that reconcilers and crashes change nothing."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connections

from tests.support.hands import Done, Fail, dag, do, state
from workflows.core.errors import BadBackfill, BadParams, NoDates, NoVersion, TooManyDates, UnknownBackfill, UnknownDag
from workflows.engine import backfill, control, launch
from workflows.engine.backfill import Progress, Wanted
from workflows.engine.backfill.advance import advance_one
from workflows.engine.publish import publish
from workflows.engine.reconcile import sweep
from workflows.models import Backfill, BackfillDate, Dag, DagRun

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("broker")]
DAY = timedelta(days=1)
FIRST = datetime(2025, 1, 1, tzinfo=UTC)


def days(*numbers: int) -> list[datetime]:
    return [FIRST + (number - 1) * DAY for number in numbers]


def wanted(last: int = 5, **more: Any) -> Wanted:
    """The first days of January, one date a day."""
    return Wanted(**{"dag_id": "d", "start": FIRST, "end": FIRST + (last - 1) * DAY, "every": 86400.0, **more})


@pytest.fixture(autouse=True)
def published(broker: str) -> None:
    publish(dag(a={}))


def runs(dag_id: str = "d") -> list[DagRun]:
    return list(DagRun.objects.filter(dag__dag_id=dag_id, trigger="backfill").order_by("id"))


def dates(dag_id: str = "d") -> list[datetime | None]:
    return [run.logical_date for run in runs(dag_id)]


def progress(row: Backfill) -> dict[str, int]:
    return backfill.progress_of([row.pk])[row.pk].as_dict()


def state_of(row: Backfill) -> str:
    row.refresh_from_db()
    return str(row.state)


def play(row: Backfill, fails: tuple[datetime, ...] = ()) -> None:
    """Sweep and work until nothing is left to do."""
    for _ in range(50):
        moved = sweep().backfills
        going = list(DagRun.objects.unfinished())
        for run in going:
            do(run, "a", Fail(message="no") if run.logical_date in fails else Done())
        if not moved and not going:
            return
    raise AssertionError("it never ends")


def test_one_date_after_the_other() -> None:
    row = backfill.start(wanted(3))
    assert progress(row) == {"waiting": 3}
    assert sweep().backfills == 1
    assert sweep().backfills == 0
    assert dates() == days(1)
    assert progress(row) == {"waiting": 2, "running": 1}
    do(runs()[0], "a")
    assert sweep().backfills == 1
    assert dates() == days(1, 2)
    play(row)
    assert (state_of(row), progress(row)) == ("done", {"success": 3})
    assert [run.backfill_id for run in runs()] == [row.pk] * 3


def test_newest_first_and_some_at_a_time() -> None:
    row = backfill.start(wanted(5, newest_first=True, concurrency=2))
    sweep()
    assert dates() == days(5, 4)
    do(runs()[0], "a")
    sweep()
    assert dates() == days(5, 4, 3)
    play(row)
    assert dates() == days(5, 4, 3, 2, 1)


def test_dates_that_succeeded_by_any_trigger_are_left_out() -> None:
    one = launch.launch("d", trigger="schedule", logical_date=days(1)[0])
    two = launch.launch("d", trigger="manual", logical_date=days(2)[0])
    launch.launch("d", trigger="manual", logical_date=days(3)[0])
    do(one, "a")
    do(two, "a", Fail(message="no"))
    shown = backfill.preview(wanted(4))
    assert shown.stands == {"success": 1, "failed": 1, "running": 1, "missing": 1}
    assert (shown.in_range, shown.chosen, list(shown.first), shown.last) == (4, 2, days(2, 4), days(4)[0])
    assert backfill.preview(wanted(4, which="failed")).first == tuple(days(2))
    assert backfill.preview(wanted(4, which="all", newest_first=True)).first == tuple(days(4, 3, 2, 1))
    assert not Backfill.objects.exists()


def test_all_runs_again_what_succeeded() -> None:
    first = backfill.start(wanted(2))
    play(first)
    with pytest.raises(BadBackfill, match="no date"):
        backfill.start(wanted(2))
    again = backfill.start(wanted(2, which="all"))
    play(again)
    assert dates() == days(1, 2, 1, 2)


def test_a_date_that_somebody_else_did_meanwhile_is_not_run_twice() -> None:
    row = backfill.start(wanted(2))
    other = backfill.start(wanted(2, newest_first=True))
    sweep()
    assert sorted(d for d in dates() if d) == days(1, 2)
    for run in runs():
        do(run, "a")
    play(row)
    assert dates() == [*days(1, 2)]
    assert (progress(row), progress(other)) == ({"success": 2}, {"success": 2})


def test_nothing_after_now_is_run() -> None:
    now = datetime.now(UTC)
    found = backfill.preview(Wanted(dag_id="d", start=now - 2 * DAY, end=now + 5 * DAY, every=86400.0))
    assert found.chosen == 3


def test_pause_and_resume() -> None:
    row = backfill.start(wanted(3))
    assert backfill.pause(row.pk)
    assert not backfill.pause(row.pk)
    assert sweep().backfills == 0
    assert backfill.resume(row.pk)
    assert not backfill.resume(row.pk)
    assert sweep().backfills == 1


def test_cancel_leaves_runs_unless_asked() -> None:
    row = backfill.start(wanted(3, concurrency=2))
    sweep()
    assert backfill.cancel(row.pk)
    assert (state_of(row), progress(row)) == ("cancelled", {"running": 2, "cancelled": 1})
    assert sweep().backfills == 0
    assert not backfill.cancel(row.pk, runs=True, by="me")
    assert [state(run) for run in runs()] == ["cancelled", "cancelled"]
    assert progress(row) == {"cancelled": 3}
    assert not backfill.resume(row.pk)


def test_retry_runs_what_failed_and_nothing_else() -> None:
    row = backfill.start(wanted(4, concurrency=4))
    play(row, fails=tuple(days(2, 3)))
    assert (state_of(row), progress(row)) == ("done", {"success": 2, "failed": 2})
    publish(dag(a={"command": "echo mended"}))
    assert backfill.retry(row.pk) == 2
    assert (state_of(row), progress(row)) == ("running", {"success": 2, "waiting": 2})
    play(row)
    assert (state_of(row), progress(row)) == ("done", {"success": 4})
    assert dates()[4:] == days(2, 3)
    assert {run.version.number for run in runs()[4:]} == {2}
    assert backfill.retry(row.pk) == 0
    assert state_of(row) == "done"


def test_a_paused_dag_holds_its_backfill() -> None:
    row = backfill.start(wanted(1))
    control.pause_dag("d")
    assert sweep().backfills == 0
    row.refresh_from_db()
    assert "is paused" in row.message
    control.resume_dag("d")
    assert sweep().backfills == 1
    row.refresh_from_db()
    assert row.message == ""


def test_parameters_are_checked_before_and_refused_after() -> None:
    publish(dag(a={}) | {"params": {"n": {"type": "integer"}}})
    with pytest.raises(BadParams):
        backfill.start(wanted(1))
    row = backfill.start(wanted(1, params={"n": 3}))
    publish(dag(a={}) | {"params": {"m": {"type": "integer"}}})
    play(row)
    assert (state_of(row), progress(row)) == ("done", {"refused": 1})
    assert "m" in BackfillDate.objects.get().message
    publish(dag(a={}) | {"params": {"n": {"type": "integer"}}})
    assert backfill.retry(row.pk) == 1
    play(row)
    assert progress(row) == {"success": 1}
    assert runs()[0].params == {"n": 3}


def test_what_cannot_be_is_refused_by_name(settings: Any) -> None:
    with pytest.raises(UnknownDag):
        backfill.start(wanted(dag_id="nothing"))
    with pytest.raises(NoDates, match="no schedule"):
        backfill.start(wanted(every=None))
    with pytest.raises(BadBackfill, match="end is before"):
        backfill.start(wanted(end=FIRST - DAY))
    with pytest.raises(BadBackfill, match="concurrency"):
        backfill.start(wanted(concurrency=0))
    with pytest.raises(BadBackfill, match="interval"):
        backfill.start(wanted(every=0.5))
    with pytest.raises(BadBackfill, match="missing, failed, all"):
        backfill.start(wanted(which="some"))
    with pytest.raises(TooManyDates, match="10000"):
        backfill.start(wanted(every=1.0))
    for deed in (backfill.pause, backfill.resume, backfill.cancel, backfill.retry):
        with pytest.raises(UnknownBackfill):
            deed(999)
    Dag.objects.create(dag_id="empty")
    with pytest.raises(NoVersion):
        backfill.start(wanted(dag_id="empty"))


def test_a_crash_between_run_and_date_leaves_neither(monkeypatch: pytest.MonkeyPatch) -> None:
    row = backfill.start(wanted(2))
    real = launch.launch

    def launch_and_die(*args: Any, **options: Any) -> DagRun:
        real(*args, **options)
        raise RuntimeError("the process dies here")

    monkeypatch.setattr(launch, "launch", launch_and_die)
    assert sweep().backfills == 0
    assert (runs(), progress(row)) == ([], {"waiting": 2})
    monkeypatch.undo()
    assert sweep().backfills == 1
    assert (dates(), progress(row)) == (days(1), {"waiting": 1, "running": 1})


def test_many_reconcilers_start_each_date_once() -> None:
    row = backfill.start(wanted(30, concurrency=30))
    done: list[int] = []

    def reconcile() -> None:
        try:
            for _ in range(20):
                done.append(advance_one(row.pk))
        finally:
            connections.close_all()

    threads = [threading.Thread(target=reconcile) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(done) == 30
    assert sorted(at for at in dates() if at) == days(*range(1, 31))
    assert progress(row) == {"running": 30}


def test_backfills_share_what_one_sweep_starts() -> None:
    rows = [backfill.start(wanted(40, concurrency=40, which="all")) for _ in range(2)]
    assert backfill.advance() == 50
    assert [progress(row) for row in rows] == [{"waiting": 15, "running": 25}] * 2


def test_a_pruned_run_does_not_run_again() -> None:
    row = backfill.start(wanted(2, concurrency=2))
    sweep()
    do(runs()[0], "a")
    sweep()  # keeps how it ended
    BackfillDate.objects.filter(run=runs()[0]).update(run=None)
    assert progress(row) == {"success": 1, "running": 1}
    assert sweep().backfills == 0


def family() -> None:
    for name, after in {"mid": ["d"], "low": ["mid", "d"], "side": "d"}.items():
        publish(dag(name, a={}) | {"schedule": {"after": after}})


def test_downstream_dags_follow_date_by_date() -> None:
    family()
    assert set(backfill.preview(wanted(2, downstream=True)).downstream) == {"mid", "low", "side"}
    row = backfill.start(wanted(2, downstream=True, concurrency=2))
    children = {child.dag.dag_id: child for child in row.children.all()}
    assert set(children) == {"mid", "low", "side"}
    assert children["low"].waits_for == sorted([row.pk, children["mid"].pk])
    sweep()
    assert [dates(name) for name in ("d", "mid", "low", "side")] == [days(1, 2), [], [], []]
    do(runs()[0], "a")
    sweep()
    assert [dates(name) for name in ("mid", "low", "side")] == [days(1), [], days(1)]
    do(runs("mid")[0], "a")
    sweep()
    assert dates("low") == days(1)
    do(runs()[1], "a", Fail(message="no"))
    play(row)
    assert {progress(child)["skipped"] for child in children.values()} == {1}
    assert {state_of(child) for child in [row, *children.values()]} == {"done"}
    assert backfill.retry(row.pk) == 4
    play(row)
    assert [progress(each) for each in [row, *children.values()]] == [{"success": 2}] * 4
    assert dates("low") == days(1, 2)


def test_cancel_takes_the_children_along() -> None:
    family()
    row = backfill.start(wanted(2, downstream=True))
    backfill.pause(row.pk)
    assert set(Backfill.objects.values_list("state", flat=True)) == {"paused"}
    backfill.resume(row.pk)
    backfill.cancel(row.pk)
    assert set(Backfill.objects.values_list("state", flat=True)) == {"cancelled"}


def test_the_dates_of_a_schedule_are_those_of_its_zone() -> None:
    publish(dag(a={}) | {"schedule": {"cron": "30 2 * * *", "timezone": "Europe/Berlin"}})
    asked = Wanted(dag_id="d", start=datetime(2025, 3, 28, tzinfo=UTC), end=datetime(2025, 3, 31, 12, tzinfo=UTC))
    hours = [(at.day, at.hour, at.minute) for at in backfill.preview(asked).first]
    assert hours == [(28, 1, 30), (29, 1, 30), (30, 1, 0), (31, 0, 30)]  # on the 30th clocks skip 2:30
    row = backfill.start(asked)
    sweep()
    run = runs()[0]
    assert (run.logical_date, run.interval_start) == (
        datetime(2025, 3, 28, 1, 30, tzinfo=UTC),
        datetime(2025, 3, 27, 1, 30, tzinfo=UTC),
    )
    assert row.dates.count() == 4


def test_a_dag_that_runs_after_others_has_no_dates_of_its_own() -> None:
    family()
    with pytest.raises(NoDates, match="runs after other DAGs"):
        backfill.start(Wanted(dag_id="low", start=FIRST, end=FIRST + DAY))


def test_the_schedule_and_its_followers_leave_backfills_alone() -> None:
    family()
    row = backfill.start(wanted(1))
    play(row)
    sweep()
    assert DagRun.objects.exclude(trigger="backfill").count() == 0
    assert not runs("mid")


def test_moments_are_read_in_the_zone_of_the_schedule() -> None:
    from zoneinfo import ZoneInfo

    berlin = ZoneInfo("Europe/Berlin")
    assert backfill.moment_of("2025-01-31", berlin) == datetime(2025, 1, 30, 23, tzinfo=UTC)
    last = backfill.moment_of("2025-01-31", berlin, last=True)
    assert last == datetime(2025, 1, 31, 23, tzinfo=UTC) - timedelta(microseconds=1)
    assert backfill.moment_of("2025-01-31T02:00", berlin) == datetime(2025, 1, 31, 1, tzinfo=UTC)
    assert backfill.moment_of("2025-01-31T02:00+08:00", berlin) == datetime(2025, 1, 30, 18, tzinfo=UTC)
    with pytest.raises(BadBackfill, match="2025-01-31"):
        backfill.moment_of("yesterday", berlin)


def test_progress_counts() -> None:
    found = Progress(waiting=1, running=2, success=3, failed=4, refused=1)
    assert (found.total, found.ended, found.without_success) == (11, 8, 5)


def test_the_dates_are_those_of_the_schedule() -> None:
    publish(dag(a={}) | {"schedule": {"cron": "30 2 * * *", "timezone": "Europe/Berlin"}})
    row = backfill.start(
        wanted(every=None, start=datetime(2025, 3, 29, tzinfo=UTC), end=datetime(2025, 3, 31, tzinfo=UTC))
    )
    dates = list(row.dates.order_by("logical_date").values_list("logical_date", flat=True))
    assert [f"{date:%d %H:%M}" for date in dates] == ["29 01:30", "30 01:00"]
