"""Templates stored, DAGs generated from them, and those DAGs generated anew when their template has changed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, cast

from django.contrib.auth.base_user import AbstractBaseUser
from django.db import transaction

from workflows.core import diff, formats, template
from workflows.core.diff import Difference
from workflows.core.errors import (
    CeleriacError,
    InvalidDocument,
    NotFromTemplate,
    Problem,
    TemplateInUse,
    UnknownTemplate,
)
from workflows.core.spec import DagSpec
from workflows.engine import publish
from workflows.engine.publish import Format, MadeFrom
from workflows.models import Dag, DagTemplate, DagVersion
from workflows.models.definition import DagQuerySet

_NAMED = 5  # DAGs in a message


@dataclass(frozen=True, slots=True, kw_only=True)
class Saved:
    """A stored template, and what storing it changed."""

    row: DagTemplate
    created: bool
    changed: bool  # its content, not only its text


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """What values make of a template, not published. `document` is None where there are problems with the values."""

    dag_id: str
    document: dict[str, Any] | None
    problems: tuple[Problem, ...]
    spec: DagSpec | None
    dag: Dag | None  # the DAG that has the id already
    adopts: bool  # that DAG was not made from this template
    difference: Difference

    def insist(self) -> None:
        """Raise InvalidDocument if there is any problem."""
        if self.problems:
            raise InvalidDocument(self.problems)

    @property
    def text(self) -> str:
        """The document as YAML, as it would be published."""
        return formats.dump(self.document, "yaml") if self.document is not None else ""

    @property
    def version(self) -> int | None:
        """The number of the DAG's current version."""
        current = self.dag.current_version if self.dag is not None else None
        return current.number if current is not None else None

    @property
    def unchanged(self) -> bool:
        """Whether publishing would leave the DAG at its version."""
        current = self.dag.current_version if self.dag is not None else None
        same = current is not None and self.document is not None
        return same and formats.content_hash(self.document) == cast(DagVersion, current).content_hash


@dataclass(frozen=True, slots=True, kw_only=True)
class Regenerated:
    """What became, or would become, of one DAG of a template."""

    dag_id: str
    state: Literal["unchanged", "changed", "failed"]
    version: int | None = None
    message: str = ""
    problems: tuple[Problem, ...] = ()
    difference: Difference = field(default_factory=Difference)


def check(source: str | bytes | Mapping[str, Any], *, format: Format | None = None) -> template.Read:
    """Every problem of a template that shows without values."""
    return template.read(source, publish.catalogue(), publish.limits(), format)


def save(source: str | bytes | Mapping[str, Any], *, format: Format | None = None) -> Saved:
    """Store a template under its name, or replace it. Its DAGs stay as they are. Raises InvalidDocument."""
    read = check(source, format=format)
    if read.template is None:
        raise InvalidDocument(read.problems)
    text, used = publish.text_of(source, format)
    digest = formats.content_hash(read.data)
    facts = {
        "title": read.template.title,
        "description": read.template.description,
        "document": read.data,
        "source": text,
        "source_format": used,
        "content_hash": digest,
    }
    with transaction.atomic():
        known = DagTemplate.objects.select_for_update(no_key=True).filter(name=read.template.name).first()
        row, created = DagTemplate.objects.update_or_create(name=read.template.name, defaults=facts)
    return Saved(row=row, created=created, changed=known is None or known.content_hash != digest)


def find(name: str) -> DagTemplate:
    """A stored template. Raises UnknownTemplate."""
    row = DagTemplate.objects.filter(name=name).first()
    if row is None:
        raise UnknownTemplate(name=name)
    return row


def made_from(row: DagTemplate) -> DagQuerySet:
    """The DAGs of a template, by id, without the large columns of their versions."""
    large = (f"current_version__{name}" for name in ("document", "source", "plan", "layout"))
    return Dag.objects.live().filter(template=row).select_related("current_version").defer(*large).order_by("dag_id")


def opened(row: DagTemplate) -> template.Template:
    """A stored template, read from its text, since jsonb forgets the order of keys. Raises InvalidDocument."""
    read = check(row.source, format=cast(Format, row.source_format))
    if read.template is None:
        raise InvalidDocument(read.problems)
    return read.template


def draft(name: str, values: Mapping[str, Any], *, dag_id: str | None = None) -> Draft:
    """What would be published, beside what there is. Raises UnknownTemplate, InvalidDocument (of the template)."""
    return _draft(find(name), values, dag_id)


def _draft(row: DagTemplate, values: Mapping[str, Any], dag_id: str | None) -> Draft:
    made = template.generate(opened(row), values, publish.catalogue(), publish.limits(), dag_id=dag_id)
    document = made.document
    named = str(document.get("id")) if document is not None else dag_id or ""
    dag = Dag.objects.select_related("current_version").filter(dag_id=named).first()
    live = dag is not None and dag.deleted_at is None
    return Draft(
        dag_id=named,
        document=document,
        problems=made.problems,
        spec=made.spec,
        dag=dag,
        adopts=live and dag is not None and dag.template_id != row.pk,
        difference=_difference(dag.current_version if dag is not None else None, document),
    )


def _difference(current: DagVersion | None, document: Mapping[str, Any] | None) -> Difference:
    if document is None:
        return Difference()
    old = publish.document_of(current) if current is not None else None
    return diff.compare(old, document, names=(f"version {current.number}" if current else "nothing", "generated"))


def generate(
    name: str,
    values: Mapping[str, Any],
    *,
    dag_id: str | None = None,
    adopt: bool = False,
    note: str = "",
    user: AbstractBaseUser | None = None,
) -> DagVersion:
    """Generate a DAG and publish it; returns its version, new or found by its content.

    Only the given values are kept with the DAG: what has a default follows the template when that changes.
    Raises UnknownTemplate, InvalidDocument, and NotFromTemplate for a DAG of another origin unless `adopt`.
    """
    with transaction.atomic():
        # Locked, or a DAG could end at an older text of a template than the one that was stored meanwhile.
        row = DagTemplate.objects.select_for_update(no_key=True).filter(name=name).first()
        if row is None:
            raise UnknownTemplate(name=name)
        made = _draft(row, values, dag_id)
        made.insist()
        if made.adopts and not adopt:
            raise NotFromTemplate(dag_id=made.dag_id, name=name)
        origin = MadeFrom(template=row, values=values)
        return publish.publish(
            made.text, format="yaml", note=note or f"from template {name}", user=user, made_from=origin
        )


def regenerate(name: str, *, preview: bool = False, user: AbstractBaseUser | None = None) -> tuple[Regenerated, ...]:
    """Generate every DAG of a template again, each in a transaction of its own; one that fails stops no other.

    With `preview` nothing is published. Raises UnknownTemplate, InvalidDocument (of the template itself).
    """
    row = find(name)
    opened(row)
    dags = Dag.objects.live().filter(template=row).order_by("dag_id").values_list("dag_id", "template_values")
    return tuple(_again(row, dag_id, values or {}, preview=preview, user=user) for dag_id, values in dags)


def _again(
    row: DagTemplate, dag_id: str, values: Mapping[str, Any], *, preview: bool, user: AbstractBaseUser | None
) -> Regenerated:
    try:
        made = _draft(row, values, dag_id)
        made.insist()
        if made.unchanged:
            return Regenerated(dag_id=dag_id, state="unchanged", version=made.version)
        version = made.version
        if not preview:
            version = generate(row.name, values, dag_id=dag_id, user=user).number
    except CeleriacError as error:
        problems = getattr(error, "problems", ())
        return Regenerated(dag_id=dag_id, state="failed", message=str(error), problems=problems)
    return Regenerated(dag_id=dag_id, state="changed", version=version, difference=made.difference)


def delete(name: str, *, leave_dags: bool = False) -> int:
    """Remove a template; returns how many DAGs it had made. Those stay as they are. Raises UnknownTemplate, and
    TemplateInUse where there are some, unless `leave_dags`."""
    with transaction.atomic():
        row = DagTemplate.objects.select_for_update().filter(name=name).first()
        if row is None:
            raise UnknownTemplate(name=name)
        dags = list(Dag.objects.live().filter(template=row).order_by("dag_id").values_list("dag_id", flat=True))
        if dags and not leave_dags:
            more = "" if len(dags) <= _NAMED else ", …"
            raise TemplateInUse(name=name, count=len(dags), dags=", ".join(dags[:_NAMED]) + more)
        row.delete()
    return len(dags)
