"""Backfills on real workers: each date once, no more at a time than asked, whoever dies; and then they are pruned."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.support.stack import Stack
from tests.support.staging import Stage, deed, environment
from tests.support.waiting import eventually

DAY = timedelta(days=1)
FIRST = datetime(2025, 1, 1, tzinfo=UTC)


@pytest.fixture
def stage_of(live_stack: Callable[..., Stack], tmp_path: Path) -> Callable[..., Stage]:
    """`stage_of(reconciler=True)`: short leases, and a ledger."""

    def start(*, reconciler: bool = True) -> Stage:
        return Stage(live_stack(concurrency=4, reconciler=reconciler, env=environment(tmp_path)), tmp_path)

    return start


def started(days: int, **more: Any) -> Any:
    """A backfill of so many days."""
    from workflows.engine import backfill

    last = FIRST + (days - 1) * DAY
    return backfill.start(backfill.Wanted(dag_id="sales", start=FIRST, end=last, every=86_400.0, **more))


def counts(row: Any) -> dict[str, int]:
    from workflows.engine.backfill import progress_of

    return progress_of([row.pk])[row.pk].as_dict()


def over(row: Any, stage: Stage, timeout: float = 60.0) -> dict[str, int]:
    """Wait for its end; its progress then."""

    def done() -> bool:
        row.refresh_from_db()
        return row.state != "running"

    eventually(done, timeout, saying=lambda: f"{counts(row)}\n{stage.report()}")
    return counts(row)


def most_at_one_time() -> int:
    """How many runs went on at the same moment, at the most."""
    from workflows.models import DagRun

    runs = list(DagRun.objects.values_list("created_at", "ended_at"))
    return max(sum(begin <= at < end for begin, end in runs if end) for at, _ in runs)


def test_a_backfill_with_two_reconcilers_a_failure_a_retry_and_then_prune(stage_of: Callable[..., Stage]) -> None:
    from workflows.engine import backfill, invariants
    from workflows.models import DagRun, Event, TaskExecution

    stage = stage_of()
    stage.stack.reconciler("reconciler2")
    mended = stage.gate("mended")
    third = f"test '{{{{ run.logical_date | date }}}}' != 2025-01-03 -o -e {mended}"
    stage.publish("sales", {"work": deed("work", seconds=0.2), "check": {"type": "shell", "command": third}})
    row = started(8, concurrency=3)
    assert over(row, stage) == {"success": 7, "failed": 1}
    assert most_at_one_time() <= 3
    dates = list(DagRun.objects.order_by("logical_date").values_list("logical_date", flat=True))
    assert dates == [FIRST + number * DAY for number in range(8)]

    stage.open("mended")
    assert backfill.retry(row.pk) == 1
    assert over(row, stage) == {"success": 8}
    runs = list(DagRun.objects.order_by("id").values_list("pk", flat=True))
    assert len(runs) == 9
    stage.check(*runs)

    shown = stage.stack.manage("backfill_show", str(row.pk), check=True).stdout
    assert shown.startswith(f"backfill {row.pk} of sales: done; 8 success\n")
    explained = stage.stack.manage("run_explain", str(runs[2]), "check", check=True).stdout
    assert explained.startswith(f"task check of run {runs[2]} is failed: it ended as failed (error)")

    DagRun.objects.update(ended_at=datetime.now(UTC) - 40 * DAY)
    pruned = stage.stack.manage("prune", "--older-than", "30d", "--keep-last", "2", check=True).stdout
    assert pruned.startswith("deleted 7 runs, 14 tasks, ")
    assert (DagRun.objects.count(), TaskExecution.objects.count()) == (2, 4)
    assert set(Event.objects.values_list("run_id", flat=True)) == set(runs[-2:])
    assert counts(row) == {"success": 8}
    assert [found.id for found in invariants.audit(quiescent=True) if not found.holds] == []


def test_a_reconciler_that_dies_after_it_started_a_date(stage_of: Callable[..., Stage]) -> None:
    """The run and its date are committed, nothing is sent: the next reconciler sends it, and starts no second one."""
    from workflows.models import DagRun

    stage = stage_of(reconciler=False)
    stage.publish("sales", {"work": deed("work")})
    row = started(3)
    stage.stack.reconciler(env={"CELERIAC_FAILPOINTS": "launched=kill"})
    eventually(lambda: not stage.stack["reconciler"].alive(), 30)
    assert (counts(row), DagRun.objects.count()) == ({"waiting": 2, "running": 1}, 1)
    stage.stack["reconciler"].restart(CELERIAC_FAILPOINTS="")
    assert over(row, stage) == {"success": 3}
    runs = list(DagRun.objects.values_list("pk", flat=True))
    assert len(runs) == 3
    stage.check(*runs)
