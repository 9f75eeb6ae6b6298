from __future__ import annotations

import re
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workflows.core import layered
from workflows.core.layered import GAP_X, GAP_Y, HEIGHT, WIDTH

DIAMOND = {"d": ["b", "c"], "c": ["a"], "b": ["a"], "a": []}
GRAPHS = st.integers(1, 12).flatmap(
    lambda n: st.fixed_dictionaries(
        {
            f"t{i}": st.lists(st.sampled_from([f"t{k}" for k in range(i)]), max_size=3) if i else st.just([])
            for i in range(n)
        }
    )
)
PLACES = st.tuples(st.integers(-400, 400), st.integers(-200, 200))


def apart(places: dict[str, layered.Place]) -> bool:
    return len(set(places.values())) == len(places)


@given(GRAPHS)
def test_each_task_is_right_of_its_upstreams_and_on_no_other(graph: dict[str, list[str]]) -> None:
    places = layered.layered(graph)
    assert set(places) == set(graph)
    assert apart(places)
    for task, upstreams in graph.items():
        assert all(places[up][0] + WIDTH + GAP_X <= places[task][0] for up in upstreams)


def test_a_diamond_is_three_columns_around_one_line() -> None:
    across, half = WIDTH + GAP_X, (HEIGHT + GAP_Y) // 2
    expected = {"a": (0, 0), "b": (across, half), "c": (across, -half), "d": (2 * across, 0)}
    assert layered.layered(DIAMOND) == expected


def test_rows_follow_what_they_are_connected_to() -> None:
    crossed: dict[str, list[str]] = {"a": [], "b": [], "x": ["b"], "y": ["a"]}
    places = layered.layered(crossed)
    assert (places["a"][1] < places["b"][1]) == (places["y"][1] < places["x"][1])


@given(GRAPHS, st.dictionaries(st.sampled_from([f"t{i}" for i in range(12)]), PLACES, max_size=6))
def test_what_has_a_place_stays_and_nothing_new_covers_it(
    graph: dict[str, list[str]], known: dict[str, layered.Place]
) -> None:
    places = layered.completed(graph, known)
    kept = {task: place for task, place in known.items() if task in graph}
    assert set(places) == set(graph)
    assert all(places[task] == place for task, place in kept.items())
    new = {task: place for task, place in places.items() if task not in kept}
    assert apart(new)
    assert not set(new.values()) & set(kept.values())


def test_new_tasks_stand_beside_their_upstreams() -> None:
    places = layered.completed(DIAMOND, {"a": (10, 20)})
    assert places["a"] == (10, 20)
    assert {places["b"], places["c"]} == {(10 + WIDTH + GAP_X, 20), (10 + WIDTH + GAP_X, 20 + HEIGHT + GAP_Y)}


@pytest.mark.parametrize("known", [{}, {"t0": (0, 0)}], ids=["anew", "completed"])
@pytest.mark.parametrize("wide", [1, 50, 5_000], ids=["chain", "layers", "fan-out"])
def test_five_thousand_tasks_take_no_time(wide: int, known: dict[str, layered.Place]) -> None:
    graph = {f"t{i}": [f"t{0 if wide == 5_000 else max(0, i - wide)}"] if i else [] for i in range(5_000)}
    start = time.process_time()
    assert len(layered.completed(graph, known)) == 5_000
    assert time.process_time() - start < 1


def test_the_browser_uses_the_same_spacing() -> None:
    text = (Path(__file__).parents[3] / "frontend/src/graph/types.ts").read_text()
    found = {name: int(value) for name, value in re.findall(r"export const (\w+) = (\d+);", text)}
    wanted = {"NODE_WIDTH": WIDTH, "NODE_HEIGHT": HEIGHT, "GAP_X": GAP_X, "GAP_Y": GAP_Y}
    assert {name: found[name] for name in wanted} == wanted
