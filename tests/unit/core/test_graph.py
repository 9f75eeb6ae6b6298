from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workflows.core import graph

SMALL = st.integers(1, 7).flatmap(
    lambda n: st.fixed_dictionaries(
        {str(i): st.lists(st.sampled_from([str(k) for k in range(n)]), max_size=3) for i in range(n)}
    )
)
DEEP = {str(i): [str(i - 1)] if i else [] for i in range(10_000)}


def naive_has_cycle(upstreams: dict[str, list[str]]) -> bool:
    left = dict(upstreams)
    while True:
        free = [node for node, ups in left.items() if not any(up in left for up in ups)]
        if not free:
            return bool(left)
        for node in free:
            del left[node]


@given(SMALL)
@settings(max_examples=60)
def test_cycles_are_found_exactly_when_there_are_some_and_are_real(upstreams: dict[str, list[str]]) -> None:
    cycles = graph.find_cycles(upstreams)
    assert bool(cycles) == naive_has_cycle(upstreams)
    assert (graph.find_cycle(upstreams) is not None) == bool(cycles)
    for cycle in cycles:
        for before, after in itertools.pairwise([*cycle, cycle[0]]):
            assert before in upstreams[after]
    members = list(itertools.chain.from_iterable(cycles))
    assert len(members) == len(set(members))
    left = {node: ups for node, ups in upstreams.items() if node not in members}
    assert not naive_has_cycle(left)


@given(SMALL)
@settings(max_examples=60)
def test_order_levels_and_path_of_an_acyclic_graph(upstreams: dict[str, list[str]]) -> None:
    acyclic = {node: [up for up in ups if up < node] for node, ups in upstreams.items()}
    order = graph.topological_order(acyclic)
    assert sorted(order) == sorted(acyclic)
    for node, ups in acyclic.items():
        assert all(order.index(up) < order.index(node) for up in ups)
    levels = graph.levels(acyclic)
    assert sorted(itertools.chain.from_iterable(levels)) == sorted(acyclic)
    path = graph.critical_path(acyclic)
    assert len(path) == len(levels)
    assert all(before in acyclic[after] for before, after in itertools.pairwise(path))


@given(SMALL)
@settings(max_examples=60)
def test_components_come_after_what_is_upstream_of_them(upstreams: dict[str, list[str]]) -> None:
    seen: set[str] = set()
    for part in graph.components(upstreams):
        seen.update(part)
        assert all(up in seen for node in part for up in upstreams[node])
    assert seen == set(upstreams)


def test_a_cycle_is_written_in_the_order_of_running() -> None:
    with pytest.raises(graph.CycleFound, match="The DAG has a cycle: a → b → c → a") as caught:
        graph.topological_order({"a": ["c"], "b": ["a"], "c": ["b"], "d": []})
    assert caught.value.cycle == ("a", "b", "c")


def test_separate_cycles_are_all_found() -> None:
    cycles = graph.find_cycles({"a": ["b"], "b": ["a"], "c": ["c"], "d": ["e"], "e": ["d", "a"]})
    assert cycles == [("a", "b"), ("c",), ("d", "e")]


def test_weights_choose_the_critical_path() -> None:
    upstreams = {"a": [], "b": ["a"], "c": ["a"], "d": ["b", "c"]}
    assert graph.critical_path(upstreams, {"a": 1, "b": 1, "c": 5, "d": 1}) == ["a", "c", "d"]
    assert graph.critical_path({}) == []


def test_deep_chains_do_not_recurse() -> None:
    assert len(graph.levels(DEEP)) == len(graph.critical_path(DEEP)) == 10_000
    assert len(graph.find_cycle({**DEEP, "0": ["9999"]}) or ()) == 10_000
    assert len(graph.reachable(DEEP, ["9999"])) == 9_999


def test_upstreams_that_do_not_exist_are_ignored() -> None:
    upstreams = {"a": ["gone"], "b": ["a", "gone"]}
    assert graph.topological_order(upstreams) == ["a", "b"]
    assert graph.downstreams(upstreams) == {"a": ["b"], "b": []}
    assert graph.find_cycles(upstreams) == []
