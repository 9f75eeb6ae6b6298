"""A run that is over goes on with another version: what was mended runs, what had settled stays."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.hands import Expand, Fail, admitted, dag, do, start, state, states
from workflows.core.errors import BadParams, NotOver, OtherGraph, UnknownVersion
from workflows.engine import invariants, pools, surgery
from workflows.engine.publish import publish
from workflows.models import DagRun, Event, TaskExecution

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("broker")]

BAD = Fail(message="no", permanent=True)


def document(**b: Any) -> dict[str, Any]:
    """a > b > c, with b as it is given."""
    return dag(a={}, b={"depends_on": ["a"], **b}, c={"depends_on": ["b"]})


def failed(**more: Any) -> DagRun:
    """b has failed."""
    run = start({**document(), **more})
    do(run, "a")
    do(run, "b", BAD)
    assert state(run) == "failed"
    return run


def test_what_was_mended_runs_in_the_run_that_it_broke() -> None:
    run = failed(params={"kept": {"type": "integer", "default": 1}, "gone": {"type": "integer", "default": 2}})
    mended = publish(
        {
            **document(timeout=7, priority=8),
            "params": {"kept": {"type": "integer", "default": 5}, "more": {"type": "integer", "default": 3}},
        }
    )
    shown = surgery.retry_failed(run.pk, version=2, preview=True)
    assert (shown.version, shown.reset) == (2, {"b": "failed", "c": "upstream_failed"})
    assert DagRun.objects.get(pk=run.pk).version.number == 1, "a preview changes nothing"
    assert surgery.clear(run.pk, ["b"], version=2, by="ann").version == 2
    run.refresh_from_db()
    assert (run.version, run.params) == (mended, {"kept": 1, "more": 3})
    assert admitted(run) == ["b"]
    row = TaskExecution.objects.get(run=run, task_id="b")
    assert (row.timeout, row.priority) == (7, 8)
    opened = Event.objects.filter(run_id=run.pk, task_execution_id=None, new="running").latest("id")
    assert opened.message == "by ann, with version 2"
    do(run, "b")
    do(run, "c")
    assert (state(run), states(run)) == ("success", {"a": "success", "b": "success", "c": "success"})
    assert TaskExecution.objects.get(run=run, task_id="a").attempt == 1
    assert [found for found in invariants.audit(run.pk, quiescent=True) if not found.holds] == []


def test_it_goes_to_the_pool_that_the_version_names() -> None:
    pools.create("large", slots=1)
    run = failed()
    publish(document(pool="large"))
    surgery.retry_failed(run.pk, version=2)
    row = TaskExecution.objects.get(run=run, task_id="b")
    assert (row.queue.endswith("large"), row.gated) == (True, True)
    assert admitted(run) == ["b"]


def test_failed_items_run_by_the_new_version_and_the_others_stay() -> None:
    def mapped(**more: Any) -> dict[str, Any]:
        return dag(each={"foreach": [1, 2, 3], **more}, after={"depends_on": ["each"]})

    run = start(mapped())
    do(run, "each", Expand(items=(1, 2, 3)))
    do(run, "each", item=0)
    do(run, "each", BAD, item=1)
    do(run, "each", item=2)
    assert state(run) == "failed"
    publish(mapped(timeout=9))
    assert surgery.retry_failed(run.pk, version=2).items == {"each[1]": "failed"}
    rows = TaskExecution.objects.filter(run=run, task_id="each").order_by("map_index")
    assert list(rows.values_list("state", "timeout")) == [
        ("deferred", 9),
        ("success", None),
        ("queued", 9),
        ("success", None),
    ]
    do(run, "each", item=1)
    do(run, "after")
    assert state(run) == "success"


@pytest.mark.parametrize(
    ("tasks", "why"),
    [
        ({"a": {}, "b": {"depends_on": ["a"]}}, "task 'c' is no longer there"),
        ({"a": {}, "b": {"depends_on": ["a"]}, "c": {"depends_on": ["b"]}, "d": {}}, "task 'd' is new"),
        ({"a": {}, "b": {"depends_on": ["a"]}, "c": {"depends_on": ["a", "b"]}}, "task 'c' has another depends_on"),
        (
            {"a": {}, "b": {"depends_on": ["a"]}, "c": {"depends_on": ["b"], "trigger_rule": "all_done"}},
            "task 'c' has another trigger_rule",
        ),
        ({"a": {}, "b": {"depends_on": ["a"], "foreach": [1]}, "c": {"depends_on": ["b"]}}, "task 'b' has another"),
    ],
)
def test_another_graph_is_refused(tasks: dict[str, Any], why: str) -> None:
    run = failed()
    publish(dag(**tasks))
    with pytest.raises(OtherGraph) as error:
        surgery.retry_failed(run.pk, version=2)
    assert why in str(error.value)
    assert (state(run), DagRun.objects.get(pk=run.pk).version.number) == ("failed", 1)


def test_what_else_is_refused() -> None:
    run = failed()
    with pytest.raises(UnknownVersion):
        surgery.retry_failed(run.pk, version=9)
    assert surgery.retry_failed(run.pk, version=1, preview=True).version is None
    publish({**document(timeout=1), "params": {"must": {"type": "string"}}})
    with pytest.raises(BadParams):
        surgery.retry_failed(run.pk, version=2)
    publish(document(timeout=2))
    surgery.retry_failed(run.pk)
    with pytest.raises(NotOver):
        surgery.clear(run.pk, ["a"], downstream=False, version=3)
