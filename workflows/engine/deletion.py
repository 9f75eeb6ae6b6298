"""Delete DAGs and runs softly: they are hidden, and stay until they are pruned; until then they can be brought back."""

from __future__ import annotations

from dataclasses import dataclass

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from workflows.core.errors import DagHasRuns, PartOfRun, RunGoesOn, UnknownDag, UnknownRun
from workflows.engine import backfill, control, schedules, sql
from workflows.models import Backfill, Dag, DagRun

_NAMED = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class DagDeletion:
    """What deleting a DAG touches."""

    dag_id: str
    runs: int  # all of them: kept until they are pruned
    unfinished: tuple[int, ...]  # would have to be cancelled
    backfills: tuple[int, ...]  # would be cancelled
    has_schedule: bool  # would stop
    used_by: tuple[str, ...]  # DAGs that run it as a sub-DAG or run after it: they stay, and miss it


def preview_dag(dag_id: str) -> DagDeletion:
    """Say what `delete_dag` would do. Raises UnknownDag."""
    dag = _dag(dag_id)
    runs = DagRun.objects.filter(dag=dag)
    going = Backfill.objects.filter(dag=dag, ended_at__isnull=True).order_by("id")
    return DagDeletion(
        dag_id=dag_id,
        runs=runs.count(),
        unfinished=tuple(runs.unfinished().order_by("id").values_list("pk", flat=True)),
        backfills=tuple(going.values_list("pk", flat=True)),
        has_schedule=hasattr(dag, "schedule"),
        used_by=_used_by(dag_id),
    )


_USERS = """
SELECT d.dag_id FROM workflows_dag d JOIN workflows_dagversion v ON v.id = d.current_version_id
 WHERE d.deleted_at IS NULL AND d.dag_id <> %(dag)s AND (
       v.document -> 'schedule' -> 'after' @> to_jsonb(%(dag)s::text)
       OR EXISTS (SELECT 1 FROM jsonb_array_elements(v.plan -> 'tasks') t
                   WHERE t ->> 'type' = 'subdag' AND t -> 'parameters' ->> 'dag_id' = %(dag)s))
 ORDER BY d.dag_id
"""


def _used_by(dag_id: str) -> tuple[str, ...]:
    return tuple(name for (name,) in sql.run(_USERS, {"dag": dag_id}))


def delete_dag(dag_id: str, *, cancel_runs: bool = False, by: str = "") -> None:
    """Take a DAG out of use: no new runs, its schedule stops, its backfills are cancelled; its history stays.

    Unfinished runs are a refusal (DagHasRuns), or are cancelled if so asked. Publishing its id again, or `restore_dag`,
    brings it back with its history. Raises UnknownDag.
    """
    with transaction.atomic():
        dag = _dag(dag_id, lock=True)
        unfinished = list(DagRun.objects.unfinished().filter(dag=dag).order_by("id").values_list("pk", flat=True))
        if unfinished and not cancel_runs:
            raise DagHasRuns(dag_id=dag_id, count=len(unfinished), runs=", ".join(map(str, unfinished[:_NAMED])))
        Dag.objects.filter(pk=dag.pk).update(deleted_at=timezone.now())
        schedules.switch(dag_id)
        for pk in Backfill.objects.filter(dag=dag, ended_at__isnull=True).values_list("pk", flat=True):
            backfill.cancel(pk, by=f"{by or 'somebody'}, with its DAG")
    for run_id in unfinished:
        control.cancel_run(run_id, by=by)


def restore_dag(dag_id: str) -> bool:
    """Bring a deleted DAG back, with its versions, runs and schedule; False when it was not deleted.

    Raises UnknownDag.
    """
    with transaction.atomic():
        if not Dag.objects.filter(dag_id=dag_id).exists():
            raise UnknownDag(dag_id=dag_id)
        done = bool(Dag.objects.filter(dag_id=dag_id, deleted_at__isnull=False).update(deleted_at=None))
        schedules.switch(dag_id)
    return done


def _dag(dag_id: str, *, lock: bool = False) -> Dag:
    rows = Dag.objects.live().filter(dag_id=dag_id)
    dag = (rows.select_for_update(no_key=True) if lock else rows).first()
    if dag is None:
        raise UnknownDag(dag_id=dag_id)
    return dag


@dataclass(frozen=True, slots=True, kw_only=True)
class RunDeletion:
    """What deleting a run touches: itself, the runs of its sub-DAGs, and how many tasks they have."""

    run_id: int
    children: tuple[int, ...]
    tasks: int


TREE = """
WITH RECURSIVE tree AS (
    SELECT id FROM workflows_dagrun WHERE id = ANY(%s::bigint[])
    UNION ALL
    SELECT c.id FROM tree JOIN workflows_taskexecution t ON t.run_id = tree.id
      JOIN workflows_dagrun c ON c.parent_id = t.id
)
SELECT id FROM tree ORDER BY id
"""


def tree_of(run_id: int) -> list[int]:
    """A run and the runs of its sub-DAGs, at every depth."""
    return [pk for (pk,) in sql.run(TREE, ([run_id],))]


def preview_run(run_id: int) -> RunDeletion:
    """Say what `delete_run` would do. Raises what it raises."""
    _deletable(run_id)
    tree = tree_of(run_id)
    count = sql.run("SELECT count(*) FROM workflows_taskexecution WHERE run_id = ANY(%s::bigint[])", (tree,))
    return RunDeletion(run_id=run_id, children=tuple(pk for pk in tree if pk != run_id), tasks=count[0][0])


def delete_run(run_id: int) -> bool:
    """Hide a run that has ended, with the runs of its sub-DAGs, until it is pruned; False when it was hidden already.

    Raises UnknownRun, RunGoesOn, PartOfRun.
    """
    with sql.on_django(), transaction.atomic():
        sql.lock_run(run_id)  # nobody reopens it meanwhile
        _deletable(run_id)
        tree = tree_of(run_id)
        DagRun.objects.filter(pk__in=tree, deleted_at__isnull=True).exclude(pk=run_id).update(deleted_at=timezone.now())
        return bool(DagRun.objects.filter(pk=run_id, deleted_at__isnull=True).update(deleted_at=timezone.now()))


def restore_run(run_id: int) -> bool:
    """Show a deleted run again, with the runs of its sub-DAGs; False when it was not deleted. Raises UnknownRun."""
    _run(run_id)
    hidden = DagRun.objects.filter(pk__in=tree_of(run_id), deleted_at__isnull=False)
    return bool(hidden.update(deleted_at=None))


def _deletable(run_id: int) -> DagRun:
    run = _run(run_id)
    if run.parent_id is not None:
        above = DagRun.objects.filter(Q(tasks=run.parent_id)).values_list("pk", flat=True).get()
        raise PartOfRun(run_id=run_id, parent=above)
    if run.ended_at is None:
        raise RunGoesOn(run_id=run_id)
    return run


def _run(run_id: int) -> DagRun:
    run = DagRun.objects.filter(pk=run_id).first()
    if run is None:
        raise UnknownRun(run_id=run_id)
    return run
