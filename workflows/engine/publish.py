"""Store a document as a version of its DAG: checked, hashed, compiled. The same content is the same version."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, cast

from django.contrib.auth.base_user import AbstractBaseUser
from django.db import transaction

from workflows.conf import conf
from workflows.core import compiler, formats, validate
from workflows.core.compiler import Bounds
from workflows.core.errors import InvalidDocument, VersionConflict
from workflows.core.parse import Parsed
from workflows.core.spec import DagSpec
from workflows.engine import layouts, schedules
from workflows.models import Dag, DagTemplate, DagVersion, NodePool
from workflows.operators import registry

Format = Literal["yaml", "json"]
DEFAULT_POOL = "default"  # is there even when somebody deleted its row: tasks that name no pool are in it


@dataclass(frozen=True, slots=True, kw_only=True)
class MadeFrom:
    """The template that a document was generated from, and the values that were given for it."""

    template: DagTemplate
    values: Mapping[str, Any]


def catalogue() -> validate.Catalogue:
    """What a document may refer to here: the task types and pools of this installation."""
    pools = frozenset((DEFAULT_POOL, *NodePool.objects.values_list("name", flat=True)))
    return validate.Catalogue(types=registry.catalogue_types(), pools=pools, after=schedules.after_map)


def limits() -> validate.Limits:
    """The limits of a document, from the settings."""
    return validate.Limits(max_tasks=conf.MAX_TASKS, max_edges=conf.MAX_EDGES, max_bytes=conf.MAX_DOCUMENT_BYTES)


def bounds() -> Bounds:
    """The bounds of a canvas, from the settings."""
    return Bounds(max_chain=conf.CANVAS_MAX_CHAIN, max_header=conf.CANVAS_MAX_HEADER, max_bytes=conf.CANVAS_MAX_BYTES)


def check(source: str | bytes | Mapping[str, Any], *, format: Format | None = None) -> Parsed:
    """Every problem of a document, as the doors show them; the specification when there is none."""
    return validate.check(source, catalogue(), limits(), format)


def publish(
    source: str | bytes | Mapping[str, Any],
    *,
    format: Format | None = None,
    note: str = "",
    user: AbstractBaseUser | None = None,
    made_from: MadeFrom | None = None,
    base: int | None = None,
    layout: layouts.Positions | None = None,
) -> DagVersion:
    """Store a document and make it the DAG's current version; returns the version, new or found by its content.

    The DAG is created when it is new. A DAG that was made from a template and now gets another document by hand
    (without `made_from`) leaves the template: regenerating would undo what that hand did.
    `base` is the number of the version that the author began with, 0 for none; left out, it does not matter.
    Tasks without a place in `layout` stay where the current version shows them; new ones are laid out.
    Raises InvalidDocument with every problem, and VersionConflict when another version is current than `base`.
    """
    parsed = check(source, format=format)
    if parsed.spec is None or parsed.problems:
        raise InvalidDocument(parsed.problems)
    spec = parsed.spec
    text, used_format = text_of(source, format)
    document = dict(parsed.data or {})
    plan = compiler.compile_plan(spec, bounds()).to_json()
    digest = formats.content_hash(document)
    with transaction.atomic():
        dag = _dag_of(spec)
        _refuse_other_base(dag, base)
        version = DagVersion.objects.filter(dag=dag, content_hash=digest).first()
        if version is None:
            last = DagVersion.objects.filter(dag=dag).order_by("-number").values_list("number", flat=True).first()
            version = DagVersion.objects.create(
                dag=dag,
                number=(last or 0) + 1,
                content_hash=digest,
                document=document,
                source=text,
                source_format=used_format,
                plan=plan,
                task_count=len(spec.tasks),
                layout=layouts.drawn(spec, dag.current_version, layout),
                note=note,
                created_by=user,  # type: ignore[misc]
            )
        elif layout is not None:
            layouts.keep(version, layout)
        _make_current(dag, spec, version, made_from)
        schedules.follow(dag, spec.schedule)
    return version


def text_of(source: str | bytes | Mapping[str, Any], format: Format | None) -> tuple[str, Format]:
    """A document as text, byte for byte where it was text, and the text's format."""
    if isinstance(source, Mapping):
        return formats.dump(dict(source), "json"), "json"
    text = source.decode() if isinstance(source, bytes) else source
    return text, format or formats.guess_format(text)


def _dag_of(spec: DagSpec) -> Dag:
    """The DAG's row, locked: two publishers of one DAG take turns at its version numbers."""
    Dag.objects.get_or_create(dag_id=spec.id)
    return Dag.objects.select_for_update(no_key=True).get(dag_id=spec.id)


def _refuse_other_base(dag: Dag, base: int | None) -> None:
    current = dag.current_version.number if dag.current_version and not dag.deleted_at else 0
    if base is not None and base != current:
        raise VersionConflict(dag_id=dag.dag_id, current=current, base=base)


def _make_current(dag: Dag, spec: DagSpec, version: DagVersion, made_from: MadeFrom | None) -> None:
    if made_from is not None:
        dag.template, dag.template_values = made_from.template, dict(made_from.values)
    elif dag.current_version_id != version.pk:
        dag.template, dag.template_values = None, None
    dag.name = spec.name or spec.id
    dag.description = spec.description
    dag.owner = spec.config.owner or ""
    dag.tags = list(spec.config.tags)
    dag.current_version = version
    dag.deleted_at = None
    dag.save()
    version.dag = dag


def export(version: DagVersion, format: Format | None = None) -> str:
    """The document as text: byte for byte as it was given, or in the other format."""
    if format is None or format == version.source_format:
        return version.source
    return formats.dump(document_of(version), format)


def document_of(version: DagVersion) -> dict[str, Any]:
    """The document as data, from its text and not from the stored JSON: jsonb forgets the order of keys."""
    used = cast(Format, version.source_format)
    data: dict[str, Any] = formats.load(version.source, format=used, max_bytes=formats.UNLIMITED).data
    return data
