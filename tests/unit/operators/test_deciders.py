"""The types that only decide, or only hand on: conditional, switch, subdag, celery."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.unit.operators.fakes import context, run
from workflows.core.errors import RenderError
from workflows.core.outcome import Done, Fail, Spawn
from workflows.core.states import Reason
from workflows.operators import registry


@pytest.mark.parametrize(
    ("result", "branch", "shown"), [(True, "publish", "publish"), (False, "", None)], ids=["true", "false"]
)
def test_a_conditional_chooses(result, branch, shown):
    outcome = run("conditional", condition=result, true_task="publish")
    assert outcome == Done(output={"result": result, "branch": shown}, branch=branch)


def test_a_conditional_that_was_not_evaluated_is_an_error():
    outcome = run("conditional", condition="1 < 2")
    assert isinstance(outcome, Fail)
    assert outcome.reason is Reason.BAD_INPUT


CASES = [{"when": "1 > 2", "task": "a"}, {"when": True, "task": "b"}, {"when": "no.such.name", "task": "c"}]


def test_a_switch_takes_the_first_true_case_and_evaluates_none_after_it():
    assert run("switch", cases=CASES) == Done(output={"case": 1, "branch": "b"}, branch="b")


@pytest.mark.parametrize(("default", "branch"), [("d", "d"), (None, "")])
def test_a_switch_without_a_true_case_takes_the_default(default, branch):
    outcome = run("switch", cases=CASES[:1], default=default)
    assert outcome == Done(output={"case": None, "branch": default}, branch=branch)


def test_a_switch_whose_expression_cannot_be_evaluated_says_so():
    with pytest.raises(RenderError):
        run("switch", cases=CASES[2:])


def test_a_subdag_asks_for_a_run():
    assert run("subdag", dag_id="child", params={"a": 1}) == Spawn(dag_id="child", params={"a": 1})


def test_a_celery_task_is_called_by_the_worker():
    calls = []

    def call(name, args, kwargs, ctx):
        calls.append((name, args, kwargs))
        return Done(output=1)

    ctx = replace(context("celery", task="shop.publish", args=[1], kwargs={"b": 2}), call_celery=call)
    assert registry.get("celery").run(ctx) == Done(output=1)
    assert calls == [("shop.publish", [1], {"b": 2})]


def test_without_a_worker_there_is_no_celery():
    assert isinstance(run("celery", task="x"), Fail)


def test_the_idempotency_key_is_the_same_for_every_attempt_and_differs_by_item():
    ctx = context("celery", task="x")
    assert ctx.idempotency_key == "7:step"
    assert replace(ctx, task=replace(ctx.task, attempt=3)).idempotency_key == "7:step"
    assert replace(ctx, task=replace(ctx.task, map_index=4)).idempotency_key == "7:step:4"
