"""Callbacks over the death of the process that tells them: at least once, and noted exactly once."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.integration.operators.conftest import Site
from tests.support.staging import Stage, deed
from tests.support.waiting import eventually
from workflows.models import Callback


@pytest.fixture
def site() -> Iterator[Site]:
    server = Site()
    server.routes["/hook"] = lambda request: request.answer(204)
    yield server
    server.close()


@pytest.mark.parametrize(
    ("point", "times"), [("", 1), ("callbacks_noted", 1), ("callback_taken", 1), ("callback_sent", 2)]
)
def test_who_wants_to_know_is_told_though_the_teller_dies(
    stage_of: Callable[..., Stage], site: Site, point: str, times: int
) -> None:
    stage = stage_of(reconciler=False, HTTP_ALLOW_PRIVATE=["127.0.0.1"], CALLBACK_TIMEOUT=0.5)
    hook = {"on": ["run_succeeded", "task_retried"], "webhook": {"url": f"{site.url}/hook"}}
    stage.stack.reconciler(env={"CELERIAC_FAILPOINTS": f"{point}=kill"} if point else None)
    task = deed("work", fail_until=1, retry={"max_attempts": 2, "delay": 0})
    run = stage.run("told", {"t": task}, callbacks=[hook])
    if point:
        eventually(lambda: not stage.stack["reconciler"].alive(), 30, saying=stage.report)
        stage.stack["reconciler"].restart(CELERIAC_FAILPOINTS="")
    assert stage.ended(run) == ["success"]
    sent = eventually(lambda: len(rows := Callback.objects.filter(run_id=run, state="sent")) == 2 and rows, 30)
    assert sorted(row.payload["event"] for row in sent) == ["run_succeeded", "task_retried"]
    ids = [headers["celeriac-event-id"] for _, _, headers, _ in site.seen]
    assert len(set(ids)) == 2
    assert max(ids.count(each) for each in ids) <= times  # a receiver tells repetitions by the id of the event
    stage.check(run)


def test_a_run_that_is_late_tells_so_while_it_goes_on(stage_of: Callable[..., Stage], site: Site) -> None:
    stage = stage_of(HTTP_ALLOW_PRIVATE=["127.0.0.1"])
    hook = {"on": "run_late", "webhook": {"url": f"{site.url}/hook"}}
    gate = stage.gate("late")
    run = stage.run("late", {"t": deed("work", gate=gate)}, callbacks=[hook], config={"late_after": "0.5s"})
    eventually(lambda: site.seen, 20)
    assert stage.state(run) == "running"
    stage.open("late")
    assert stage.ended(run) == ["success"]
    stage.check(run)
