"""What PostgreSQL says of a round, read once, past the proxies."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import psycopg

from tests.chaos.harness.effects import Place


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """A run's row."""

    dag: str
    state: str
    external_id: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """A task execution's row."""

    state: str
    attempt: int
    output: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """An attempt's row; times in seconds, `ended` 0 while it goes on."""

    number: int
    end: str
    reason: str
    node: str
    started: float
    ended: float


@dataclass(slots=True)
class Stored:
    """All rows of a round."""

    runs: dict[int, Run] = field(default_factory=dict)
    tasks: dict[Place, Task] = field(default_factory=dict)
    attempts: dict[Place, list[Attempt]] = field(default_factory=dict)
    sizes: Counter[int] = field(default_factory=Counter)
    twice_ended: list[str] = field(default_factory=list)


_RUNS = """
SELECT r.id, d.dag_id, r.state, r.external_id FROM workflows_dagrun r JOIN workflows_dag d ON d.id = r.dag_id
"""
_TASKS = "SELECT run_id, task_id, map_index, state, attempt, output FROM workflows_taskexecution"
_ATTEMPTS = """
SELECT t.run_id, t.task_id, t.map_index, a.number, a."end", a.reason, a.node,
       EXTRACT(EPOCH FROM a.started_at)::float8, COALESCE(EXTRACT(EPOCH FROM a.ended_at), 0)::float8
  FROM workflows_taskattempt a JOIN workflows_taskexecution t ON t.id = a.task_execution_id ORDER BY a.number
"""
_TWICE = """
SELECT run_id, task_id, count(*) FROM workflows_event
 WHERE new IN ('success', 'failed', 'skipped', 'upstream_failed', 'cancelled')
 GROUP BY run_id, task_execution_id, task_id HAVING count(*) > 1
"""


STALE = """
SELECT 1 FROM workflows_taskexecution
 WHERE state = 'success' AND jsonb_typeof(output -> 'attempt') = 'number' AND (output ->> 'attempt')::int <> attempt
"""  # a result that another attempt than the one that succeeded has made


def read(url: str) -> Stored:
    """Everything."""
    found = Stored()
    with psycopg.connect(url, autocommit=True) as session:
        for number, dag, state, key in session.execute(_RUNS):
            found.runs[number] = Run(dag=dag, state=state, external_id=key)
        for run, task, index, state, attempt, output in session.execute(_TASKS):
            found.tasks[(run, task, index)] = Task(state=state, attempt=attempt, output=output)
            found.sizes[run] += index < 0
        for run, task, index, *rest in session.execute(_ATTEMPTS):
            number, end, reason, node, started, ended = rest
            attempt = Attempt(number=number, end=end, reason=reason, node=node, started=started, ended=ended)
            found.attempts.setdefault((run, task, index), []).append(attempt)
        for run, task, times in session.execute(_TWICE):
            found.twice_ended.append(f"run {run} {task or '(the run)'} ended {times} times")
    return found
