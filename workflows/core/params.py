"""The parameters of a run: declared types, defaults, and what is wrong with the values that were given."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from workflows.core import templating
from workflows.core.errors import Problem, RenderError
from workflows.core.formats import unstorable
from workflows.core.naming import below, describe, did_you_mean, shown
from workflows.core.param_formats import FORMATS, MAX_TEXT
from workflows.core.spec import ParamSpec


def resolve(
    specs: Mapping[str, ParamSpec], given: Mapping[str, Any], context: Mapping[str, Any] | None = None
) -> tuple[dict[str, Any], tuple[Problem, ...]]:
    """The value of every declared parameter, and every problem with the given ones.

    Defaults may be templates; `context` is what they see (run, dag). Given values are data, never rendered.
    Values are in the order of the declaration; one with a problem is left out.
    """
    problems = [_unknown(name, specs) for name in given if name not in specs]
    values: dict[str, Any] = {}
    for name, spec in specs.items():
        value, problem = _one(name, spec, given, context or {})
        if problem is None:
            values[name] = value
        else:
            problems.append(problem)
    return values, tuple(problems)


def _unknown(name: str, specs: Mapping[str, ParamSpec]) -> Problem:
    message = f"there is no parameter {name!r}{did_you_mean(name, specs)}"
    return Problem(code="unknown_param", path=below("params", name), message=message)


def _one(
    name: str, spec: ParamSpec, given: Mapping[str, Any], context: Mapping[str, Any]
) -> tuple[Any, Problem | None]:
    path = below("params", name)
    if name in given:
        value = given[name]
        if value is None and not spec.required and spec.default is None:
            return None, None
    elif spec.required:
        return None, Problem(code="missing_param", path=path, message="must be given")
    else:
        try:
            value = templating.render(spec.default, context, simple=True)
        except RenderError as error:
            return None, Problem(code="bad_default", path=path, message=f"its default: {error}")
        if value is None:
            return None, None
    why = mismatch(spec, value) or next(((p.code, p.message) for p in unstorable(value)), None)
    return value, Problem(code=why[0], path=path, message=why[1]) if why else None


def mismatch(spec: ParamSpec, value: Any) -> tuple[str, str] | None:
    """Why a value does not fit its declaration, as (code, message), or None."""
    if not _is_type(spec.type, value):
        return "wrong_type", f"must be {_article(spec.type)}, not {describe(value)}"
    if spec.enum is not None and not any(_same(value, choice) for choice in spec.enum):
        return "bad_value", f"must be one of {', '.join(map(shown, spec.enum))}, not {shown(value)}"
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        if spec.minimum is not None and value < spec.minimum:
            return "out_of_range", f"must be at least {spec.minimum:g}, not {value}"
        if spec.maximum is not None and value > spec.maximum:
            return "out_of_range", f"must be at most {spec.maximum:g}, not {value}"
    return _text_mismatch(spec, value) if isinstance(value, str) else None


def _text_mismatch(spec: ParamSpec, value: str) -> tuple[str, str] | None:
    form = FORMATS.get(spec.format or "")
    if form is not None and not form.fits(value):
        return "bad_format", f"must be {form.hint}, not {shown(value)}"
    if spec.pattern is not None:
        pattern = _pattern(spec.pattern)
        if len(value) > MAX_TEXT:
            return "out_of_range", f"must not be longer than {MAX_TEXT:,} characters"
        if pattern is not None and not pattern.search(value):
            return "bad_format", f"must match the pattern {spec.pattern}, unlike {shown(value)}"
    return None


@lru_cache(maxsize=512)
def _pattern(text: str) -> re.Pattern[str] | None:
    """The compiled pattern; None for one that does not compile, which validation reports."""
    try:
        return re.compile(text)
    except (re.error, RecursionError, OverflowError):
        return None


def declaration_problem(spec: ParamSpec) -> tuple[str, str, str] | None:
    """What is wrong with a declaration in itself, as (code, field, message), or None."""
    if spec.pattern is not None and _pattern(spec.pattern) is None:
        return "bad_pattern", "pattern", "is not a regular expression"
    if spec.minimum is not None and spec.maximum is not None and spec.minimum > spec.maximum:
        return "out_of_range", "minimum", "is greater than the maximum"
    for index, choice in enumerate(spec.enum or ()):
        if not _is_type(spec.type, choice):
            return "wrong_type", f"enum[{index}]", f"must be {_article(spec.type)}, not {describe(choice)}"
    if spec.default is None or templating.is_template(spec.default):
        return None
    why = mismatch(spec, spec.default)
    return ("bad_default", "default", why[1]) if why else None


def coerce_text(spec: ParamSpec, text: str) -> Any:
    """The value that a text on a command line (`--param n=3`) stands for, by the declared type.

    What cannot be read as that type stays text, for `resolve` to report.
    """
    if spec.type == "string":
        return text
    if spec.type == "boolean":
        return {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}.get(
            text.strip().lower(), text
        )
    try:
        value = json.loads(text, parse_constant=lambda word: text)
    except (ValueError, RecursionError):
        return text
    return value if _is_type(spec.type, value) else text


_TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "array": (list, tuple),
    "object": (dict,),
    "null": (type(None),),
}


def _is_type(name: str, value: Any) -> bool:
    if name == "integer" and isinstance(value, float):
        return value.is_integer()
    return isinstance(value, _TYPES[name]) and (name == "boolean" or not isinstance(value, bool))


def _article(name: str) -> str:
    words = {"string": "text", "boolean": "true or false", "array": "a list", "object": "a mapping"}
    return words.get(name) or {"integer": "a whole number", "number": "a number"}.get(name, "null")


def _same(one: Any, other: Any) -> bool:
    """Whether two values are the same to JSON, where true is not 1, though 1 is 1.0."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_same(value, other[key]) for key, value in one.items())
    if isinstance(one, (list, tuple)) and isinstance(other, (list, tuple)):
        return len(one) == len(other) and all(map(_same, one, other))
    return bool(one == other)
