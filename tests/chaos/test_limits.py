"""Soft limits that strike at the very end of a task: whoever comes first stands, and what follows is sent at once."""

from __future__ import annotations

from collections.abc import Callable

from tests.support.staging import Stage, deed

TASKS = 80


def test_a_limit_at_the_last_moment_leaves_nothing_to_the_reconciler(stage_of: Callable[..., Stage]) -> None:
    """Each task takes about as long as it may. What one in thirty left unsent before the limit was held off in the
    commit, the reconciler sent late."""
    stage = stage_of(concurrency=4, REDELIVER_SECONDS=30.0)  # a stall of the machine is not to look like a loss
    seconds = [0.0, *(0.27 + n * 0.0005 for n in range(TASKS - 2)), 0.6]
    tasks = {f"t{n}": deed("work", seconds=time, timeout=0.3) for n, time in enumerate(seconds)}
    tasks |= {f"b{n}": deed("work", depends_on=[f"t{n}"], trigger_rule="all_done") for n in range(TASKS)}
    run = stage.run("last_moment", tasks)
    assert stage.ended(run, timeout=90) == ["success"]
    ends = [stage.attempts(run, f"t{n}") for n in range(TASKS)]
    assert {end for (end,) in ends} == {"success", "failed/timed_out"}
    assert "resent" not in stage.stack["reconciler"].log()
    stage.check(run)
