"""Reference 3: joined in PostgreSQL, one UPDATE at the start and one at the end: the floor with persistence.

No leases, attempts, events, retries, conditions or outputs: whatever keeps a row per task costs at least
this.
"""

from __future__ import annotations

import os
from functools import cache

import psycopg

from tests.benchmarks.noop import mark
from tests.benchmarks.systems.base import FINISHED, POSTGRES, reference_app, store
from tests.benchmarks.systems.reference import Reference
from tests.benchmarks.workloads import Workload

DATABASE = 3
app = reference_app("postgres", DATABASE)
announce = store(DATABASE)

SCHEMA = """
CREATE TABLE IF NOT EXISTS dag_task (
    dag text, task int, waiting int NOT NULL, downstream int[] NOT NULL, PRIMARY KEY (dag, task));
CREATE TABLE IF NOT EXISTS run (
    id text PRIMARY KEY, leaves int NOT NULL, started timestamptz DEFAULT now(), ended timestamptz
) WITH (fillfactor = 70);
CREATE TABLE IF NOT EXISTS task (
    run text, task int, state text NOT NULL, waiting int NOT NULL, downstream int[] NOT NULL,
    started timestamptz, ended timestamptz, PRIMARY KEY (run, task)
) WITH (fillfactor = 70);
"""
RUN = "INSERT INTO run (id, leaves) VALUES (%s, %s)"
TASKS = """
INSERT INTO task (run, task, state, waiting, downstream)
SELECT %s, task, CASE WHEN waiting = 0 THEN 'queued' ELSE 'pending' END, waiting, downstream
FROM dag_task WHERE dag = %s
"""
START = "UPDATE task SET state = 'running', started = now() WHERE run = %s AND task = %s AND state = 'queued'"
FINISH = """
WITH me AS (
    UPDATE task SET state = 'success', ended = now() WHERE run = %s AND task = %s AND state = 'running'
    RETURNING run, downstream
), below AS (
    UPDATE task SET waiting = task.waiting - 1,
        state = CASE WHEN task.waiting = 1 THEN 'queued' ELSE task.state END
    FROM me WHERE task.run = me.run AND task.task = ANY (me.downstream) RETURNING task.task, task.waiting
), done AS (
    UPDATE run SET leaves = leaves - 1, ended = CASE WHEN leaves = 1 THEN now() END
    FROM me WHERE run.id = me.run AND me.downstream = '{}' RETURNING leaves
)
SELECT task FROM below WHERE waiting = 0 UNION ALL SELECT -1 FROM done WHERE leaves = 0
"""


@cache
def connection() -> psycopg.Connection:
    """One connection per process, kept; autocommit: a statement is a transaction."""
    session = psycopg.connect(os.environ[POSTGRES], autocommit=True)
    # Plan once, by key, whatever the tables held when the statement was first met.
    session.execute("SET plan_cache_mode = force_generic_plan")
    session.execute("SET enable_seqscan = off")
    session.execute("SET jit = off")
    return session


def finish(run: str, task: int) -> list[int]:
    """Settle the task; what became ready, -1 standing for the run's end."""
    while True:
        try:
            return [row[0] for row in connection().execute(FINISH, (run, task), prepare=True)]
        except psycopg.errors.DeadlockDetected:  # two finishers met downstream in different orders: nothing was done
            continue


@app.task(name="postgres.step")
def step(run: str, task: int) -> None:
    """Claim, no-op, settle, messages for what became ready."""
    if not connection().execute(START, (run, task), prepare=True).rowcount:
        return
    mark(run, task)
    for below in finish(run, task):
        if below < 0:
            announce.rpush(FINISHED, run)
        else:
            step.apply_async((run, below))


class PostgresJoined(Reference):
    """The driver."""

    def __init__(self) -> None:
        super().__init__("postgres", "tests.benchmarks.systems.postgres_joined", DATABASE)
        connection().execute(SCHEMA)

    @staticmethod
    def _dag(workload: Workload) -> str:
        return f"{workload.name}-{workload.n}"

    def prepare(self, workload: Workload) -> None:
        """Store the graph."""
        rows = [
            (self._dag(workload), task, len(above), list(workload.downstream[task]))
            for task, above in enumerate(workload.upstream)
        ]
        with connection().cursor() as cursor:
            cursor.executemany("INSERT INTO dag_task VALUES (%s, %s, %s, %s) ON CONFLICT DO NOTHING", rows)

    def launch(self, workload: Workload) -> str:
        """Insert the run and its tasks in one transaction, then publish the roots."""
        run = self.new_run()
        with connection().transaction():
            connection().execute(RUN, (run, len(workload.leaves)), prepare=True)
            connection().execute(TASKS, (run, self._dag(workload)), prepare=True)
        for root in workload.roots:
            step.apply_async((run, root))
        return run
