"""Every task type by name: the built-in ones, and those the setting CELERIAC["OPERATORS"] adds."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from importlib import import_module
from types import MappingProxyType

from pydantic import BaseModel

from workflows.conf import conf
from workflows.core.complaints import MARK, NEVER_RENDERED, model_in
from workflows.core.errors import CeleriacError
from workflows.operators import approval, celery, conditional, http, python, shell, sql, subdag, switch, wait
from workflows.operators.base import OperatorType

TYPES: Mapping[str, OperatorType] = MappingProxyType(
    {
        "shell": shell.OPERATOR,
        "python": python.OPERATOR,
        "http": http.OPERATOR,
        "sql": sql.OPERATOR,
        "celery": celery.OPERATOR,
        "conditional": conditional.OPERATOR,
        "switch": switch.OPERATOR,
        "subdag": subdag.OPERATOR,
        "wait": wait.OPERATOR,
        "approval": approval.OPERATOR,
    }
)


class UnknownTaskType(CeleriacError):
    """There is no task type {name!r}; known are {known}."""


class BadOperatorSetting(CeleriacError):
    """CELERIAC["OPERATORS"] has {entry!r}: {problem}."""


def types() -> Mapping[str, OperatorType]:
    """Every task type there is, by name."""
    return _with(tuple(conf.OPERATORS))


def get(name: str) -> OperatorType:
    """The task type of that name, or UnknownTaskType."""
    known = types()
    if name not in known:
        raise UnknownTaskType(name=name, known=", ".join(sorted(known)))
    return known[name]


def catalogue_types() -> dict[str, type[BaseModel]]:
    """Name to parameters model: what the validator and the forms need."""
    return {name: operator.parameters for name, operator in types().items()}


@lru_cache(maxsize=8)
def _with(entries: tuple[str, ...]) -> Mapping[str, OperatorType]:
    known = dict(TYPES)
    for entry in entries:
        operator = _load(entry)
        if operator.name in known:
            raise BadOperatorSetting(entry=entry, problem=f"the name {operator.name!r} is taken")
        known[operator.name] = operator
    return MappingProxyType(known)


def _load(entry: str) -> OperatorType:
    module, colon, attribute = entry.partition(":")
    if not (module and colon and attribute):
        raise BadOperatorSetting(entry=entry, problem="write it as package.module:OPERATOR")
    try:
        found = getattr(import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise BadOperatorSetting(entry=entry, problem=str(error)) from error
    if not isinstance(found, OperatorType):
        raise BadOperatorSetting(entry=entry, problem="it is not an OperatorType")
    if wrong := disagreement(found):
        raise BadOperatorSetting(entry=entry, problem=wrong)
    return found


def disagreement(operator: OperatorType) -> str | None:
    """Where flags and parameters model say different things of the templates in a field, or None.

    The worker goes by the flags, validation and the templates of DAGs by the model: a field that is code to one of them
    only would be filled in as if it were text.
    """
    said = _marks(operator.parameters)
    for field, kinds in (
        ("quote_fields", ("quoted",)),
        ("raw_fields", NEVER_RENDERED),
        ("evaluates", ("expression",)),
    ):
        marked = {name for name, mark in said.items() if mark in kinds}
        if odd := sorted(marked ^ getattr(operator, field)):
            return f"{field} and the marks x-template of its parameters disagree on {', '.join(odd)}"
    return None


def _marks(model: type[BaseModel], prefix: str = "") -> dict[str, str]:
    """The marks of a model's fields, and of those of the models in its fields that have none."""
    found = {}
    for attribute, field in model.model_fields.items():
        name = f"{prefix}{field.alias or attribute}"
        extra = field.json_schema_extra
        mark = extra.get(MARK) if isinstance(extra, dict) else None
        inner = model_in(field.annotation)
        if mark is not None:
            found[name] = str(mark)
        elif inner is not None and not prefix:
            found |= _marks(inner, f"{name}.")
    return found
