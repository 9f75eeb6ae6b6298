"""A worker that dies between the end of a sub-DAG's run and the settling of the task that waits for it."""

from __future__ import annotations

from collections.abc import Callable

import psycopg

from tests.support.staging import Stage, deed
from tests.support.waiting import eventually, stays
from workflows.engine import sql


def test_a_parent_whose_worker_died_at_the_last_moment_is_settled(stage_of: Callable[..., Stage]) -> None:
    """The moment is held open with the lock of the parent's run: the child has ended, its parent cannot be touched."""
    stage = stage_of(reconciler=False)
    stage.publish("child", {"t": deed("work", gate=stage.gate("child"))})
    subdag = {"type": "subdag", "parameters": {"dag_id": "child"}}
    run = stage.run("parent", {"t": subdag, "after": deed("work", depends_on=["t"])})
    (child,) = eventually(lambda: stage.children(run, "t"), 15)
    stage.started(child, "t")
    with psycopg.connect(stage.stack.database_url) as holder:
        holder.execute("SELECT pg_advisory_xact_lock(%s)", (sql.run_key(run),))
        stage.open("child")
        assert stage.ended(child) == ["success"]
        assert stage.tasks(run)["t"] == "deferred"
        stage.stack["worker"].kill_all()

    stays(lambda: stage.tasks(run)["t"] == "deferred", 1.0)
    stage.stack.reconciler()
    stage.stack.worker("worker2", wait=False)
    assert stage.ended(run) == ["success"]
    assert stage.story(run, "t")[-1] == "deferred>success"
    stage.check(run, child)
