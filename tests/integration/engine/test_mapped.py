"""Mapped tasks: a row for each item, one end for all of them."""

from __future__ import annotations

import pytest

from tests.support.hands import Done, Expand, Fail, admitted, claim, dag, do, end, held, items, start, state, states
from workflows.core.errors import LostClaim
from workflows.engine import invariants, plans, reconcile
from workflows.engine.control import cancel_run
from workflows.engine.finish import finish
from workflows.models import DagRun, TaskExecution

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("broker")]


def mapped(**fields: object) -> DagRun:
    """A run of before > each (mapped) > after, expanded to three items."""
    run = start(
        dag(before={}, each={"depends_on": ["before"], "foreach": [1, 2, 3], **fields}, after={"depends_on": ["each"]})
    )
    do(run, "before")
    do(run, "each", Expand(items=(10, 20, 30)))
    return run


def sound(run: DagRun) -> None:
    """No promise of the engine is broken."""
    assert not [finding for finding in invariants.audit(run.pk, quiescent=True) if not finding.holds]


def test_the_task_waits_until_every_item_has_settled() -> None:
    run = mapped()
    assert states(run) == {"before": "success", "each": "deferred", "after": "pending"}
    assert admitted(run) == ["each[0]", "each[1]", "each[2]"]
    assert held(run, "each", item=1).item == 20
    do(run, "each", item=2)
    do(run, "each", item=0)
    assert states(run)["each"] == "deferred"
    row = TaskExecution.objects.get(run=run, task_id="each", map_index=1)
    assert row.state == "running"


def test_all_well() -> None:
    run = mapped()
    for item in (2, 0, 1):
        do(run, "each", Done(output=item), item=item)
    assert states(run) == {"before": "success", "each": "success", "after": "queued"}
    do(run, "after")
    assert state(run) == "success"
    sound(run)


def test_a_failed_item_fails_the_task_when_all_have_settled() -> None:
    run = mapped()
    do(run, "each", Fail(message="no", permanent=True), item=1)
    assert states(run)["each"] == "deferred"
    do(run, "each", item=0)
    do(run, "each", item=2)
    row = TaskExecution.objects.get(run=run, task_id="each", map_index=-1)
    assert (row.state, row.reason, row.message) == ("failed", "items_failed", "1 of 3 items did not succeed: 1")
    assert states(run)["after"] == "upstream_failed"
    assert state(run) == "failed"
    sound(run)


def test_an_allowed_failure_is_one_of_the_whole_task() -> None:
    run = mapped(allow_failure=True)
    do(run, "each", Fail(message="no", permanent=True), item=0)
    do(run, "each", item=1)
    do(run, "each", item=2)
    assert states(run)["after"] == "queued"


def test_no_items_are_a_success() -> None:
    run = start(dag(each={"foreach": "{{ [] }}"}, after={"depends_on": ["each"]}))
    do(run, "each", Expand(items=()))
    assert states(run) == {"each": "success", "after": "queued"}
    assert TaskExecution.objects.get(run=run, task_id="each").output == []
    do(run, "after")
    sound(run)


def test_items_are_tried_again_each_by_itself() -> None:
    run = mapped(retry={"max_attempts": 2})
    do(run, "each", Fail(message="once"), item=1)
    assert items(run, "each") == ["queued", "retrying", "queued"]
    reconcile.sweep()
    assert items(run, "each") == ["queued", "queued", "queued"]
    for item in range(3):
        do(run, "each", item=item)
    do(run, "after")
    assert state(run) == "success"
    sound(run)


def test_a_worker_that_dies_before_it_looks_is_made_good() -> None:
    run = mapped()
    for item in range(3):
        claimed = held(run, "each", item=item)
        finish(claimed, plans.plan_of(claimed.version_id), Done(), chance=0.5)  # and nothing that follows
    assert states(run)["each"] == "deferred"
    assert reconcile.sweep().joined == 1
    assert states(run) == {"before": "success", "each": "success", "after": "queued"}


def test_cancelling_ends_the_items_too() -> None:
    run = mapped()
    late = held(run, "each", item=0)
    assert cancel_run(run.pk)
    assert items(run, "each") == ["cancelled"] * 3
    assert state(run) == "cancelled"
    with pytest.raises(LostClaim):
        end(late, Done())
    sound(run)


def test_foreach_concurrency_is_never_exceeded() -> None:
    run = mapped(foreach_concurrency=2)
    assert admitted(run) == ["each[0]", "each[1]"]
    assert claim(run, "each", item=2) is None  # a message that came too early
    do(run, "each", item=0)
    assert admitted(run) == ["each[1]", "each[2]"]
    do(run, "each", item=1)
    do(run, "each", item=2)
    assert states(run)["each"] == "success"
    do(run, "after")
    sound(run)
