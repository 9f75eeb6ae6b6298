"""Surgery on runs: what is opened, what stays, and that the rules hold afterwards."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.hands import Done, Expand, Fail, admitted, dag, do, end, held, items, start, state, states
from workflows.core.errors import LostClaim, NothingToDo, PartOfAnotherRun, TasksAtWork, UnknownRun, UnknownTask
from workflows.core.outcome import Spawn
from workflows.core.states import TaskState
from workflows.engine import surgery
from workflows.engine.control import cancel_run
from workflows.engine.launch import launch
from workflows.engine.publish import publish
from workflows.models import DagRun, Event, TaskAttempt, TaskExecution

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("broker")]

BAD = Fail(message="no", permanent=True)


def failed() -> DagRun:
    """a > b (failed) > c > d, and e beside them, which succeeded; tidy ran because of the failure."""
    run = start(
        dag(
            a={},
            b={"depends_on": ["a"]},
            c={"depends_on": ["b"]},
            d={"depends_on": ["c"]},
            e={"depends_on": ["a"]},
            tidy={"depends_on": ["b", "e"], "trigger_rule": "all_done"},
        )
    )
    do(run, "a")
    do(run, "e")
    do(run, "b", BAD)
    do(run, "tidy")
    assert state(run) == "failed"
    return run


def attempts(run: DagRun) -> dict[str, int]:
    """How often each task was claimed."""
    return {
        task: TaskAttempt.objects.filter(task_execution__run=run, task_execution__task_id=task).count()
        for task in states(run)
    }


def test_retry_failed_runs_what_failed_and_what_follows() -> None:
    run = failed()
    shown = surgery.retry_failed(run.pk, preview=True)
    assert shown.reset == {"b": "failed", "c": "upstream_failed", "d": "upstream_failed", "tidy": "success"}
    assert (shown.kept, state(run)) == (2, "failed")
    assert surgery.retry_failed(run.pk, by="ann") == shown
    assert state(run) == "running"
    assert admitted(run) == ["b"]
    for task in ("b", "c", "d", "tidy"):
        do(run, task)
    assert state(run) == "success"
    assert attempts(run) == {"a": 1, "b": 2, "c": 1, "d": 1, "e": 1, "tidy": 2}
    told = Event.objects.filter(run=run, old="failed", new="pending", task_id="b").get()
    assert (told.reason, told.message) == ("cleared_by_user", "by ann")
    with pytest.raises(NothingToDo):
        surgery.retry_failed(run.pk)


def test_clear_runs_a_success_again_with_all_below() -> None:
    run = failed()
    shown = surgery.clear(run.pk, ["a"])
    assert set(shown.reset) == {"a", "b", "c", "d", "e", "tidy"}
    assert admitted(run) == ["a"]
    for task in ("a", "b", "e", "c", "d", "tidy"):
        do(run, task)
    assert state(run) == "success"


def test_clear_alone_leaves_what_is_below() -> None:
    run = failed()
    surgery.clear(run.pk, ["a"], downstream=False)
    assert states(run)["e"] == "success"
    do(run, "a")
    assert state(run) == "failed"  # b has not been asked for
    assert attempts(run)["a"] == 2


def test_clear_with_what_is_above() -> None:
    run = failed()
    shown = surgery.clear(run.pk, ["c"], upstream=True, downstream=False)
    assert set(shown.reset) == {"a", "b", "c"}


def test_mark_success_lets_go_on_what_never_ran() -> None:
    run = failed()
    shown = surgery.mark(run.pk, ["b"], TaskState.SUCCESS, by="ann")
    assert (shown.marks, set(shown.reset)) == ({"b": "failed"}, {"c", "d"})
    row = TaskExecution.objects.get(run=run, task_id="b")
    assert (row.state, row.reason, row.message) == ("success", "marked_by_user", "by ann")
    assert admitted(run) == ["c"]
    do(run, "c")
    do(run, "d")
    assert state(run) == "success"
    assert attempts(run) == {"a": 1, "b": 1, "c": 1, "d": 1, "e": 1, "tidy": 1}


def test_mark_failed_kills_what_runs_and_refuses_its_result() -> None:
    run = start(dag(a={}, b={"depends_on": ["a"]}))
    late = held(run, "a")
    surgery.mark(run.pk, ["a"], TaskState.FAILED)
    assert (states(run), state(run)) == ({"a": "failed", "b": "upstream_failed"}, "failed")
    with pytest.raises(LostClaim):
        end(late, Done())


@pytest.mark.parametrize("to", [TaskState.SUCCESS, TaskState.FAILED])
def test_mark_what_has_not_begun(to: TaskState) -> None:
    run = start(dag(a={}, b={"depends_on": ["a"]}, c={"depends_on": ["b"]}))
    surgery.mark(run.pk, ["b"], to)
    assert states(run) == {
        "a": "queued",
        "b": to.value,
        "c": "queued" if to is TaskState.SUCCESS else "upstream_failed",
    }
    do(run, "a")
    if to is TaskState.SUCCESS:
        do(run, "c")
    assert state(run) == to.value


def test_a_branch_is_chosen_anew_or_stays_chosen() -> None:
    choose: dict[str, Any] = {"type": "conditional", "condition": "true", "true_task": "yes", "false_task": "no"}
    run = start(dag(choose=choose, yes={}, no={}, join={"depends_on": ["yes", "no"], "trigger_rule": "none_failed"}))
    do(run, "choose", Done(output={"result": True, "branch": "yes"}, branch="yes"))
    do(run, "yes", BAD)
    assert states(run) == {"choose": "success", "yes": "failed", "no": "skipped", "join": "upstream_failed"}
    surgery.clear(run.pk, ["no", "yes"])
    assert states(run) == {"choose": "success", "yes": "queued", "no": "skipped", "join": "pending"}
    surgery.mark(run.pk, ["yes"], TaskState.SUCCESS)
    do(run, "join")
    assert state(run) == "success"
    surgery.clear(run.pk, ["choose"])
    do(run, "choose", Done(output={"result": False, "branch": "no"}, branch="no"))
    assert states(run) == {"choose": "success", "yes": "skipped", "no": "queued", "join": "pending"}


def test_only_the_failed_items_of_a_mapped_task_run_again() -> None:
    run = start(dag(each={"foreach": [1, 2, 3]}, after={"depends_on": ["each"]}))
    do(run, "each", Expand(items=(1, 2, 3)))
    do(run, "each", item=0)
    do(run, "each", BAD, item=1)
    do(run, "each", item=2)
    assert state(run) == "failed"
    shown = surgery.retry_failed(run.pk)
    assert (shown.items, set(shown.reset)) == ({"each[1]": "failed"}, {"after"})
    assert states(run) == {"each": "deferred", "after": "pending"}
    assert items(run, "each") == ["success", "queued", "success"]
    do(run, "each", item=1)
    do(run, "after")
    assert state(run) == "success"


def test_a_cleared_mapped_task_is_expanded_again() -> None:
    run = start(dag(each={"foreach": [1, 2, 3]}, after={"depends_on": ["each"]}))
    do(run, "each", Expand(items=(1, 2, 3)))
    for item in range(3):
        do(run, "each", item=item)
    do(run, "after")
    surgery.clear(run.pk, ["each"])
    assert items(run, "each") == ["pending"] * 3
    do(run, "each", Expand(items=(7, 8)))
    assert items(run, "each") == ["queued", "queued", "skipped"]
    assert held(run, "each", item=1).item == 8
    do(run, "each", item=0)
    surgery.mark(run.pk, ["each"], TaskState.SUCCESS)
    assert items(run, "each") == ["success", "cancelled", "skipped"]
    do(run, "after")
    assert state(run) == "success"


def test_a_cancelled_run_can_be_taken_up_again() -> None:
    run = start(dag(a={}, b={"depends_on": ["a"]}, c={"depends_on": ["b"]}))
    do(run, "a")
    cancel_run(run.pk)
    assert set(surgery.retry_failed(run.pk).reset) == {"b", "c"}
    do(run, "b")
    do(run, "c")
    assert state(run) == "success"


def test_refusals_name_the_mend() -> None:
    run = failed()
    with pytest.raises(UnknownTask, match="no task 'z'"):
        surgery.clear(run.pk, ["z"])
    with pytest.raises(UnknownRun):
        surgery.retry_failed(10**9)
    with pytest.raises(ValueError, match="not as skipped"):
        surgery.mark(run.pk, ["a"], TaskState.SKIPPED)
    surgery.clear(run.pk, ["b"])
    held(run, "b")
    with pytest.raises(TasksAtWork, match="still works on what would have to run again: b"):
        surgery.clear(run.pk, ["a"])


def test_a_child_run_is_run_again_through_its_parent() -> None:
    publish(dag("inner", x={}))
    parent = start(dag("outer", sub={"type": "subdag", "parameters": {"dag_id": "inner"}}))
    do(parent, "sub", Spawn(dag_id="inner"))
    child = DagRun.objects.get(dag__dag_id="inner")
    do(child, "x", BAD)
    assert (state(child), state(parent)) == ("failed", "failed")
    with pytest.raises(PartOfAnotherRun, match="run task 'sub' of that run again"):
        surgery.retry_failed(child.pk)
    surgery.retry_failed(parent.pk)
    do(parent, "sub", Spawn(dag_id="inner"))
    second = DagRun.objects.filter(dag__dag_id="inner").latest("id")
    do(second, "x")
    assert state(parent) == "success"
    assert launch("inner").pk != second.pk
