"""Reading parts of a document into models without stopping: what is wrong is noted and left out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import ValidationError

from workflows.core.complaints import problems_of
from workflows.core.errors import Problem
from workflows.core.naming import below, describe
from workflows.core.places import Places
from workflows.core.spec import SpecModel

Model = TypeVar("Model", bound=SpecModel)


class Reading:
    """The problems met so far, and what moved on the way from the document to the specification."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []
        self.places = Places()

    def problem(self, code: str, path: str, message: str, *tasks: str) -> None:
        """Note a problem."""
        self.problems.append(Problem(code=code, path=path, message=message, tasks=tasks))

    def mapping(self, raw: Any, path: str, *tasks: str) -> dict[str, Any]:
        """A mapping with text keys; nothing at all counts as an empty one, and anything else is a problem."""
        if raw is None:
            return {}
        if not isinstance(raw, Mapping):
            self.problem("wrong_type", path, f"must be a mapping, not {describe(raw)}", *tasks)
            return {}
        for key in raw:
            if not isinstance(key, str):
                self.problem("bad_key", path, f"has the key {key!r}, which is not a text", *tasks)
        return {key: value for key, value in raw.items() if isinstance(key, str)}

    def ids(self, raw: Any, path: str, *tasks: str) -> list[tuple[str, str]]:
        """The ids in a list, or the one id given without a list, each with its path."""
        if isinstance(raw, str):
            return [(raw, path)]
        if raw is None:
            return []
        if not isinstance(raw, (list, tuple)):
            self.problem("wrong_type", path, f"must be a list of task ids, not {describe(raw)}", *tasks)
            return []
        found = []
        for index, item in enumerate(raw):
            if isinstance(item, str):
                found.append((item, below(path, index)))
            else:
                message = f"must be a task id, not {describe(item)}"
                self.problem("wrong_type", below(path, index), message, *tasks)
        return found

    def model(self, model: type[Model], raw: Mapping[str, Any], path: str, *tasks: str) -> Model | None:
        """The model of a mapping. Fields with problems are noted and left out; None if it needs them."""
        try:
            return model.model_validate(raw)
        except ValidationError as error:
            self.problems += problems_of(error, raw, path=path, tasks=tasks, model=model)
            wrong = {str(details["loc"][0]) for details in error.errors() if details["loc"]}
        left = {key: value for key, value in raw.items() if key not in wrong}
        try:
            return model.model_validate(left)
        except ValidationError:
            return None
