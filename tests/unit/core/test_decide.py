"""What follows from settled tasks."""

from __future__ import annotations

import pytest

from tests.support.dags import spec_of
from workflows.core.compiler import Bounds, compile_plan
from workflows.core.decide import Counters, Settled, counts_as, run_state, verdict_of, wave_of
from workflows.core.plan import Plan
from workflows.core.spec import DagSpec, TaskSpec
from workflows.core.states import Reason, RunState, TaskState

S = TaskState


def diamond() -> Plan:
    return compile_plan(spec_of([[], [0], [0], [1, 2]]), Bounds())


def test_a_wave_sums_up_the_counters_below() -> None:
    wave = wave_of(diamond(), {1: Settled(state=S.SKIPPED), 2: Settled(state=S.FAILED)})
    delta = wave.deltas[3]
    assert (delta.settled, delta.failed, delta.skipped) == (2, 1, 1)


def branching() -> Plan:
    parameters = {"condition": "1", "true_task": "yes", "false_task": "no"}
    tasks = {
        "pick": TaskSpec(id="pick", type="conditional", parameters=parameters),
        "yes": TaskSpec(id="yes", type="python", depends_on=("pick",)),
        "no": TaskSpec(id="no", type="python", depends_on=("pick",)),
    }
    return compile_plan(DagSpec(id="d", tasks=tasks), Bounds())


@pytest.mark.parametrize(("branch", "left_out"), [("yes", {"no"}), ("no", {"yes"}), ("", {"yes", "no"})])
def test_a_branch_leaves_out_the_others(branch: str, left_out: set[str]) -> None:
    plan = branching()
    wave = wave_of(plan, {0: Settled(state=S.SUCCESS, branch=branch)})
    assert {plan.tasks[p].id for p in wave.not_taken} == left_out


def test_a_failed_conditional_chooses_nothing() -> None:
    assert not wave_of(branching(), {0: Settled(state=S.FAILED)}).not_taken
    assert not wave_of(branching(), {0: Settled(state=S.FAILED, branch="yes")}).not_taken
    assert not wave_of(branching(), {0: Settled(state=S.SUCCESS)}).not_taken


def test_a_branch_not_taken_is_skipped_at_once() -> None:
    counters = Counters(waiting_on=3, failed=0, skipped=0)
    verdict = verdict_of(branching().tasks[1], counters, not_taken=True)
    assert verdict is not None
    assert (verdict.state, verdict.reason) == (S.SKIPPED, Reason.BRANCH_NOT_TAKEN)


def test_a_branch_that_may_be_left_out_does_not_start_early() -> None:
    parameters = {"condition": "1", "true_task": "yes", "false_task": "no"}
    tasks = {
        "pick": TaskSpec(id="pick", type="conditional", parameters=parameters),
        "other": TaskSpec(id="other", type="python"),
        "yes": TaskSpec(id="yes", type="python", depends_on=("pick", "other"), trigger_rule="one_success"),
        "no": TaskSpec(id="no", type="python", depends_on=("pick",)),
        "free": TaskSpec(id="free", type="python", depends_on=("pick", "other"), trigger_rule="one_success"),
    }
    plan = compile_plan(DagSpec(id="d", tasks=tasks), Bounds())
    one_came = Counters(waiting_on=1, failed=0, skipped=0)
    assert verdict_of(plan.tasks[plan.by_id["yes"]], one_came, not_taken=False) is None
    free = verdict_of(plan.tasks[plan.by_id["free"]], one_came, not_taken=False)
    assert free is not None
    assert free.state is S.QUEUED


def test_an_allowed_failure_counts_as_a_success() -> None:
    plan = compile_plan(spec_of([[], [0]], allow_failure=True), Bounds())
    assert counts_as(plan.tasks[0], S.FAILED) == (0, 0)
    assert counts_as(plan.tasks[0], S.UPSTREAM_FAILED) == (1, 0)
    assert run_state(plan, [(1, S.FAILED)]) is RunState.SUCCESS


def test_a_run_fails_by_its_leaves() -> None:
    plan = diamond()
    assert run_state(plan, []) is RunState.SUCCESS
    assert run_state(plan, [(1, S.FAILED)]) is RunState.SUCCESS  # a leaf below took care of it
    assert run_state(plan, [(3, S.UPSTREAM_FAILED)]) is RunState.FAILED
