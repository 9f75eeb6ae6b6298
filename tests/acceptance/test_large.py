"""Large runs on real workers: a mapped task of thousands of items within its limit, and a rerun from the middle."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from pytest_django import DjangoDbBlocker

from tests.support.servers import Servers
from tests.support.staging import Stage, staged
from workflows.engine import surgery

ACT = "tests.support.acts:act"


@pytest.fixture(scope="module")
def stage(
    servers: Servers, _valkey: str, _template_database: str, django_db_blocker: DjangoDbBlocker
) -> Iterator[Stage]:
    with staged(servers, _valkey, _template_database, django_db_blocker, LEASE_SECONDS=30.0) as start:
        yield start(concurrency=2)


def act(*acts: str, **fields: Any) -> dict[str, Any]:
    """A task that leaves a line in the ledger for each attempt."""
    return {"type": "python", "parameters": {"callable": ACT, "args": [list(acts) or ["ok"]]}, **fields}


def acted(stage: Stage, run: int) -> Counter[str]:
    """How often each task of the run was begun, by the ledger."""
    lines = (line.split() for line in stage.ledger.read_text().splitlines())
    return Counter(words[2] for words in lines if words[0] == "start" and words[1] == str(run))


def most_at_once(run: int, task: str) -> int:
    """How many items of a mapped task ran at one time, replayed from the events."""
    from workflows.models import Event

    events = Event.objects.filter(run_id=run, task_id=task, task_execution_id__isnull=False).exclude(
        task_execution_id__in=_groups(run)
    )
    now = most = 0
    for old, new in events.order_by("id").values_list("old", "new"):
        now += (new == "running") - (old == "running")
        most = max(most, now)
    assert now == 0
    return most


def _groups(run: int) -> list[int]:
    from workflows.models import TaskExecution

    return list(TaskExecution.objects.filter(run_id=run, map_index=-1).values_list("pk", flat=True))


@pytest.mark.parametrize("count", [1_000, pytest.param(10_000, marks=pytest.mark.slow)])
@pytest.mark.timeout(600)
def test_thousands_of_items_within_their_limit(stage: Stage, count: int) -> None:
    """Launched and expanded in seconds, never more than the limit at one time, each item once."""
    from workflows.models import DagRun, Event, TaskExecution

    limit = 3
    run = stage.run(
        f"wide{count}",
        {
            "each": act(foreach=f"{{{{ range({count}) | list }}}}", foreach_concurrency=limit),
            "after": act(depends_on=["each"]),
        },
    )
    assert stage.ended(run, timeout=500) == ["success"]
    began = DagRun.objects.get(pk=run).created_at
    expanded = Event.objects.get(run_id=run, task_id="each", old="running", new="deferred").at
    assert (expanded - began).total_seconds() < 10
    assert TaskExecution.objects.filter(run_id=run, task_id="each", map_index__gte=0, state="success").count() == count
    assert acted(stage, run) == {"each": count, "after": 1}
    assert 1 <= most_at_once(run, "each") <= limit
    stage.audit(run)
    seconds = (DagRun.objects.get(pk=run).ended_at - expanded).total_seconds()
    print(f"{count} items: expanded in {(expanded - began).total_seconds():.1f} s, run in {seconds:.1f} s")


@pytest.mark.timeout(300)
def test_a_rerun_from_the_middle_runs_the_failed_task_and_what_is_below_it(stage: Stage) -> None:
    """1,000 tasks, one of which fails once: only that one and its downstream run again."""
    width, depth = 10, 100
    broken = "t5_50"
    tasks: dict[str, Any] = {}
    for level in range(depth):
        for place in range(width):
            fields = {"depends_on": [f"t{place}_{level - 1}"]} if level else {}
            name = f"t{place}_{level}"
            tasks[name] = act("fail", "ok", **fields) if name == broken else act(**fields)
    run = stage.run("rerun", tasks)
    assert stage.ended(run, timeout=200) == ["failed"]
    assert sum(acted(stage, run).values()) == 1_000 - 49
    touched = surgery.clear(run, [broken])
    assert set(touched.reset) == {f"t5_{level}" for level in range(50, depth)}
    assert stage.ended(run, timeout=60) == ["success"]
    assert acted(stage, run) == {name: 2 if name == broken else 1 for name in tasks}
