"""Reference 1: a bare Celery canvas, as Celery's users write it.

A DAG that is a sequence of tasks and of groups of chains becomes exactly that canvas. Any other is run
level by level, one level being a group and a join following it: easier than the DAG asks for, and the only
way a canvas can do it.
"""

from __future__ import annotations

from itertools import pairwise

from celery import chain, group
from celery.canvas import Signature
from celery.result import AsyncResult, GroupResult

from tests.benchmarks.noop import mark
from tests.benchmarks.systems.base import FINISHED, reference_app, store
from tests.benchmarks.systems.reference import Reference
from tests.benchmarks.workloads import Workload

DATABASE = 1
app = reference_app("canvas", DATABASE)
app.conf.task_ignore_result = False  # Celery's default, which a canvas with joins has no reason to leave
announce = store(DATABASE)

Stage = list[list[int]]  # chains that run side by side


@app.task(name="canvas.step")
def step(run: str, task: int) -> None:
    """A no-op."""
    mark(run, task)


@app.task(name="canvas.join")
def join() -> None:
    """What two groups in a row need between them."""


@app.task(name="canvas.last")
def last(run: str, task: int) -> None:
    """The run's only leaf."""
    mark(run, task)
    announce.rpush(FINISHED, run)


@app.task(name="canvas.end")
def end(run: str) -> None:
    """Joins several leaves."""
    announce.rpush(FINISHED, run)


def chains(workload: Workload) -> list[list[int]]:
    """The DAG's maximal chains: tasks that have only each other."""
    found: list[list[int]] = []
    for task, above in enumerate(workload.upstream):
        if len(above) == 1 and len(workload.downstream[above[0]]) == 1:
            continue
        links = [task]
        while len(below := workload.downstream[links[-1]]) == 1 and len(workload.upstream[below[0]]) == 1:
            links.append(below[0])
        found.append(links)
    return found


def by_level(workload: Workload, parts: list[list[int]]) -> list[Stage]:
    """Parts, each one level below the lowest of the parts that it waits for."""
    level: dict[int, int] = {}
    stages: list[Stage] = []
    for part in sorted(parts, key=lambda links: links[0]):
        depth = max((level[up] + 1 for up in workload.upstream[part[0]]), default=0)
        level.update(dict.fromkeys(part, depth))
        stages.extend([] for _ in range(depth + 1 - len(stages)))
        stages[depth].append(part)
    return stages


def stages(workload: Workload) -> list[Stage]:
    """The sequence of groups of chains that the DAG is; level by level if it is none."""
    found = by_level(workload, chains(workload))
    for before, after in pairwise(found):
        ends = {links[-1] for links in before}
        if any(set(workload.upstream[links[0]]) != ends for links in after):
            return by_level(workload, [[task] for task in range(workload.n)])
    return found


def build(workload: Workload, run: str) -> Signature:
    """The canvas of one run, of immutable signatures."""
    plan = stages(workload)
    steps: list[Signature] = []
    for number, stage in enumerate(plan):
        if number and len(stage) > 1 and len(plan[number - 1]) > 1:
            steps.append(join.si())
        final = number == len(plan) - 1 and len(stage) == 1
        parts = [[(last if final and task == links[-1] else step).si(run, task) for task in links] for links in stage]
        if len(parts) == 1:
            steps.extend(parts[0])
        else:
            steps.append(group([chain(*part) if len(part) > 1 else part[0] for part in parts], app=app))
    if len(plan[-1]) > 1:
        steps.append(end.si(run))
    return chain(*steps, app=app) if len(steps) > 1 else steps[0]


class Canvas(Reference):
    """The driver."""

    def __init__(self) -> None:
        super().__init__("canvas", "tests.benchmarks.systems.canvas", DATABASE)
        self._results: list[AsyncResult | GroupResult] = []

    def launch(self, workload: Workload) -> str:
        """Publish the whole canvas."""
        run = self.new_run()
        self._results.append(build(workload, run).apply_async())
        return run

    def forget(self) -> None:
        """Give back the subscriptions too that Celery makes for the heads of a chord."""
        while self._results:
            result = self._results.pop()
            result.forget()
            if result.parent is not None:  # a group forgets its members, but not what came before it
                self._results.append(result.parent)
        super().forget()
