"""Random DAGs for property tests and for the conformance run: rarely series-parallel, as real ones."""

from __future__ import annotations

import random
from typing import Any

from workflows.core.spec import DagSpec, TaskSpec


def random_edges(chance: random.Random, tasks: int) -> list[list[int]]:
    """Upstream positions of each task: a mix of chains, fans and crossing edges."""
    upstream: list[list[int]] = [[]]
    for position in range(1, tasks):
        style = chance.random()
        if style < 0.1:
            upstream.append([])
        elif style < 0.5:
            upstream.append([position - 1 if chance.random() < 0.6 else chance.randrange(position)])
        else:
            width = min(position, chance.choice([2, 2, 3, 4]))
            near = range(max(0, position - 8), position)
            upstream.append(sorted(chance.sample(near, min(width, len(near)))))
    return upstream


def spec_of(upstream: list[list[int]], dag_id: str = "random", **fields: Any) -> DagSpec:
    """A specification of plain python tasks with these edges."""
    ids = [f"t{i}" for i in range(len(upstream))]
    tasks = {
        ids[i]: TaskSpec(id=ids[i], type="python", depends_on=tuple(ids[u] for u in ups), **fields)
        for i, ups in enumerate(upstream)
    }
    return DagSpec(id=dag_id, tasks=tasks)
