"""Which dates a backfill is about: those of the DAG's schedule or of a given interval, and how each stands."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from workflows.core import schedule
from workflows.core.errors import BadBackfill, NoDates, NoVersion, UnknownDag
from workflows.core.spec import ScheduleSpec
from workflows.engine import plans, sql
from workflows.models import Dag

_MOMENT = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """One logical date, and where the data interval that ends with it begins."""

    at: datetime
    since: datetime


Calendar = Callable[[datetime, datetime, int], list[Slot]]  # from, to (both inclusive), at most so many


def calendar_of(dag: Dag, every: float | None) -> Calendar:
    """The calendar of a DAG: its schedule's, or one date in each `every` seconds. Raises NoDates."""
    if every is not None:
        return _stepping(every)
    spec = _schedule_of(dag)
    if spec is None:
        raise NoDates(dag_id=dag.dag_id, why="has no schedule")
    if spec.after is not None:
        raise NoDates(dag_id=dag.dag_id, why="runs after other DAGs, and has no dates of its own")
    return _scheduled(spec)


def _stepping(every: float) -> Calendar:
    if every < 1:
        raise BadBackfill(why="the interval must be at least a second")
    step = timedelta(seconds=every)

    def slots(start: datetime, end: datetime, limit: int) -> list[Slot]:
        count = min(int((end - start) / step) + 1, limit)
        return [Slot(at=start + number * step, since=start + (number - 1) * step) for number in range(count)]

    return slots


def _scheduled(spec: ScheduleSpec) -> Calendar:
    def slots(start: datetime, end: datetime, limit: int) -> list[Slot]:
        found = schedule.between(spec, start - _MOMENT, end, limit)
        before = [schedule.interval_start(spec, found[0]), *found] if found else []
        return [Slot(at=at, since=since) for at, since in zip(found, before, strict=False)]

    return slots


def dag_of(dag_id: str) -> Dag:
    """The DAG with its current version. Raises UnknownDag, NoVersion."""
    dag = Dag.objects.live().filter(dag_id=dag_id).select_related("current_version").first()
    if dag is None:
        raise UnknownDag(dag_id=dag_id)
    if dag.current_version is None:
        raise NoVersion(dag_id=dag_id)
    dag.current_version.dag = dag
    return dag


def zone_of(dag: Dag) -> ZoneInfo:
    """The zone in which dates of the DAG are written: its schedule's, or UTC."""
    spec = _schedule_of(dag)
    return ZoneInfo(spec.timezone if spec else "UTC")


def _schedule_of(dag: Dag) -> ScheduleSpec | None:
    return None if dag.current_version is None else plans.schedule_of(dag.current_version.pk)


def moment_of(text: str, zone: ZoneInfo, *, last: bool = False) -> datetime:
    """A date or a moment in ISO form, in UTC; without an offset it is one of the zone.

    A date alone is its first moment, or with `last` its last one, so that a range ends with the whole day.
    Raises BadBackfill.
    """
    try:
        if len(text.strip()) == 10:
            day = date.fromisoformat(text.strip()) + timedelta(days=int(last))
            found = datetime.combine(day, datetime.min.time(), zone).astimezone(UTC)
            return found - _MOMENT if last else found
        at = datetime.fromisoformat(text.strip())
        return (at if at.tzinfo else at.replace(tzinfo=zone)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise BadBackfill(why=f"{text!r} is no moment: write it as 2025-01-31 or 2025-01-31T02:00") from None


MISSING, RUNNING, SUCCESS, FAILED = "missing", "running", "success", "failed"

_STANDING = """
SELECT logical_date, bool_or(state = 'success'), bool_or(ended_at IS NULL), max(id) FROM workflows_dagrun
 WHERE dag_id = %s AND logical_date = ANY(%s::timestamptz[]) AND parent_id IS NULL AND deleted_at IS NULL
 GROUP BY logical_date
"""


def standing(dag_key: int, dates: Sequence[datetime]) -> Mapping[datetime, str]:
    """How the DAG stands at each date, by its runs of any trigger except those inside another DAG's run.

    `success` when one of them succeeded, else `running` when one goes on, else `failed` when there is one, else
    `missing`.
    """
    found = dict.fromkeys(dates, MISSING)
    for at, succeeded, goes_on, _ in sql.run(_STANDING, (dag_key, list(dates))):
        found[at.astimezone(UTC)] = SUCCESS if succeeded else RUNNING if goes_on else FAILED
    return found


def is_wanted(which: str, stands: str) -> bool:
    """Whether a backfill of this kind runs a date that stands so."""
    if which == "all":
        return True
    return stands == FAILED if which == "failed" else stands in (MISSING, FAILED)
