"""Two versions of a DAG beside each other."""

from __future__ import annotations

from dataclasses import dataclass

from workflows.core import diff
from workflows.core.diff import Difference
from workflows.core.errors import NoVersion, UnknownDag, UnknownVersion
from workflows.engine import publish
from workflows.models import Dag, DagVersion


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """What changed from version `old` (0: there was none) to version `new`."""

    old: int
    new: int
    difference: Difference


def versions(dag_id: str, old: int | None = None, new: int | None = None) -> Compared:
    """Compare two versions: by default the current one with the one before it.

    Raises UnknownDag, NoVersion, UnknownVersion.
    """
    dag = Dag.objects.live().select_related("current_version").filter(dag_id=dag_id).first()
    if dag is None:
        raise UnknownDag(dag_id=dag_id)
    later = _one(dag, new) if new is not None else dag.current_version
    if later is None:
        raise NoVersion(dag_id=dag_id)
    if old is not None:
        earlier: DagVersion | None = _one(dag, old)
    else:
        earlier = dag.versions.defer("plan").filter(number__lt=later.number).order_by("-number").first()
    names = (f"{dag_id} v{earlier.number}" if earlier else "nothing", f"{dag_id} v{later.number}")
    before = publish.document_of(earlier) if earlier is not None else None
    found = diff.compare(before, publish.document_of(later), names=names)
    return Compared(old=earlier.number if earlier else 0, new=later.number, difference=found)


def _one(dag: Dag, number: int) -> DagVersion:
    version = dag.versions.defer("plan").filter(number=number).first()
    if version is None:
        raise UnknownVersion(dag_id=dag.dag_id, number=number)
    return version
