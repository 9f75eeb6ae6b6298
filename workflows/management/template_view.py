"""Templates as text for terminals, and as data for --json."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError

from workflows.core.naming import shown
from workflows.core.params import coerce_text
from workflows.core.spec import ParamSpec
from workflows.core.template import Template
from workflows.engine.templates import Draft, Regenerated
from workflows.management import documents, text
from workflows.models import Dag, DagTemplate


def values_of(template: Template, given: Iterable[str]) -> dict[str, Any]:
    """The values of K=V words, read by the declared type of each parameter."""
    values: dict[str, Any] = {}
    for word in given:
        name, equals, value = word.partition("=")
        if not equals or not name:
            raise CommandError(f"--value {word}: write it as NAME=VALUE.")
        values[name] = coerce_text(template.params[name], value) if name in template.params else value
    return values


def refuse(name: str, made: Draft) -> None:
    """End with one line for each problem of a draft, if there is any."""
    if made.problems:
        raise documents.Unfit(Path(name), made.problems)


def lines(row: DagTemplate, template: Template, dags: Iterable[Dag]) -> Iterator[str]:
    """What a template is, what it takes, and what was made from it."""
    yield f"{row.name}  {row.title}".rstrip()
    if row.description:
        yield text.one_line(row.description)
    yield ""
    if template.params:
        yield from text.table(["parameter", "type", "default", "description"], map(_param, *_pairs(template)))
    else:
        yield "It takes no parameters."
    made = [_made(dag) for dag in dags]
    yield ""
    if made:
        yield from text.table(["DAG", "version", "values"], made)
    else:
        yield "No DAG was made from it yet."


def _pairs(template: Template) -> tuple[list[str], list[ParamSpec]]:
    return list(template.params), list(template.params.values())


def _param(name: str, spec: ParamSpec) -> list[str]:
    kind = f"{spec.type} ({spec.format})" if spec.format else spec.type
    default = "(required)" if spec.required else shown(spec.default)
    return [name, kind, default, text.one_line(spec.description or spec.title)]


def _made(dag: Dag) -> list[str]:
    values = ", ".join(f"{name}={shown(value)}" for name, value in (dag.template_values or {}).items())
    return [dag.dag_id, f"v{dag.current_version.number}" if dag.current_version else "", values]


def data(row: DagTemplate, template: Template, dags: Iterable[Dag]) -> dict[str, Any]:
    """The same for programs."""
    return {
        "name": row.name,
        "title": row.title,
        "description": row.description,
        "content_hash": row.content_hash,
        "params": {name: spec.model_dump(mode="json") for name, spec in template.params.items()},
        "dags": [
            {
                "dag_id": dag.dag_id,
                "version": dag.current_version.number if dag.current_version else None,
                "values": dag.template_values or {},
            }
            for dag in dags
        ],
    }


def outcome(each: Regenerated, *, preview: bool) -> str:
    """One DAG of a regeneration, in a line."""
    version = f"v{each.version}" if each.version else ""
    if each.state == "failed":
        return f"{each.dag_id} failed: {each.message}"
    if each.state == "unchanged":
        return f"{each.dag_id} {version} unchanged"
    word = "would change from" if preview else "is now"
    return f"{each.dag_id} {word} {version}: {each.difference.summary}"
