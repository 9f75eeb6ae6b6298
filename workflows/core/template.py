"""A template: a document with parameters of its own, and a DAG in it, from which documents of DAGs are generated.

The template is parsed first and only then filled in, text by text (`core.insertion`), so that a value can neither add
structure to the DAG nor become an expression or a command in it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from workflows.core import expressions, formats, params, templating, validate
from workflows.core.errors import Problem, RenderError
from workflows.core.insertion import CLOSE, OPEN, Insert, Place, Refused, has_inserts, inserted, parts_of
from workflows.core.naming import below, describe, did_you_mean, path_of, shown
from workflows.core.parse import parse as parse_dag
from workflows.core.reading import Reading
from workflows.core.spec import DAG_ID_PATTERN, NAME_PATTERN, DagSpec, Name, ParamSpec, SpecModel
from workflows.core.template_places import Path, leaves, place_of

SCOPE = "template"  # what the values are called in <% expressions %>
NAME = r"^[A-Za-z0-9_-]{1,100}$"
_ANY_ID = "made_from_a_template"  # stands for the id of a DAG that is not generated yet


class TemplateHeader(SpecModel):
    """What a template says of itself."""

    template: str
    """The template's name in commands and addresses."""
    title: Name = ""
    """What people read; the name when empty."""
    description: str = ""
    """What is generated from it, and for whom."""


FIELDS = (*TemplateHeader.model_fields, "params", "dag")


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """A template whose form is right. `dag` is the document to fill in, `lines` the place of each path."""

    name: str
    title: str
    description: str
    params: Mapping[str, ParamSpec]
    dag: Mapping[str, Any]
    lines: formats.Lines = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Read:
    """A template, or None and what is wrong with it; `data` is the document as data."""

    template: Template | None
    problems: tuple[Problem, ...]
    data: Any = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Generated:
    """The document that values made of a template, or None and what is wrong with it.

    Paths of problems are those of the template (dag.tasks.a.command), or of the values (values.day).
    """

    document: dict[str, Any] | None
    problems: tuple[Problem, ...]
    spec: DagSpec | None = None


def read(
    source: str | bytes | Mapping[str, Any],
    catalogue: validate.Catalogue,
    limits: validate.Limits,
    format: formats.Format | None = None,
) -> Read:
    """Read a template and find every problem that can be found without values. Never raises for what is in it."""
    loaded = validate.load(source, limits, format)
    if loaded.problems:
        return Read(template=None, problems=loaded.problems)
    reading = Reading()
    lines = loaded.lines if loaded.text else {}
    found = _template(reading, loaded.data, lines)
    problems = [*reading.places.locate(reading.problems, lines)]
    if found is not None:
        problems += _located(_declarations(found), lines)
        problems += _located(_inserts(found, catalogue), lines)
        known = {problem.path for problem in problems}
        problems += [p for p in _dag_problems(found, catalogue, limits) if p.path not in known]
    problems.sort(key=lambda p: (p.line or 0, p.column or 0))
    return Read(template=None if problems else found, problems=tuple(problems), data=loaded.data)


def _template(reading: Reading, data: Any, lines: formats.Lines) -> Template | None:
    if not isinstance(data, Mapping):
        found = "nothing" if data is None else describe(data)
        reading.problem("wrong_type", "", f"must be a mapping with template, params and dag, not {found}")
        return None
    if "template" not in data and "tasks" in data:
        reading.problem("missing_field", "template", "is missing: this is the document of a DAG, not a template")
        return None
    for key in data:
        if key not in FIELDS:
            message = f"is not a field of a template{did_you_mean(str(key), FIELDS)}"
            reading.problem("unknown_field", below("", str(key)), message)
    given = {key: data[key] for key in TemplateHeader.model_fields if data.get(key) is not None}
    header = reading.model(TemplateHeader, given, "")
    if header is not None and not (re.match(NAME, header.template) and header.template.isprintable()):
        reading.problem("bad_id", "template", "must be made of letters, digits, _ and - (at most 100)")
    if data.get("dag") is None:
        reading.problem("missing_field", "dag", "is missing: the document of the DAG, with id and tasks")
    return Template(
        name=header.template if header is not None else "",
        title=header.title if header is not None else "",
        description=header.description if header is not None else "",
        params=_params(reading, data.get("params")),
        dag=reading.mapping(data.get("dag"), "dag"),
        lines=lines,
    )


def _params(reading: Reading, raw: Any) -> dict[str, ParamSpec]:
    found = {}
    for name, fields in reading.mapping(raw, "params").items():
        path = below("params", name)
        found[name] = reading.model(ParamSpec, reading.mapping(fields, path), path) or ParamSpec()
    return found


def _declarations(template: Template) -> Iterator[Problem]:
    for name, spec in template.params.items():
        path = path_of("params", name)
        if not re.match(NAME_PATTERN, name) or name.endswith("\n"):
            message = "the name must be made of letters, digits and _ (at most 100), and not begin with a digit"
            yield Problem(code="bad_id", path=path, message=message)
        wrong = params.declaration_problem(spec)
        if wrong is not None:
            yield Problem(code=wrong[0], path=f"{path}.{wrong[1]}", message=wrong[2])
        elif spec.default is not None and (why := params.mismatch(spec, spec.default)):  # one that looks templated, too
            yield Problem(code="bad_default", path=f"{path}.default", message=why[1])


def _inserts(template: Template, catalogue: validate.Catalogue) -> Iterator[Problem]:
    """What is wrong with the inserts themselves, and with the places where they stand."""
    for path in _keys(template.dag):
        yield _problem(path, "unsafe_place", f"a key cannot hold {OPEN} expressions {CLOSE}: keys are structure")
    for path, value in leaves(template.dag):
        if isinstance(value, str) and has_inserts(value):
            place = place_of(path, template.dag, catalogue.types)
            yield from (_problem(path, code, message) for code, message in _text_problems(value, place, template))


def _text_problems(text: str, place: Place, template: Template) -> Iterator[tuple[str, str]]:
    try:
        codes = [part.code for part in parts_of(text) if isinstance(part, Insert)]
        wrong = [found for code in codes for found in _code_problems(code, template)]
        yield from wrong
        sample: Any = [] if place is Place.ITEMS and len(codes) == 1 else "x"
        result = "" if wrong else inserted(text, place, lambda code: sample)
    except Refused as error:
        yield error.code, str(error)
        return
    why = expressions.syntax_problem(result) if place is Place.EXPRESSION and not wrong else None
    if place in (Place.RENDERED, Place.QUOTED) and isinstance(result, str):
        why = templating.syntax_problem(result)
    if why:
        yield "bad_expression", why


def _code_problems(code: str, template: Template) -> Iterator[tuple[str, str]]:
    analysis = expressions.analyse(code)
    if analysis.problem:
        yield "bad_expression", f"{OPEN} {shown(code)} {CLOSE}: {analysis.problem}"
        return
    for name in sorted(analysis.names - {SCOPE}):
        hint = f"; write {SCOPE}.{name}" if name in template.params else f"; there is {SCOPE} only"
        yield "unknown_name", f"there is no {name!r} in {OPEN} {CLOSE}{hint}"
    for name in sorted(analysis.template - template.params.keys()):
        yield "unknown_param", f"{SCOPE}.{name} is not declared{did_you_mean(name, template.params)}"


def _keys(value: Any, path: Path = ()) -> Iterator[Path]:
    """The paths of keys that hold inserts."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            if has_inserts(key):
                yield (*path, key)
            yield from _keys(item, (*path, key))
    elif isinstance(value, (list, tuple)):
        for index, item in enumerate(value):
            yield from _keys(item, (*path, index))


def _problem(path: Path, code: str, message: str) -> Problem:
    tasks = (str(path[1]),) if path[0] == "tasks" and len(path) > 1 and isinstance(path[1], str) else ()
    return Problem(code=code, path=path_of("dag", *path), message=message, tasks=tasks)


def _located(problems: Iterator[Problem], lines: formats.Lines) -> tuple[Problem, ...]:
    return Reading().places.locate(problems, lines)


def _dag_problems(template: Template, catalogue: validate.Catalogue, limits: validate.Limits) -> Iterator[Problem]:
    """What is wrong with the DAG whatever the values are: all but the places that wait for one."""
    waiting = {path for path, value in leaves(template.dag) if isinstance(value, str) and has_inserts(value)}
    if not template.dag or any(True for _ in _keys(template.dag)):
        return
    document = {**template.dag, "id": _ANY_ID}
    paths = {path_of("dag", *path) for path in waiting}
    declarations = {path_of("dag", *path[:2]) for path in waiting if path[0] == "params"}
    for problem in _of_dag(document, template, catalogue, limits)[0]:
        within = declarations & {problem.path, *_above(problem.path)}
        if not within and problem.path not in paths:
            yield problem


def _above(path: str) -> Iterator[str]:
    at = path.rfind(".")
    while at > 0:
        path = path[:at]
        yield path
        at = path.rfind(".")


def _of_dag(
    document: Mapping[str, Any], template: Template, catalogue: validate.Catalogue, limits: validate.Limits
) -> tuple[tuple[Problem, ...], DagSpec | None]:
    """The problems of a DAG's document, with their places in the template."""
    parsed = validate.check(document, catalogue, limits)
    lines = {path.removeprefix("dag."): at for path, at in template.lines.items() if path.startswith("dag.")}
    if lines:
        lines[""] = template.lines["dag"]
    found = parsed.places.locate(parsed.problems, lines)
    return tuple(replace(p, path=f"dag.{p.path}" if p.path else "dag") for p in found), parsed.spec


def resolve(template: Template, given: Mapping[str, Any]) -> tuple[dict[str, Any], tuple[Problem, ...]]:
    """The value of every parameter of a template, and what is wrong with the given ones. Nothing is rendered."""
    defaults = {name: spec.default for name, spec in template.params.items() if not spec.required}
    values, problems = params.resolve(template.params, {**defaults, **given})
    return values, tuple(replace(p, path=p.path.replace("params", "values", 1)) for p in problems)


def generate(
    template: Template,
    given: Mapping[str, Any],
    catalogue: validate.Catalogue,
    limits: validate.Limits,
    *,
    dag_id: str | None = None,
) -> Generated:
    """The document of a DAG: the template's with the values put in, checked as any document is.

    `dag_id` goes before the id that the template gives.
    """
    values, problems = resolve(template, given)
    if problems:
        return Generated(document=None, problems=problems)
    filling = _Filling(template, values, catalogue, limits.max_bytes)
    document: dict[str, Any] = filling.value(_with_id(template.dag, dag_id), ())
    problems = (*filling.problems, *_id_problems(document, chosen=dag_id is not None))
    if problems:
        return Generated(document=None, problems=_in_lines(problems, template.lines))
    problems, spec = _of_dag(document, template, catalogue, limits)
    if spec is not None and (moved := _moved(template.dag, spec)) is not None:
        problems = (_problem(("tasks", *moved), "unsafe_place", "a value changes the structure of the DAG here"),)
    return Generated(document=document, problems=problems, spec=None if problems else spec)


def _in_lines(problems: tuple[Problem, ...], lines: formats.Lines) -> tuple[Problem, ...]:
    """Problems with their lines; the id that somebody chose is in no line."""
    return tuple(p if p.path == "id" else _located(iter((p,)), lines)[0] for p in problems)


def _with_id(dag: Mapping[str, Any], dag_id: str | None) -> dict[str, Any]:
    rest = {key: value for key, value in dag.items() if key != "id"}
    chosen = dag.get("id") if dag_id is None else dag_id
    return {"id": chosen, **rest} if chosen is not None else rest


def _id_problems(document: Mapping[str, Any], *, chosen: bool) -> Iterator[Problem]:
    found = document.get("id")
    if found is None:
        yield _problem(("id",), "missing_field", "the template gives no id: name the DAG that is to be made")
    elif isinstance(found, str) and not re.fullmatch(DAG_ID_PATTERN, found):
        message = f"the id of the DAG would be {shown(found)}: it must be made of letters, digits, _ - . (at most 200)"
        yield Problem(code="bad_id", path="id", message=message) if chosen else _problem(("id",), "bad_id", message)


class _Filling:
    """Puts values into a document; what cannot be put in is a problem, and the rest goes on."""

    def __init__(
        self, template: Template, values: Mapping[str, Any], catalogue: validate.Catalogue, max_chars: int
    ) -> None:
        self.template = template
        self.context = {SCOPE: values}
        self.catalogue = catalogue
        self.left = max_chars
        self.problems: list[Problem] = []

    def value(self, value: Any, path: Path) -> Any:
        if isinstance(value, Mapping):
            return {key: self.value(item, (*path, key)) for key, item in value.items()}
        if isinstance(value, (list, tuple)):
            return [self.value(item, (*path, index)) for index, item in enumerate(value)]
        return self._text(value, path) if isinstance(value, str) and has_inserts(value) else value

    def _text(self, text: str, path: Path) -> Any:
        try:
            return inserted(text, place_of(path, self.template.dag, self.catalogue.types), self._evaluated)
        except Refused as error:
            self.problems.append(_problem(path, error.code, str(error)))
        except RenderError as error:
            self.problems.append(_problem(path, "bad_expression", f"{OPEN} {error.expression} {CLOSE}: {error.why}"))
        return None

    def _evaluated(self, code: str) -> Any:
        template = expressions.as_template(code)
        result = templating.render(template, self.context, max_chars=max(0, self.left), simple=True)
        self.left -= len(str(result))
        return result


def _moved(dag: Mapping[str, Any], spec: DagSpec) -> tuple[str, ...] | None:
    """The first task that the values have added, removed, turned into another type or tied to others; None is right.

    The places are checked one by one before; this is the net below them, for fields that nobody thought of.
    """
    before = parse_dag({**dag, "id": _ANY_ID}).draft
    if before is None or list(before.tasks) != list(spec.tasks):
        return ()
    for task in before.tasks.values():
        after = spec.tasks[task.id]
        if (task.type, task.depends_on) != (after.type, after.depends_on):
            return (task.id,)
    return None
