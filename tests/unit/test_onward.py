"""What a worker chooses to go on with."""

from __future__ import annotations

from typing import Any

from tests.support.dags import spec_of
from workflows.core.compiler import Bounds, compile_plan
from workflows.core.parse import parse
from workflows.core.plan import Plan
from workflows.engine.advance import Consequences
from workflows.executors.send import Dispatch
from workflows.worker.onward import _choose, _without


def plan_of(**below: dict[str, Any]) -> Plan:
    """A task and those below it, in this order."""
    noop = {"type": "shell", "command": "true"}
    tasks = {"top": noop} | {name: {**noop, "depends_on": ["top"], **task} for name, task in below.items()}
    spec = parse({"id": "d", "tasks": tasks}).spec
    assert spec is not None
    return compile_plan(spec, Bounds())


def chosen(plan: Plan, run_id: int = 7) -> str | None:
    """The task that follows the first one when all below it are ready."""
    ready = tuple((p, -1, 1) for p in plan.tasks[0].downstream)
    after = Consequences(dispatches=[Dispatch(plan=plan, run_id=7, ready=ready)])
    found = _choose(after, run_id, plan, plan.tasks[0])
    return None if found is None else plan.tasks[found[0]].id


def test_the_first_of_those_that_are_ready() -> None:
    assert chosen(plan_of(a={}, b={})) == "a"


def test_the_most_urgent_and_never_a_less_urgent_one() -> None:
    assert chosen(plan_of(a={}, b={"priority": 8})) == "b"
    assert chosen(plan_of(a={"priority": 2}, b={})) == "b"
    assert chosen(plan_of(a={"priority": 2})) is None


def test_not_what_a_message_has_to_arm_or_another_pool_runs() -> None:
    assert chosen(plan_of(a={"timeout": "5s"}, b={})) == "b"
    assert chosen(plan_of(a={"at_most_once": True})) is None
    assert chosen(plan_of(a={"pool": "io"})) is None


def test_not_another_runs() -> None:
    assert chosen(plan_of(a={}), run_id=8) is None


def test_what_is_gone_on_with_is_not_sent() -> None:
    plan = compile_plan(spec_of([[], [0], [0]]), Bounds())
    dispatch = Dispatch(plan=plan, run_id=7, ready=((1, -1, 1), (2, -1, 1)))
    assert _without(dispatch, 7, (1, -1, 1)).ready == ((2, -1, 1),)
    assert _without(dispatch, 8, (1, -1, 1)) is dispatch


def test_only_a_wide_fan_out_is_withheld() -> None:
    narrow, wide = (compile_plan(spec_of([[], *[[0]] * width]), Bounds()) for width in (7, 8))
    assert (narrow.wide, narrow.fan_out(0)) == (False, ())
    assert (wide.wide, len(wide.fan_out(0))) == (True, 8)
