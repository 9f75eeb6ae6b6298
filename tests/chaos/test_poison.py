"""A task that kills its worker, each time: given up after a few, with its neighbours none the worse."""

from __future__ import annotations

from collections.abc import Callable

from tests.support.staging import Stage, deed
from tests.support.waiting import eventually

WORKERS = 2


def test_a_task_that_kills_its_worker_is_given_up(stage_of: Callable[..., Stage]) -> None:
    """SIGKILL of the worker's main process: only the lease tells. A supervisor replaces what dies."""
    stage = stage_of(workers=WORKERS, concurrency=2, MAX_LOST_ATTEMPTS=3)
    number = WORKERS
    poison = stage.run(
        "poison", {"t": deed("kill_worker"), "after": deed("work", depends_on=["t"]), "beside": deed("work")}
    )
    healthy = stage.run("healthy", {f"t{n}": deed("work", seconds=0.3) for n in range(24)})

    def over() -> bool:
        nonlocal number
        alive = [p for p in stage.stack.processes if p.name.startswith("worker") and p.alive()]
        for _ in range(WORKERS - len(alive)):
            number += 1
            stage.stack.worker(f"worker{number}", concurrency=2, wait=False)
        return stage.state(poison) == "failed" and stage.state(healthy) == "success"

    eventually(over, 90, every=0.2, saying=stage.report)
    assert stage.tasks(poison) == {
        "t": "failed/poisoned",
        "after": "upstream_failed/upstream_failed",
        "beside": "success",
    }
    assert stage.attempts(poison, "t") == ["lost/lost", "lost/lost", "lost/poisoned"]
    assert number == WORKERS + 3, "it took three workers down, and no more"
    message = stage.execution(poison, "t").message
    assert "3 attempts took their worker down or were lost with it (MAX_LOST_ATTEMPTS)" in message
    stage.check(poison, healthy)
