"""Starting runs."""

from __future__ import annotations

import pytest
from django.db import transaction

from tests.support.hands import dag, do, start, state, states
from workflows.core.errors import BadParams, DagPaused, IdempotencyConflict, NoVersion, UnknownDag
from workflows.engine import control
from workflows.engine.launch import launch
from workflows.engine.publish import publish
from workflows.models import Dag, DagRun

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("broker")]
WITH_PARAM = dag(a={}) | {"params": {"n": {"type": "integer", "default": 3}}}


def test_roots_are_queued_and_the_rest_waits() -> None:
    run = start(dag(a={}, b={"depends_on": ["a"]}))
    assert (state(run), states(run)) == ("running", {"a": "queued", "b": "pending"})


def test_a_run_goes_to_its_end() -> None:
    run = start(dag(a={}, b={"depends_on": ["a"]}))
    do(run, "a")
    do(run, "b")
    assert state(run) == "success"
    assert run.ended_at is not None


def test_defaults_are_filled_in_and_types_checked() -> None:
    publish(WITH_PARAM)
    assert launch("d").params == {"n": 3}
    with pytest.raises(BadParams, match="n"):
        launch("d", params={"n": "many"})
    with pytest.raises(BadParams, match="m"):
        launch("d", params={"m": 1})


def test_an_external_id_starts_one_run() -> None:
    publish(WITH_PARAM)
    first = launch("d", external_id="order-7")
    assert launch("d", external_id="order-7").pk == first.pk
    with pytest.raises(IdempotencyConflict):
        launch("d", external_id="order-7", params={"n": 4})
    assert DagRun.objects.count() == 1


def test_a_transaction_that_rolls_back_starts_nothing() -> None:
    version = publish(dag(a={}))
    with transaction.atomic():
        launch(version, on_commit=True)
        transaction.set_rollback(True)
    assert not DagRun.objects.exists()


def test_a_transaction_that_commits_starts_the_run() -> None:
    version = publish(dag(a={}))
    with transaction.atomic():
        run = launch(version, on_commit=True)
    assert state(run) == "running"


def test_inside_a_transaction_the_caller_must_say_so() -> None:
    version = publish(dag(a={}))
    with transaction.atomic(), pytest.raises(RuntimeError, match="on_commit=True"):
        launch(version)


def test_what_cannot_be_launched_is_refused_by_name() -> None:
    with pytest.raises(UnknownDag, match="nothing"):
        launch("nothing")
    Dag.objects.create(dag_id="empty")
    with pytest.raises(NoVersion):
        launch("empty")
    publish(dag(a={}))
    control.pause_dag("d")
    with pytest.raises(DagPaused):
        launch("d")
    control.resume_dag("d")
    assert launch("d").pk


def test_the_same_content_is_the_same_version() -> None:
    first = publish(dag(a={}))
    assert publish(dag(a={})).pk == first.pk
    assert publish(dag(a={}, b={})).number == first.number + 1
    assert publish(dag(a={})).pk == first.pk  # and it is current again
    assert Dag.objects.get(dag_id="d").current_version_id == first.pk


def test_a_run_keeps_the_version_it_began_with() -> None:
    run = start(dag(a={}, b={"depends_on": ["a"]}))
    publish(dag(a={}, c={"depends_on": ["a"]}))
    do(run, "a")
    assert states(run) == {"a": "success", "b": "queued"}
