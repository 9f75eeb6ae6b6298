"""Pydantic's errors in our own words: stable codes, paths into the document, and messages for people."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails
from pydantic_core.core_schema import ErrorType

from workflows.core.errors import Problem
from workflows.core.naming import below, describe, did_you_mean, shown
from workflows.core.templating import is_template

MARK = "x-template"  # in the JSON Schema of a parameter: how templates in it are treated
# Code; what must stand in the document as it is; and expressions that the task type evaluates itself.
NEVER_RENDERED = ("raw", "written", "later")
_BUILT_IN = frozenset(get_args(ErrorType))
_MISSING = object()
_EXPECTED = {
    "string": "text",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "list": "a list",
    "tuple": "a list",
    "set": "a list",
    "dict": "a mapping",
    "mapping": "a mapping",
    "model": "a mapping",
    "none": "null",
    "date": "a date",
    "datetime": "a date and time",
    "url": "a URL",
}
_BOUNDS = {
    "greater_than": "must be greater than {gt}",
    "greater_than_equal": "must be at least {ge}",
    "less_than": "must be less than {lt}",
    "less_than_equal": "must be at most {le}",
    "multiple_of": "must be a multiple of {multiple_of}",
    "too_short": "must have at least {min_length} items",
    "too_long": "must have at most {max_length} items",
    "string_too_short": "must have at least {min_length} characters",
    "string_too_long": "must have at most {max_length} characters",
    "finite_number": "must be finite",
}
# Fields that people look for and that are something else here.
_HINTS = {
    "queue": "; the queue follows from the pool",
    "true_task": "; only conditional tasks have it",
    "false_task": "; only conditional tasks have it",
    "retries": "; write retry: {max_attempts: …}",
    "upstream": "; did you mean 'depends_on'?",
    "needs": "; did you mean 'depends_on'?",
    "params": "; did you mean 'parameters'?",
}


def problems_of(
    error: ValidationError,
    raw: Any,
    *,
    path: str,
    tasks: tuple[str, ...] = (),
    model: type[BaseModel] | None = None,
    templates: bool = False,
) -> list[Problem]:
    """The problems that a validation error stands for, one for each place.

    `raw` is what was validated and `path` its place. With `templates`, complaints about texts that are yet to
    be rendered are left out: only their rendered values can be right or wrong.
    """
    found: dict[str, Problem] = {}
    for details in error.errors(include_url=False):
        place, value = _place(details, raw, path)
        if templates and not _is_raw(details, model) and _may_become_right(details, value):
            continue
        code, message = _words(details, value, model)
        if place in found:
            message = _either(found[place].message, message)
        found[place] = Problem(code=code, path=place, message=message, tasks=tasks)
    return list(found.values())


def _place(details: ErrorDetails, raw: Any, path: str) -> tuple[str, Any]:
    """Path and value of an error; steps that are not in the data are pydantic's names for union members."""
    value = raw
    last = len(details["loc"]) - 1
    for at, part in enumerate(details["loc"]):
        inside = (isinstance(value, Mapping) and part in value) or (
            isinstance(value, (list, tuple)) and isinstance(part, int) and part < len(value)
        )
        if inside:
            path, value = below(path, part), value[part]
        elif at == last and details["type"] in ("missing", "extra_forbidden"):
            path, value = below(path, part), _MISSING
    return path, value


def _is_raw(details: ErrorDetails, model: type[BaseModel] | None) -> bool:
    """Whether the error is in a parameter that is never rendered: a template in it cannot become right."""
    field = model.model_fields.get(str(details["loc"][0])) if model is not None and details["loc"] else None
    extra = field.json_schema_extra if field is not None else None
    return isinstance(extra, dict) and extra.get(MARK) in NEVER_RENDERED


def _may_become_right(details: ErrorDetails, value: Any) -> bool:
    if details["type"] in ("missing", "extra_forbidden") or not details["loc"]:
        return False
    if isinstance(value, str):
        return is_template(value)
    return details["type"] in ("value_error", "assertion_error") and is_template(value)


def _words(details: ErrorDetails, value: Any, model: type[BaseModel] | None) -> tuple[str, str]:
    kind, context = details["type"], details.get("ctx", {})
    if kind not in _BUILT_IN:
        return kind, details["msg"]
    if kind == "missing":
        return "missing_field", "is missing"
    if kind == "extra_forbidden":
        name = str(details["loc"][-1])
        return "unknown_field", "is not a field here" + _field_hint(name, details["loc"][:-1], model)
    if kind in ("literal_error", "enum"):
        expected = str(context.get("expected", ""))
        words = re.findall(r"'([^']*)'", expected)
        hint = did_you_mean(value, words) if isinstance(value, str) else ""
        code = "unknown_trigger_rule" if details["loc"][-1:] == ("trigger_rule",) else "bad_value"
        return code, f"must be one of {', '.join(words) or expected}, not {shown(value)}{hint}"
    if kind in _BOUNDS:
        return "out_of_range", _BOUNDS[kind].format(**context)
    expected_words = _expected(kind)
    if expected_words:
        return "wrong_type", f"must be {expected_words}, not {describe(value)}"
    return "bad_value", details["msg"].removeprefix("Value error, ").removeprefix("Assertion failed, ")


def _expected(kind: str) -> str | None:
    if kind == "int_from_float":
        return "a whole number"
    if kind.endswith(("_type", "_parsing", "_parsing_size", "_required")):
        return _EXPECTED.get(kind.split("_", 1)[0], kind.rsplit("_", 1)[0].replace("_", " "))
    return None


def _either(first: str, second: str) -> str:
    """Two complaints about one value, of which one has to be met: "must be text or a number, not …"."""
    one, other = (
        re.fullmatch(r"must be (.*?), not (.*)", first),
        re.fullmatch(r"must be (.*?), not (.*)", second),
    )
    if one is None or other is None:
        return first if first == second else f"{first}; or {second}"
    words = one[1] if other[1] in one[1].split(" or ") else f"{one[1]} or {other[1]}"
    return f"must be {words}, not {one[2]}"


def _field_hint(name: str, loc: Iterable[int | str], model: type[BaseModel] | None) -> str:
    for part in loc:
        field = model.model_fields.get(str(part)) if model is not None else None
        model = model_in(field.annotation) if field is not None else None
    fields = model.model_fields if model is not None else {}
    return did_you_mean(name, fields) or _HINTS.get(name, "")


def model_in(annotation: Any) -> type[BaseModel] | None:
    """The model that an annotation such as `Retry | None` or `dict[str, Retry]` holds."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for part in get_args(annotation) if (found := model_in(part))), None)
