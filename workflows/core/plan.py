"""The compiled form of a version: positions instead of names, both directions of every edge, and the segments.

A plan is stored with its version as JSON and cached by the workers: its shape is an interface between releases, so
`FORMAT` changes when it does.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal

from workflows.core.joins import TriggerRule
from workflows.core.spec import RetrySpec

FORMAT = 1
WIDE = 2  # followable tasks below one: from here on they need not all be sent


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedTask:
    """One task of the plan. Upstream and downstream are positions."""

    position: int
    id: str
    name: str
    type: str
    parameters: Mapping[str, Any]
    upstream: tuple[int, ...]
    downstream: tuple[int, ...]
    rule: TriggerRule
    condition: str | None
    pool: str
    priority: int
    timeout: float | None
    retry: RetrySpec
    allow_failure: bool
    at_most_once: bool
    eager: bool  # may start before all upstreams settled: an eager rule, and no branch that could still leave it out
    plain: bool  # all_success and not a branch target: its verdict follows from counts in SQL, in one statement
    branches: tuple[int, ...]  # of a task that chooses: the positions among its downstream that it chooses between
    templated: bool  # some parameter holds a template
    foreach: Any = None  # what the task is mapped over: a list, a mapping or an expression; None: not mapped
    foreach_limit: int | None = None  # items at one time
    slots: int = 1  # of its pool
    own_priority: bool = False  # said by the document; otherwise a run's priority goes before it

    @property
    def followable(self) -> bool:
        """Whether a worker may go on with it after another task, without a message.

        A timeout is armed by the message; and what runs once at most must not be hit by a kill that was meant for the
        task before it.
        """
        return self.timeout is None and not self.at_most_once


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """A piece of the plan that is sent as one canvas.

    `chains` are the header: each a path of positions. `body` is the join of a chord; a segment without a body has
    exactly one chain.
    """

    chains: tuple[tuple[int, ...], ...]
    body: int | None = None

    @property
    def kind(self) -> Literal["task", "chain", "chord"]:
        """What the canvas is called in Celery."""
        if self.body is not None:
            return "chord"
        return "chain" if len(self.chains[0]) > 1 else "task"

    @property
    def positions(self) -> tuple[int, ...]:
        """Every position in the segment."""
        inner = tuple(p for chain in self.chains for p in chain)
        return inner if self.body is None else (*inner, self.body)

    @property
    def heads(self) -> tuple[int, ...]:
        """The positions that the engine sends; what follows them is carried by the canvas."""
        return tuple(chain[0] for chain in self.chains)


@dataclass(frozen=True, kw_only=True)
class Plan:
    """A whole DAG, ready to run. Tasks are in topological order: position p has only upstreams below p."""

    dag_id: str
    tasks: tuple[PlannedTask, ...]
    levels: tuple[tuple[int, ...], ...]
    critical_path: tuple[int, ...]
    segments: tuple[Segment, ...]
    timeout: float | None = None
    max_active_runs: int | None = None
    max_parallel: int | None = None
    priority: int | None = None  # of its runs
    late_after: float | None = None
    callbacks: tuple[Mapping[str, Any], ...] = ()  # as in the document

    @cached_property
    def by_id(self) -> dict[str, int]:
        """Task id to position."""
        return {task.id: task.position for task in self.tasks}

    def at(self, priority: int | None) -> Plan:
        """The plan of a run with a priority of its own: that of its tasks, where the document gives them none."""
        if priority is None or priority == self.priority:
            return self
        if priority not in self._at:
            tasks = tuple(t if t.own_priority else replace(t, priority=priority) for t in self.tasks)
            self._at[priority] = replace(self, tasks=tasks, priority=priority)
        return self._at[priority]

    @cached_property
    def _at(self) -> dict[int, Plan]:
        return {}

    @cached_property
    def segment_of(self) -> dict[int, Segment]:
        """Position to the segment that it is in."""
        return {p: segment for segment in self.segments for p in segment.positions}

    @cached_property
    def tail_of(self) -> dict[int, tuple[int, ...]]:
        """Position to what follows it in its chain, itself included."""
        return {p: chain[i:] for s in self.segments for chain in s.chains for i, p in enumerate(chain)}

    def fan_out(self, position: int) -> tuple[int, ...]:
        """What below a task may wait for a worker that goes on: empty unless it is wide."""
        return self._fan_outs.get(position, ())

    @property
    def wide(self) -> bool:
        """Whether some task has a wide fan-out."""
        return bool(self._fan_outs)

    @cached_property
    def _fan_outs(self) -> dict[int, tuple[int, ...]]:
        found = {}
        for task in self.tasks:
            below = tuple(p for p in task.downstream if self.tasks[p].followable and self.tasks[p].pool == task.pool)
            if len(below) >= WIDE:
                found[task.position] = below
        return found

    def to_json(self) -> dict[str, Any]:
        """The stored form."""
        return {
            "format": FORMAT,
            "dag_id": self.dag_id,
            "timeout": self.timeout,
            "max_active_runs": self.max_active_runs,
            "max_parallel": self.max_parallel,
            "priority": self.priority,
            "late_after": self.late_after,
            "callbacks": self.callbacks,
            "tasks": [_task_json(task) for task in self.tasks],
            "levels": self.levels,
            "critical_path": self.critical_path,
            "segments": [[segment.chains, segment.body] for segment in self.segments],
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Plan:
        """Read the stored form; ValueError when it is of another format."""
        if data.get("format") != FORMAT:
            raise ValueError(f"plan format {data.get('format')!r}, this release reads {FORMAT}: publish the DAG again")
        return cls(
            dag_id=data["dag_id"],
            timeout=data["timeout"],
            max_active_runs=data.get("max_active_runs"),
            max_parallel=data.get("max_parallel"),
            priority=data.get("priority"),
            late_after=data.get("late_after"),
            callbacks=tuple(data.get("callbacks", ())),
            tasks=tuple(_task(item) for item in data["tasks"]),
            levels=tuple(tuple(level) for level in data["levels"]),
            critical_path=tuple(data["critical_path"]),
            segments=tuple(
                Segment(chains=tuple(tuple(chain) for chain in chains), body=body) for chains, body in data["segments"]
            ),
        )


def _task_json(task: PlannedTask) -> dict[str, Any]:
    data = {f: getattr(task, f) for f in PlannedTask.__dataclass_fields__ if f != "retry"}
    data["retry"] = task.retry.model_dump(mode="json")
    return data


def _task(data: Mapping[str, Any]) -> PlannedTask:
    return PlannedTask(
        **{
            **data,
            "upstream": tuple(data["upstream"]),
            "downstream": tuple(data["downstream"]),
            "branches": tuple(data["branches"]),
            "rule": TriggerRule(data["rule"]),
            "retry": RetrySpec.model_construct(**data["retry"]),
        }
    )


__all__ = ["FORMAT", "WIDE", "Plan", "PlannedTask", "Segment"]
