"""How a worker goes on: with what, from where, and how much of a fan-out it has sent."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from tests.support.dags import spec_of
from workflows.conf import conf
from workflows.core.compiler import Bounds, compile_plan
from workflows.core.parse import parse
from workflows.core.plan import Plan
from workflows.engine.rows import Onward
from workflows.worker import onward
from workflows.worker.board import Board

ALONE: dict[str, Any] = {"args": (7, 0, -1, 1), "chain": None, "chord": None, "hostname": "worker@here"}


@pytest.fixture(autouse=True)
def board(monkeypatch: pytest.MonkeyPatch) -> Iterator[Board]:
    """This process is one of a worker's four children; the queue has no other node."""
    board = Board()
    board.open()
    board.join()
    board.work()
    board.tell(stopping=False, watched=False, children=4)
    monkeypatch.setattr(onward, "BOARD", board)
    monkeypatch.setattr(onward, "_capacity", {})
    monkeypatch.setattr(onward.nodes, "capacity", lambda queue, within: 4)
    yield board
    conf.reload()


def plan_of(top: dict[str, Any] | None = None, **below: dict[str, Any]) -> Plan:
    """A task and those below it, in this order."""
    noop = {"type": "shell", "command": "true"}
    tasks = {"top": {**noop, **(top or {})}} | {n: {**noop, "depends_on": ["top"], **task} for n, task in below.items()}
    spec = parse({"id": "d", "tasks": tasks}).spec
    assert spec is not None
    return compile_plan(spec, Bounds())


def asked(plan: Plan, position: int = 0, **request: Any) -> Onward | None:
    """How a child goes on after a task."""
    return onward.Stream(SimpleNamespace(**ALONE | request)).onward(plan, plan.tasks[position])


def taken(plan: Plan) -> list[str]:
    """The tasks that may be gone on with after the first."""
    found = asked(plan)
    assert found is not None
    return [plan.tasks[p].id for p in found.positions] if found.takes else []


def test_what_is_below_may_follow() -> None:
    found = asked(plan_of(a={}, b={}))
    assert found is not None
    assert (found.takes, found.positions, found.wide, found.first) == (True, (1, 2), True, False)
    assert (found.queue, found.priority, found.node) == ("celeriac", 5, "worker@here")


def test_not_what_a_message_has_to_arm_nor_what_may_run_once_only() -> None:
    assert taken(plan_of(a={"timeout": "5s"}, b={})) == ["b"]
    assert taken(plan_of(a={"at_most_once": True})) == []


@pytest.mark.parametrize("top", [{"timeout": "5s"}, {"at_most_once": True}])
def test_nothing_follows_a_task_whose_message_is_armed(top: dict[str, Any]) -> None:
    assert taken(plan_of(top, a={})) == []


def test_a_child_without_a_board_is_fed_by_messages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onward, "BOARD", Board())
    assert asked(plan_of(a={})) is None


def test_it_can_be_turned_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(conf.__dict__, "GO_ON_SECONDS", 0)
    assert asked(plan_of(a={})) is None


@pytest.mark.parametrize("request_", [{"chord": {"task": "x"}}, {"chain": [{"options": {"chord": {"task": "x"}}}]}])
def test_what_a_chord_carries_is_celerys(request_: dict[str, Any]) -> None:
    assert asked(plan_of(a={}), **request_) is None


def test_for_so_long_after_the_first_end(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr(onward.time, "monotonic", lambda: now)
    plan = plan_of(a={})
    stream = onward.Stream(SimpleNamespace(**ALONE))
    for later, takes in ((0.0, True), (0.49, True), (0.51, False)):
        now = 100.0 + later
        found = stream.onward(plan, plan.tasks[0])
        assert found is not None
        assert found.takes is takes


def test_not_in_a_worker_that_ends(board: Board) -> None:
    board.tell(stopping=True, watched=False, children=4)
    assert taken(plan_of(a={})) == []


@pytest.mark.parametrize(("capacity", "window"), [(4, 2), (9, 8), (0, None)])
def test_as_much_is_sent_as_others_can_take(
    board: Board, monkeypatch: pytest.MonkeyPatch, capacity: int, window: int | None
) -> None:
    """Those that have nothing to do, when all are ours; else all others; everything when nobody is known."""
    monkeypatch.setattr(onward.nodes, "capacity", lambda queue, within: capacity)
    monkeypatch.setattr(type(board), "idle", 2)
    found = asked(plan_of(a={}, b={}))
    assert found is not None
    assert found.window == window


def test_before_a_join_of_many_a_withheld_task_is_taken_first() -> None:
    wide = compile_plan(spec_of([[], *[[0]] * 8, list(range(1, 9))]), Bounds())
    found = asked(wide, 1)
    assert found is not None
    assert found.first
    narrow = compile_plan(spec_of([[], *[[0]] * 7, list(range(1, 8))]), Bounds())
    found = asked(narrow, 1)
    assert found is not None
    assert not found.first


def test_a_plan_without_a_fork_withholds_nothing() -> None:
    chain, fork = compile_plan(spec_of([[], [0], [1]]), Bounds()), compile_plan(spec_of([[], [0], [0]]), Bounds())
    assert (chain.wide, chain.fan_out(0)) == (False, ())
    assert (fork.wide, fork.fan_out(0)) == (True, (1, 2))
