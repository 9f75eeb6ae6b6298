"""Delete what is older than it has to be kept, in short transactions. May be stopped and repeated at any moment.

A run goes with everything that belongs to it, in one transaction: its tasks, their attempts, events, approvals and
callbacks, and the runs of its sub-DAGs. So the audit finds nothing half. Only its logs, by far the largest part, go
before it, piece by piece. Unfinished runs, and runs whose callbacks are still to be sent, are never touched.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import LiteralString

from workflows.conf import conf
from workflows.core.errors import UnknownDag
from workflows.engine import sql
from workflows.engine.deletion import TREE
from workflows.models import Dag, DagRun

DAY = 86_400.0
BATCH = 1000  # log chunks in one transaction; runs looked up at one time
FRESH = 60.0  # seconds after its end in which a run is never pruned: whoever follows the events may still need it


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What may go. Ages in seconds; None: that is kept for ever.

    `keep_last` runs of each DAG stay, however old. With `dag` only its runs and logs are looked at.
    """

    runs: float | None = None  # since they ended
    logs: float | None = None  # since their attempt ended
    deleted: float | None = None  # runs and DAGs, since they were deleted
    keep_last: int = 0
    dag: str | None = None


@dataclass(slots=True, kw_only=True)
class Pruned:
    """How many rows of each kind."""

    runs: int = 0
    tasks: int = 0
    attempts: int = 0
    events: int = 0
    log_chunks: int = 0
    dags: int = 0

    @property
    def total(self) -> int:
        """All rows."""
        return sum(asdict(self).values())


def rules_of(*, older_than: float | None = None, dag: str | None = None, keep_last: int | None = None) -> Rules:
    """The rules of the settings, with what is given in their place. Raises UnknownDag."""
    if dag is not None and not Dag.objects.filter(dag_id=dag).exists():
        raise UnknownDag(dag_id=dag)
    return Rules(
        runs=_days(conf.RETENTION_RUN_DAYS) if older_than is None else older_than,
        logs=_days(conf.RETENTION_LOG_DAYS) if older_than is None else older_than,
        deleted=_days(conf.RETENTION_DELETED_DAYS),
        keep_last=conf.RETENTION_KEEP_LAST if keep_last is None else keep_last,
        dag=dag,
    )


def _days(given: float | None) -> float | None:
    return None if given is None else given * DAY


# Runs that may go: by themselves, because they were deleted, or with their deleted DAG.
_OLD: LiteralString = """
SELECT r.id FROM workflows_dagrun r JOIN workflows_dag d ON d.id = r.dag_id
 WHERE r.parent_id IS NULL AND r.ended_at < now() - make_interval(secs => %(fresh)s) AND r.id > %(after)s
   AND (%(dag)s::text IS NULL OR d.dag_id = %(dag)s)
   AND (r.deleted_at < now() - make_interval(secs => %(deleted)s)
        OR d.deleted_at < now() - make_interval(secs => %(deleted)s)
        OR (r.ended_at < now() - make_interval(secs => %(runs)s) AND r.id < COALESCE((
            SELECT k.id FROM workflows_dagrun k
             WHERE k.dag_id = r.dag_id AND k.parent_id IS NULL AND k.deleted_at IS NULL AND %(keep)s > 0
             ORDER BY k.id DESC OFFSET GREATEST(%(keep)s - 1, 0) LIMIT 1),
            CASE WHEN %(keep)s > 0 THEN 0 ELSE 9223372036854775807 END)))
 ORDER BY r.id LIMIT %(limit)s
"""


def _pages(rules: Rules) -> Iterator[list[int]]:
    """The runs that may go, oldest first; those of sub-DAGs go with the run that they are a part of."""
    after = 0
    while True:
        asked = {
            "runs": rules.runs,
            "deleted": rules.deleted,
            "keep": rules.keep_last,
            "dag": rules.dag,
            "fresh": FRESH,
            "after": after,
            "limit": BATCH,
        }
        page = [pk for (pk,) in sql.run(_OLD, asked)]
        yield page
        if len(page) < BATCH:
            return
        after = page[-1]


_COUNTS = """
WITH RECURSIVE tree AS (
    SELECT id AS root, id FROM workflows_dagrun WHERE id = ANY(%s::bigint[])
    UNION ALL
    SELECT tree.root, c.id FROM tree JOIN workflows_taskexecution t ON t.run_id = tree.id
      JOIN workflows_dagrun c ON c.parent_id = t.id
), going AS (
    SELECT tree.id FROM tree WHERE tree.root NOT IN (
        SELECT tree.root FROM tree JOIN workflows_dagrun r ON r.id = tree.id WHERE r.ended_at IS NULL
         UNION SELECT tree.root FROM tree JOIN workflows_callback c ON c.run_id = tree.id AND c.state = 'pending')
), t AS (SELECT x.id FROM workflows_taskexecution x JOIN going ON going.id = x.run_id)
SELECT ARRAY(SELECT id FROM going), (SELECT count(*) FROM t),
       (SELECT count(*) FROM workflows_taskattempt a JOIN t ON t.id = a.task_execution_id),
       (SELECT count(*) FROM workflows_event e JOIN going ON going.id = e.run_id),
       (SELECT count(*) FROM workflows_logchunk c JOIN t ON t.id = c.task_execution_id)
"""
_COUNT_CHUNKS = """
SELECT count(*) FROM workflows_logchunk c JOIN workflows_taskexecution t ON t.id = c.task_execution_id
  JOIN workflows_dagrun r ON r.id = t.run_id JOIN workflows_dag d ON d.id = r.dag_id
 WHERE c.at < now() - make_interval(secs => %(logs)s) AND r.ended_at IS NOT NULL
   AND (%(dag)s::text IS NULL OR d.dag_id = %(dag)s) AND r.id <> ALL(%(gone)s::bigint[])
"""


def preview(rules: Rules) -> Pruned:
    """Count what `prune` would delete now."""
    found = Pruned()
    gone: list[int] = []
    for page in _pages(rules):
        runs, tasks, attempts, events, chunks = sql.run(_COUNTS, (page,))[0]
        gone += runs
        found.runs += len(runs)
        found.tasks += tasks
        found.attempts += attempts
        found.events += events
        found.log_chunks += chunks
    asked = {"logs": rules.logs, "dag": rules.dag, "gone": gone}
    found.log_chunks += sql.run(_COUNT_CHUNKS, asked)[0][0]
    found.dags = len(sql.run(_EMPTY_DAGS, {**_about(rules), "gone": gone}))
    return found


def prune(rules: Rules, *, batch: int = BATCH, tell: Callable[[Pruned], None] = lambda done: None) -> Pruned:
    """Delete what may go; `tell` is called after each transaction with what is done so far."""
    done = Pruned()
    for page in _pages(rules):
        for run_id in page:
            _prune_run(run_id, batch, done, tell)
    _prune_logs(rules, batch, done, tell)
    for (dag_key,) in sql.run(_EMPTY_DAGS, {**_about(rules), "gone": []}):
        done.dags += _prune_dag(dag_key)
        tell(done)
    return done


def _tree(run_id: int) -> list[int] | None:
    """The run with the runs of its sub-DAGs, when all of them may go."""
    tree = [pk for (pk,) in sql.run(TREE, ([run_id],))]
    return None if sql.run(_HELD, {"tree": tree}) else tree


_HELD = """
SELECT 1 FROM workflows_dagrun WHERE id = ANY(%(tree)s::bigint[]) AND ended_at IS NULL
 UNION ALL
SELECT 1 FROM workflows_callback WHERE run_id = ANY(%(tree)s::bigint[]) AND state = 'pending' LIMIT 1
"""
_CHUNKS_OF_RUNS = """
DELETE FROM workflows_logchunk WHERE id = ANY(ARRAY(
    SELECT c.id FROM workflows_logchunk c JOIN workflows_taskexecution t ON t.id = c.task_execution_id
     WHERE t.run_id = ANY(%s::bigint[]) LIMIT %s)) RETURNING 1
"""


def _prune_run(run_id: int, batch: int, done: Pruned, tell: Callable[[Pruned], None]) -> None:
    tree = _tree(run_id)
    if tree is None:
        return
    while removed := len(sql.run(_CHUNKS_OF_RUNS, (tree, batch))):
        done.log_chunks += removed
        tell(done)
        if removed < batch:
            break
    with sql.atomically():
        sql.lock_run(run_id)  # an operator may be about to reopen it
        if _tree(run_id) != tree:
            return
        _delete(tree, done)
    tell(done)


# In this order; the constraints between runs and tasks are looked at when the transaction ends.
_KEEP_OUTCOMES = """
UPDATE workflows_backfilldate d SET run_id = NULL, state = CASE WHEN d.state = 'started' THEN r.state ELSE d.state END
  FROM workflows_dagrun r WHERE r.id = d.run_id AND d.run_id = ANY(%s::bigint[])
"""
_FORGET_CAUSES = "UPDATE workflows_dagrun SET cause_id = NULL WHERE cause_id = ANY(%s::bigint[])"
_TASKS = "SELECT id FROM workflows_taskexecution WHERE run_id = ANY(%s::bigint[])"


def _delete(tree: list[int], done: Pruned) -> None:
    sql.run(_KEEP_OUTCOMES, (tree,))
    sql.run(_FORGET_CAUSES, (tree,))
    tasks = [pk for (pk,) in sql.run(_TASKS, (tree,))]
    done.log_chunks += _count("DELETE FROM workflows_logchunk WHERE task_execution_id = ANY(%s::bigint[])", tasks)
    done.attempts += _count("DELETE FROM workflows_taskattempt WHERE task_execution_id = ANY(%s::bigint[])", tasks)
    _count("DELETE FROM workflows_approval WHERE task_execution_id = ANY(%s::bigint[])", tasks)
    _count("DELETE FROM workflows_callback WHERE run_id = ANY(%s::bigint[])", tree)
    done.events += _count("DELETE FROM workflows_event WHERE run_id = ANY(%s::bigint[])", tree)
    done.tasks += _count("DELETE FROM workflows_taskexecution WHERE run_id = ANY(%s::bigint[])", tree)
    done.runs += _count("DELETE FROM workflows_dagrun WHERE id = ANY(%s::bigint[])", tree)


def _count(statement: LiteralString, ids: list[int]) -> int:
    return int(sql.run("WITH gone AS (" + statement + " RETURNING 1) SELECT count(*) FROM gone", (ids,))[0][0])  # noqa: S608


# Chunks are numbered in the order of their writing: once a page is all too new, so is what follows.
_OLDEST_CHUNKS = """
SELECT c.id, c.at < now() - make_interval(secs => %(logs)s),
       r.ended_at IS NOT NULL AND (%(dag)s::text IS NULL OR d.dag_id = %(dag)s)
  FROM workflows_logchunk c JOIN workflows_taskexecution t ON t.id = c.task_execution_id
  JOIN workflows_dagrun r ON r.id = t.run_id JOIN workflows_dag d ON d.id = r.dag_id
 WHERE c.id > %(after)s ORDER BY c.id LIMIT %(limit)s
"""


def _prune_logs(rules: Rules, batch: int, done: Pruned, tell: Callable[[Pruned], None]) -> None:
    """Old logs of runs that have ended and stay."""
    after = 0
    while rules.logs is not None:
        asked = {"logs": rules.logs, "dag": rules.dag, "after": after, "limit": batch}
        page = sql.run(_OLDEST_CHUNKS, asked)
        if not any(is_old for _, is_old, _ in page):
            return
        old = [pk for pk, is_old, may_go in page if is_old and may_go]
        done.log_chunks += _count("DELETE FROM workflows_logchunk WHERE id = ANY(%s::bigint[])", old)
        tell(done)
        after = page[-1][0]


_EMPTY_DAGS = """
SELECT d.id FROM workflows_dag d WHERE d.deleted_at < now() - make_interval(secs => %(deleted)s)
   AND (%(dag)s::text IS NULL OR d.dag_id = %(dag)s)
   AND NOT EXISTS (SELECT 1 FROM workflows_dagrun r WHERE r.dag_id = d.id AND r.id <> ALL(%(gone)s::bigint[]))
 ORDER BY d.id
"""


def _about(rules: Rules) -> dict[str, object]:
    return {"deleted": rules.deleted, "dag": rules.dag}


def _prune_dag(dag_key: int) -> int:
    """A deleted DAG without runs, with its versions, schedule and backfills; 0 when somebody brought it back."""
    with sql.on_django(), sql.atomically():
        dag = Dag.objects.select_for_update().filter(pk=dag_key, deleted_at__isnull=False).first()
        if dag is None or DagRun.objects.filter(dag=dag).exists():
            return 0
        Dag.objects.filter(pk=dag_key).update(current_version=None)
        dag.delete()
        return 1
