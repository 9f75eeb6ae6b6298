"""Properties of the compiler: segments partition the tasks, keep to the flat dialect and to their bounds."""

from __future__ import annotations

import random
from dataclasses import replace
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from tests.support.dags import random_edges, spec_of
from workflows.core.compiler import Bounds, compile_plan, explain, message_bytes, segments
from workflows.core.joins import TriggerRule
from workflows.core.plan import Plan, Segment
from workflows.core.spec import DagSpec, TaskSpec

WIDE = Bounds(max_chain=10, max_header=50)
bounds = st.builds(
    Bounds, max_chain=st.integers(1, 12), max_header=st.integers(1, 20), max_bytes=st.integers(1_500, 20_000)
)


@st.composite
def plans(draw: st.DrawFn, kept: Bounds = WIDE) -> Plan:
    chance = random.Random(draw(st.integers(0, 2**32)))
    spec = spec_of(random_edges(chance, draw(st.integers(1, 40))))
    tasks = {}
    for task in spec.tasks.values():
        odd = chance.random()
        rule = "all_done" if odd < 0.1 else "all_success"
        condition = "params.x" if 0.1 < odd < 0.2 else None
        tasks[task.id] = task.model_copy(update={"trigger_rule": rule, "condition": condition})
    return compile_plan(spec.model_copy(update={"tasks": tasks}), kept)


def check_segments(plan: Plan, found: tuple[Segment, ...], settled: frozenset[int]) -> None:
    seen = [p for segment in found for p in segment.positions]
    assert sorted(seen) == [t.position for t in plan.tasks if t.position not in settled]
    for segment in found:
        for chain in segment.chains:
            for above, below in pairwise(chain):
                assert plan.tasks[below].upstream == (above,)
                assert plan.tasks[above].downstream == (below,)
                assert plan.tasks[below].rule is TriggerRule.ALL_SUCCESS
                assert plan.tasks[below].condition is None
        if segment.body is None:
            assert len(segment.chains) == 1
        else:
            assert sorted(chain[-1] for chain in segment.chains) == list(plan.tasks[segment.body].upstream)
            starts = {plan.tasks[head].upstream for head in segment.heads}
            assert len(starts) == 1  # one transaction makes all heads ready
            assert all(plan.tasks[c[-1]].downstream == (segment.body,) for c in segment.chains)


@given(plans())
def test_segments_partition_the_tasks_in_the_flat_dialect(plan: Plan) -> None:
    check_segments(plan, plan.segments, frozenset())


@given(plans())
def test_every_edge_is_in_a_segment_in_order_or_joined_by_the_engine(plan: Plan) -> None:
    for task in plan.tasks:
        for above in task.upstream:
            segment = plan.segment_of[task.position]
            if plan.segment_of[above] is segment:
                order = segment.positions
                assert order.index(above) < order.index(task.position)
            else:
                assert task.position in (*segment.heads,)  # delivered by the engine, from its own counter


@given(st.integers(0, 2**32), bounds)
def test_bounds_hold(seed: int, kept: Bounds) -> None:
    chance = random.Random(seed)
    plan = compile_plan(spec_of(random_edges(chance, 40)), kept)
    for segment in plan.segments:
        assert all(len(chain) <= kept.max_chain for chain in segment.chains)
        assert segment.body is None or len(segment.chains) <= kept.max_header
        if segment.kind != "task":
            assert message_bytes(plan, segment) <= kept.max_bytes


@given(plans(), st.randoms(use_true_random=False))
def test_any_remainder_compiles(plan: Plan, chance: random.Random) -> None:
    settled: set[int] = set()
    for task in plan.tasks:
        if set(task.upstream) <= settled and chance.random() < 0.6:
            settled.add(task.position)
    rest = segments(plan.tasks, WIDE, settled)
    check_segments(plan, rest, frozenset(settled))


@given(plans())
def test_the_stored_form_is_the_same_plan(plan: Plan) -> None:
    again = Plan.from_json(plan.to_json())
    assert again == plan


def test_a_diamond_with_a_tail_is_a_task_a_chord_and_a_task() -> None:
    plan = compile_plan(spec_of([[], [0], [0], [1, 2], [3]]), Bounds())
    assert [s.kind for s in plan.segments] == ["task", "chord", "task"]
    assert plan.segments[1].body == 3


def test_levels_and_critical_path_are_told() -> None:
    plan = compile_plan(spec_of([[], [0], [0], [1], [2, 3]]), Bounds())
    told = explain(plan)
    assert told["levels"] == [["t0"], ["t1", "t2"], ["t3"], ["t4"]]
    assert told["critical_path"] == ["t0", "t1", "t3", "t4"]


def test_a_branch_target_is_never_carried() -> None:
    tasks = {
        "pick": TaskSpec(
            id="pick", type="conditional", parameters={"condition": "1", "true_task": "a", "false_task": "b"}
        ),
        "a": TaskSpec(id="a", type="python", depends_on=("pick",)),
        "b": TaskSpec(id="b", type="python", depends_on=("pick",)),
    }
    plan = compile_plan(DagSpec(id="d", tasks=tasks), Bounds())
    assert {s.kind for s in plan.segments} == {"task"}
    assert plan.tasks[0].branches == (1, 2)
    assert not plan.tasks[1].plain


def test_a_chain_of_ten_thousand_compiles_quickly() -> None:
    plan = compile_plan(spec_of([[]] + [[i] for i in range(9_999)]), replace(WIDE, max_chain=4))
    assert len(plan.critical_path) == 10_000
