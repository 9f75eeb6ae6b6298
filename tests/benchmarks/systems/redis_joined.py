"""Reference 2: one message per ready task, joins counted in Redis: the limit of anything on Celery.

It keeps nothing: a lost message is a lost run.
"""

from __future__ import annotations

import json
from functools import cache

from tests.benchmarks.noop import mark
from tests.benchmarks.systems.base import FINISHED, reference_app, store
from tests.benchmarks.systems.reference import Reference
from tests.benchmarks.workloads import Workload

DATABASE = 2
app = reference_app("redis", DATABASE)
counters = store(DATABASE)


@cache
def graph(dag: str) -> tuple[list[list[int]], list[int], int]:
    """Downstreams, number of upstreams and number of leaves; a DAG never changes: read once per process."""
    found = json.loads(counters.get(f"dag:{dag}"))
    return found["downstream"], found["waiting"], found["leaves"]


@app.task(name="redis.step")
def step(dag: str, run: str, task: int) -> None:
    """A no-op, the counters of what waits for it, and messages for what became ready."""
    mark(run, task)
    downstream, waiting, leaves = graph(dag)
    ready = [below for below in downstream[task] if waiting[below] == 1]
    joins = [below for below in downstream[task] if waiting[below] > 1]
    if joins:
        pipe = counters.pipeline(transaction=False)
        for below in joins:
            pipe.decr(f"run:{run}:{below}")
        ready += [below for below, left in zip(joins, pipe.execute(), strict=True) if left == 0]
    for below in ready:
        step.apply_async((dag, run, below))
    if not downstream[task] and (leaves == 1 or counters.decr(f"run:{run}:leaves") == 0):
        counters.rpush(FINISHED, run)


class RedisJoined(Reference):
    """The driver."""

    def __init__(self) -> None:
        super().__init__("redis", "tests.benchmarks.systems.redis_joined", DATABASE)

    @staticmethod
    def _dag(workload: Workload) -> str:
        return f"{workload.name}-{workload.n}"

    def prepare(self, workload: Workload) -> None:
        """Store the graph."""
        found = {
            "downstream": workload.downstream,
            "waiting": [len(above) for above in workload.upstream],
            "leaves": len(workload.leaves),
        }
        self.redis.set(f"dag:{self._dag(workload)}", json.dumps(found))

    def launch(self, workload: Workload) -> str:
        """Set the counters, publish the roots."""
        run = self.new_run()
        values = {f"run:{run}:{i}": len(up) for i, up in enumerate(workload.upstream) if len(up) > 1}
        if len(workload.leaves) > 1:
            values[f"run:{run}:leaves"] = len(workload.leaves)
        if values:
            self.redis.mset(values)
        for root in workload.roots:
            step.apply_async((self._dag(workload), run, root))
        return run
