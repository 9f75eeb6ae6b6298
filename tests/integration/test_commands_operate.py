"""Commands that operate on runs and pools: what they print, what they change, and that a dry run changes nothing."""

from __future__ import annotations

import json
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from tests.support.hands import Done, Expand, Fail, admitted, dag, do, held, items, start, state, states
from workflows.engine.launch import launch
from workflows.engine.publish import publish
from workflows.management import run_view, watch
from workflows.models import DagRun, Event, NodePool, TaskExecution

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("broker")]
BAD = Fail(message="no", permanent=True)


def said(command: str, *words: Any) -> str:
    """What a command writes."""
    out = StringIO()
    call_command(command, *map(str, words), stdout=out)
    return out.getvalue()


def failed() -> DagRun:
    """a succeeded, b failed, c below it never ran."""
    run = start(dag(a={}, b={"depends_on": ["a"]}, c={"depends_on": ["b"]}))
    do(run, "a")
    do(run, "b", BAD)
    assert state(run) == "failed"
    return run


def mapped(run: DagRun, *outcomes: Any) -> None:
    """Expand the mapped task `each`, and end its items so."""
    do(run, "each", Expand(items=tuple(range(len(outcomes)))))
    for index, outcome in enumerate(outcomes):
        if outcome is not None:
            do(run, "each", outcome, item=index)


def test_retry_says_what_it_touches_and_dry_run_changes_nothing() -> None:
    run = failed()
    shown = said("run_retry", run.pk, "--dry-run")
    assert shown.splitlines()[0] == f"run {run.pk} (failed): 2 tasks would be touched, 1 stay as they are"
    assert "✗  b     failed           runs again" in shown
    assert "nothing was changed" in shown
    assert state(run) == "failed"
    done = said("run_retry", run.pk)
    assert "2 tasks touched" in done
    assert "nothing was changed" not in done
    assert (state(run), states(run)) == ("running", {"a": "success", "b": "queued", "c": "pending"})
    assert Event.objects.filter(run=run, task_id="b", new="pending").get().message == "by the command line"


def test_clear_from_here_above_and_alone() -> None:
    run = failed()
    as_data = json.loads(said("run_clear", run.pk, "b", "--upstream", "--no-downstream", "--dry-run", "--json"))
    assert as_data == {
        "run": run.pk,
        "state": "failed",
        "preview": True,
        "count": 2,
        "marks": {},
        "reset": {"a": "success", "b": "failed"},
        "items": {},
        "kept": 1,
        "version": None,
    }
    said("run_clear", run.pk, "a")
    assert states(run) == {"a": "queued", "b": "pending", "c": "pending"}


def test_mark_settles_and_lets_go_on() -> None:
    run = failed()
    shown = said("run_mark", run.pk, "success", "b")
    assert "✗  b     failed           marked success" in shown
    assert "✗  c     upstream_failed  runs again" in shown
    assert admitted(run) == ["c"]
    said("run_mark", run.pk, "failed", "c")
    assert state(run) == "failed"


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("run_clear", "{run}", "nope"), "Run {run} has no task 'nope'."),
        (("run_mark", "{run}", "success", "nope"), "Run {run} has no task 'nope'."),
        (("run_retry", "999"), "There is no run 999."),
        (("run_pause", "999"), "There is no run 999."),
        (("pool_limit", "nope", "1"), "There is no pool 'nope'."),
        (("pool_create", "no/pe"), "The pool 'no/pe' cannot be so: name: Enter a valid"),
    ],
)
def test_refusals_are_one_sentence(words: tuple[str, ...], sentence: str) -> None:
    run = failed()
    with pytest.raises(CommandError) as caught:
        said(*(word.format(run=run.pk) for word in words))
    assert str(caught.value).startswith(sentence.format(run=run.pk))
    assert "\n" not in str(caught.value)


def test_what_is_at_work_is_told_by_name_and_whole() -> None:
    run = failed()
    said("run_retry", run.pk)
    held(run, "b")
    with pytest.raises(CommandError, match=r"would have to run again: b\. Wait until .* or cancel the run first\.$"):
        said("run_clear", run.pk, "a")


def test_a_run_is_paused_and_resumed() -> None:
    run = start(dag(a={}, b={"depends_on": ["a"]}))
    assert said("run_pause", run.pk) == f"run {run.pk} is paused\n"
    assert said("run_pause", run.pk) == f"run {run.pk} was paused or over\n"
    assert "paused" in said("run_show", run.pk)
    assert said("run_resume", run.pk) == f"run {run.pk} goes on\n"
    assert said("run_resume", run.pk) == f"run {run.pk} was not paused\n"


def test_a_priority_goes_to_the_run_and_its_tasks() -> None:
    start(dag(a={}))
    said("dag_run", "d", "--priority", 9)
    run = DagRun.objects.latest("id")
    assert (run.priority, TaskExecution.objects.get(run=run).priority) == (9, 9)
    assert "priority 9" in said("run_show", run.pk)
    with pytest.raises(CommandError, match="10 is not a number from 0 to 9"):
        said("dag_run", "d", "--priority", 10)


def test_pools_are_made_limited_and_listed() -> None:
    NodePool.objects.get_or_create(name="default")
    made = said("pool_create", "db", "--slots", 1, "--description", "the small one")
    assert made == "pool db is there; its workers take the queue celeriac.db\n"
    with pytest.raises(CommandError, match="There is a pool 'db' already"):
        said("pool_create", "db")
    run = start(dag(a={"pool": "db"}, b={"pool": "db"}, c={"pool": "db"}))
    held(run, "a")
    rows = {row["name"]: row for row in json.loads(said("pool_list", "--json"))}
    assert (rows["db"]["slots"], rows["db"]["used"], rows["db"]["running"], rows["db"]["waiting"]) == (1, 1, 1, 2)
    assert rows["default"]["used"] is None
    assert [line.split() for line in said("pool_list").splitlines() if line.startswith("db")] == [
        ["db", "celeriac.db", "1", "1", "1", "0", "2", "the", "small", "one"]
    ]
    assert said("pool_limit", "db", 2) == "pool db has 2 slots, 2 in use; 1 task waiting\n"
    assert admitted(run) == ["b"]
    assert said("pool_limit", "db", "none") == "pool db has no limit\n"
    assert admitted(run) == ["b", "c"]
    with pytest.raises(CommandError, match="neither a whole number"):
        said("pool_limit", "db", "many")


def test_a_pool_without_slots_starts_nothing() -> None:
    NodePool.objects.create(name="db", slots=0)
    run = start(dag(a={"pool": "db"}))
    assert admitted(run) == []
    said("pool_limit", "db", 1)
    assert admitted(run) == ["a"]


def test_a_mapped_task_is_one_line_with_its_items_counted() -> None:
    run = start(dag(each={"foreach": [0, 1, 2, 3]}, last={"depends_on": ["each"]}))
    mapped(run, Done(output=0), BAD, Done(output=2), None)
    shown = said("run_show", run.pk)
    assert "2 tasks: 1 pending, 1 deferred; 4 items: 1 queued, 2 success, 1 failed" in shown
    lines = [line for line in shown.splitlines() if line.startswith("…  each ")]
    assert [line.partition(" 1      ")[2] for line in lines] == ["4 items: 1 queued, 2 success, 1 failed"]
    assert "each[1] failed" in shown
    assert "each[0]" not in shown.partition("\n\n")[2].partition("\n\n")[0]
    assert "each[3]" in said("run_show", run.pk, "--all")
    do(run, "each", item=3)
    assert items(run, "each") == ["success", "failed", "success", "success"]
    assert "items_failed: 4 items: 3 success, 1 failed" in said("run_show", run.pk)
    assert "each[1]" in said("run_retry", run.pk, "--dry-run")


def test_items_are_listed_in_order_and_not_without_end() -> None:
    run = start(dag(each={"foreach": [0]}))
    mapped(run, *([BAD] * 70))
    shown = said("run_retry", run.pk, "--dry-run").splitlines()
    assert [line.split()[1] for line in shown if "runs again" in line] == [f"each[{index}]" for index in range(60)]
    assert "and 10 more tasks" in shown


class Page(StringIO):
    """Where a followed run is written to."""

    def write(self, msg: str = "", style_func: None = None, ending: str | None = None) -> None:  # type: ignore[override]
        super().write(msg + ("\n" if ending is None else ending))


def test_who_follows_a_run_is_told_of_items_together() -> None:
    run = start(dag(each={"foreach": [0]}))
    mapped(run, *([Done()] * 300))
    assert state(run) == "success"
    page = Page()
    assert watch.Watch(run.pk, page).follow()
    told = page.getvalue().splitlines()
    assert len(told) < 10, told
    assert [line.partition(" items of ")[2] for line in told if " items of " in line] == [
        "each: 300 pending → queued, 300 queued → running, 300 running → success"
    ]
    assert told[-1].endswith("run: running → success")


def test_held_tasks_say_that_they_wait_for_room() -> None:
    run = start({**dag(a={}, b={}), "config": {"max_parallel_tasks": 1}})
    assert [line for line in said("run_show", run.pk).splitlines() if "waits for room within a limit" in line] != []
    pending = launch("d")
    assert run_view.counts_line(run_view.look(pending.pk).counts).startswith("2 tasks: ")


def test_what_was_mended_runs_in_the_run_that_it_broke() -> None:
    run = failed()
    publish(dag(a={}, b={"depends_on": ["a"], "timeout": 5}, c={"depends_on": ["b"]}))
    assert "2 tasks would be touched, with version 2, 1 stay" in said(
        "run_clear", run.pk, "b", "--on-version", "2", "--dry-run"
    )
    assert json.loads(said("run_retry", run.pk, "--on-version", "2", "--json"))["version"] == 2
    run.refresh_from_db()
    assert run.version.number == 2
    with pytest.raises(CommandError, match="still goes on"):
        said("run_clear", run.pk, "a", "--on-version", "1")
