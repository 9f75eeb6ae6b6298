"""Why is this task, or this run, not running? Ordered gates, judged by the functions that the engine itself uses."""

from __future__ import annotations

from workflows.engine.explain.facts import Explanation, Gate, Verdict, of_run, of_task
from workflows.engine.explain.run_gates import RUN_GATES
from workflows.engine.explain.task_gates import TASK_GATES


def explain_task(run_id: int, task_id: str, map_index: int = -1) -> Explanation:
    """What a task execution has passed on its way to a worker, and what holds it now. Raises UnknownRun, UnknownTask.

    Reads only. Asks the broker only when the task is queued.
    """
    facts = of_task(run_id, task_id, map_index)
    return facts.walk(TASK_GATES)


def explain_run(run_id: int) -> Explanation:
    """What a run has passed, and what holds it or its tasks now. Raises UnknownRun."""
    facts = of_run(run_id)
    return facts.walk(RUN_GATES)


__all__ = ["Explanation", "Gate", "Verdict", "explain_run", "explain_task"]
