"""From a valid specification to a plan. Pure.

Segments are in the flat dialect that Celery runs correctly (docs/decisions/0003): a chain of plain tasks, or one
chord whose header elements are plain chains and whose body is one task. What does not fit is a segment of one task,
joined by the engine. Levels are shown to people and never used as barriers.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from workflows.core import graph, templating
from workflows.core.joins import EAGER_RULES, TriggerRule
from workflows.core.plan import Plan, PlannedTask, Segment
from workflows.core.spec import CHOOSERS, DagSpec, TaskSpec

# Bytes of a message, measured on Celery 5.7 with our options and rounded up (tests/acceptance/test_canvas.py holds the
# compiler to them): an envelope, and each further signature that travels in it; names count twice (id and shadow).
MESSAGE_BYTES = 1_400
SIGNATURE_BYTES = 640
# What follows tasks of these types, the engine sends: they choose, or they end long after their message did.
_LAST = CHOOSERS | {"subdag", "wait", "approval"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """How large a canvas may become. `max_chain` and `max_header` count tasks; 1 turns that shape off."""

    max_chain: int = 4
    max_header: int = 2
    max_bytes: int = 32_768


def compile_plan(spec: DagSpec, bounds: Bounds) -> Plan:
    """Compile a specification that has no problems."""
    order = graph.topological_order({task.id: task.depends_on for task in spec.tasks.values()})
    position = {task_id: p for p, task_id in enumerate(order)}
    downstream: list[list[int]] = [[] for _ in order]
    for task_id in order:
        for upstream in spec.tasks[task_id].depends_on:
            downstream[position[upstream]].append(position[task_id])
    chosen = _branch_targets(spec)
    tasks = tuple(
        _planned(spec.tasks[task_id], position, downstream[position[task_id]], is_target=task_id in chosen)
        for task_id in order
    )
    if spec.config.priority is not None:
        tasks = tuple(t if t.own_priority else replace(t, priority=spec.config.priority) for t in tasks)
    upstreams = {task.position: task.upstream for task in tasks}
    return Plan(
        dag_id=spec.id,
        timeout=spec.config.timeout,
        max_active_runs=spec.config.max_active_runs,
        max_parallel=spec.config.max_parallel_tasks,
        priority=spec.config.priority,
        late_after=spec.config.late_after,
        callbacks=tuple(callback.model_dump(mode="json", exclude_none=True) for callback in spec.callbacks),
        tasks=tasks,
        levels=tuple(tuple(level) for level in graph.levels(upstreams)),
        critical_path=tuple(graph.critical_path(upstreams)),
        segments=segments(tasks, bounds),
    )


def _branch_targets(spec: DagSpec) -> frozenset[str]:
    targets: set[str] = set()
    for task in spec.tasks.values():
        targets.update(task.branches)
    return frozenset(targets)


def _planned(task: TaskSpec, position: Mapping[str, int], downstream: Iterable[int], *, is_target: bool) -> PlannedTask:
    rule = TriggerRule(task.trigger_rule)
    return PlannedTask(
        position=position[task.id],
        id=task.id,
        name=task.name or task.id,
        type=task.type,
        parameters=task.parameters,
        upstream=tuple(sorted(position[u] for u in task.depends_on)),
        downstream=tuple(sorted(downstream)),
        rule=rule,
        condition=task.condition,
        pool=task.pool,
        priority=task.priority,
        timeout=task.timeout,
        retry=task.retry,
        allow_failure=task.allow_failure,
        at_most_once=task.at_most_once,
        eager=rule in EAGER_RULES and not is_target,
        plain=rule is TriggerRule.ALL_SUCCESS and not is_target,
        branches=tuple(sorted({position[target] for target in task.branches})),
        templated=templating.is_template(task.parameters),
        foreach=task.foreach,
        foreach_limit=task.foreach_concurrency,
        slots=task.pool_slots,
        own_priority="priority" in task.model_fields_set,
    )


def segments(tasks: tuple[PlannedTask, ...], bounds: Bounds, settled: Collection[int] = ()) -> tuple[Segment, ...]:
    """Partition the tasks that are not in `settled` into segments, by position of their first task."""
    done = frozenset(settled)
    chains = _chains(tasks, bounds, done)
    chords, used = _chords(tasks, bounds, chains)
    bodies = {chord.body for chord in chords}
    rest = [Segment(chains=(chain,)) for head, chain in chains.items() if head not in used]
    # What follows a chord's body in its chain is a segment of its own: a body is one task.
    rest += [Segment(chains=(chains[b][1:],)) for b in bodies if b is not None and len(chains[b]) > 1]
    return tuple(sorted((*chords, *rest), key=lambda segment: segment.positions[0]))


def _carriable(task: PlannedTask) -> bool:
    """Whether a canvas may deliver the task after others: its only doubt is whether its upstreams succeeded."""
    return task.plain and task.condition is None


def _leads(task: PlannedTask) -> bool:
    """Whether a canvas may go on after the task: it neither branches nor ends without a worker."""
    return _carriable(task) and task.foreach is None and task.type not in _LAST


def _chains(tasks: tuple[PlannedTask, ...], bounds: Bounds, done: frozenset[int]) -> dict[int, tuple[int, ...]]:
    """Head to chain: maximal paths whose edges are the only ones out of their source and into their target, cut."""
    chains: dict[int, tuple[int, ...]] = {}
    placed: set[int] = set()
    for task in tasks:
        if task.position in done or task.position in placed:
            continue
        chain, size = [task.position], MESSAGE_BYTES
        while len(chain) < bounds.max_chain:
            last = tasks[chain[-1]]
            if len(last.downstream) != 1 or not _leads(last):
                break
            follower = tasks[last.downstream[0]]
            size += SIGNATURE_BYTES + _name_bytes(follower)
            if (
                follower.position in done
                or len(follower.upstream) != 1
                or not _carriable(follower)
                or size > bounds.max_bytes
            ):
                break
            chain.append(follower.position)
        chains[task.position] = tuple(chain)
        placed.update(chain)
    return chains


def _chords(
    tasks: tuple[PlannedTask, ...], bounds: Bounds, chains: Mapping[int, tuple[int, ...]]
) -> tuple[list[Segment], set[int]]:
    """The chords, and the heads of the chains that they use up."""
    head_of = {chain[-1]: head for head, chain in chains.items()}
    chords: list[Segment] = []
    used: set[int] = set()
    for position in chains:
        body = tasks[position]
        if position in used or len(body.upstream) < 2 or not _carriable(body):
            continue
        heads = [head_of.get(upstream) for upstream in body.upstream]
        header = [head for head in heads if head is not None]
        if len(header) != len(heads) or used.intersection(header) or not _fits(tasks, bounds, body, header, chains):
            continue
        chords.append(Segment(chains=tuple(chains[head] for head in sorted(header)), body=position))
        used.update(header, [position])
    return chords, used


def _fits(
    tasks: tuple[PlannedTask, ...],
    bounds: Bounds,
    body: PlannedTask,
    header: list[int],
    chains: Mapping[int, tuple[int, ...]],
) -> bool:
    """Whether the chains become ready in one transaction, lead to the body alone, and stay within the bounds."""
    if bounds.max_header < 2 or len(header) > bounds.max_header:
        return False
    starts = {tasks[head].upstream for head in header}
    if len(starts) != 1 or len(tasks[header[0]].upstream) > 1:
        return False
    members = [tasks[p] for head in header for p in chains[head]]
    if not all(_leads(task) for task in members):
        return False
    if any(tasks[chains[head][-1]].downstream != (body.position,) for head in header):
        return False
    longest = max(sum(SIGNATURE_BYTES + _name_bytes(tasks[p]) for p in chains[head]) for head in header)
    return MESSAGE_BYTES + SIGNATURE_BYTES + _name_bytes(body) + longest <= bounds.max_bytes


def _name_bytes(task: PlannedTask) -> int:
    """Base64 of the escaped id, which a signature holds twice."""
    return 3 * len(json.dumps(task.id))


def explain(plan: Plan) -> dict[str, Any]:
    """What a person wants to know of a plan, as data: counts, levels, path, segments by kind."""
    kinds: dict[str, int] = {}
    for segment in plan.segments:
        kinds[segment.kind] = kinds.get(segment.kind, 0) + 1
    return {
        "tasks": len(plan.tasks),
        "edges": sum(len(task.upstream) for task in plan.tasks),
        "levels": [[plan.tasks[p].id for p in level] for level in plan.levels],
        "critical_path": [plan.tasks[p].id for p in plan.critical_path],
        "segments": [
            {
                "kind": segment.kind,
                "chains": [[plan.tasks[p].id for p in chain] for chain in segment.chains],
                "body": None if segment.body is None else plan.tasks[segment.body].id,
                "bytes": message_bytes(plan, segment),
                "pools": sorted({plan.tasks[p].pool for p in segment.positions}),
            }
            for segment in plan.segments
        ],
        "kinds": kinds,
    }


def message_bytes(plan: Plan, segment: Segment) -> int:
    """Upper bound of the largest message that the segment sends."""
    body = 0 if segment.body is None else SIGNATURE_BYTES + _name_bytes(plan.tasks[segment.body])
    longest = max(sum(SIGNATURE_BYTES + _name_bytes(plan.tasks[p]) for p in chain[1:]) for chain in segment.chains)
    return MESSAGE_BYTES + body + longest
