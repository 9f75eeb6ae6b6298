"""Another version for a run that is over: what was mended is run again from where it broke."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from workflows.core import surgery as cuts
from workflows.core.errors import NotOver, OtherGraph, UnknownVersion
from workflows.core.plan import Plan
from workflows.engine import admit, launch, plans, sql, transitions


@dataclass(frozen=True, slots=True, kw_only=True)
class Revision:
    """The version that a run goes on with, and its parameters as that version completes them."""

    number: int
    version_id: int
    plan: Plan
    params: dict[str, Any]

    def adopt(self, run_id: int) -> None:
        """Write it down for the run, before it is opened again. The caller holds the run's lock."""
        transitions.adopt(run_id, self.version_id, self.params)

    def refit(self, run_id: int, positions: frozenset[int]) -> None:
        """Write it down for the tasks that run again, once they are opened."""
        rows = launch.task_rows(self.plan, frozenset(admit.limited_queues()))
        transitions.refit(run_id, [row for row in rows if row[0] in positions])


_GIVEN = """
SELECT d.dag_id, v.id, o.number, r.version_id, r.ended_at IS NOT NULL, r.params,
       COALESCE(r.logical_date, r.created_at), r.interval_start, r.priority
  FROM workflows_dagrun r JOIN workflows_dag d ON d.id = r.dag_id
  JOIN workflows_dagversion o ON o.id = r.version_id
  LEFT JOIN workflows_dagversion v ON v.dag_id = r.dag_id AND v.number = %s
 WHERE r.id = %s
"""


def revision(run_id: int, number: int) -> Revision | None:
    """What it takes to move a run to a version of its DAG; None when it is on it. The caller holds the run's lock.

    Parameters that the version does not know any more are dropped, new ones get their defaults.
    Raises UnknownVersion, NotOver, OtherGraph, BadParams.
    """
    dag_id, version_id, current, before, over, params, date, interval_start, priority = sql.run(
        _GIVEN, (number, run_id)
    )[0]
    if version_id is None:
        raise UnknownVersion(dag_id=dag_id, number=number)
    if version_id == before:
        return None
    if not over:
        raise NotOver(run_id=run_id, number=number)
    plan = plans.plan_of(version_id).at(priority)
    if why := cuts.misfit(plans.plan_of(before), plan):
        raise OtherGraph(run_id=run_id, number=number, current=current, why=why)
    known = plans.params_of(version_id)
    given = {name: value for name, value in params.items() if name in known}
    values = launch.complete_params(dag_id, version_id, given, date, interval_start)
    return Revision(number=number, version_id=version_id, plan=plan, params=values)
