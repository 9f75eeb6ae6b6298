"""What a finished attempt leaves to the engine, and what to Celery."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace

import pytest

from tests.support.dags import spec_of
from workflows.core.compiler import Bounds, compile_plan
from workflows.engine.advance import Consequences
from workflows.executors.send import Dispatch
from workflows.worker import outbox

PLAN = compile_plan(spec_of([[], [0]]), Bounds())
IN_A_CHAIN = SimpleNamespace(args=(7, 0, -1, 1), chain=[{"args": [7, 1, -1, 1]}], chord=None)
ALONE = SimpleNamespace(args=(7, 0, -1, 2), chain=None, chord=None)


@pytest.fixture(autouse=True)
def _empty() -> Iterator[None]:
    outbox._waiting.clear()
    yield
    outbox._waiting.clear()


def left(request: SimpleNamespace, *, succeeded: bool, ready: tuple[int, int, int] = (1, -1, 1)) -> list[object]:
    after = Consequences(dispatches=[Dispatch(plan=PLAN, run_id=7, ready=(ready,))])
    outbox.put(after, request, succeeded=succeeded)
    return [item for dispatch in outbox._waiting[0].dispatches for item in dispatch.ready]


def test_celery_sends_the_chains_next_after_a_success() -> None:
    assert left(IN_A_CHAIN, succeeded=True) == []


def test_a_failure_that_is_allowed_ends_the_chain_so_the_engine_sends() -> None:
    assert left(IN_A_CHAIN, succeeded=False) == [(1, -1, 1)]


def test_a_task_outside_a_canvas_leaves_everything_to_the_engine() -> None:
    assert left(ALONE, succeeded=True) == [(1, -1, 1)]


def test_another_attempt_than_the_chain_carries_is_the_engines() -> None:
    assert left(IN_A_CHAIN, succeeded=True, ready=(1, -1, 2)) == [(1, -1, 2)]
