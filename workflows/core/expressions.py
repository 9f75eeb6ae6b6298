"""Conditions: a Jinja expression written without braces, which says yes or no."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from workflows.core import templating
from workflows.core.errors import RenderError

_MAX_LENGTH = 10_000


def bare(condition: str) -> str:
    """The condition without the braces that people write around it out of habit."""
    text = condition.strip()
    inner = text[2:-2]
    if text.startswith("{{") and text.endswith("}}") and "}}" not in inner and "{{" not in inner:
        return inner.strip()
    return text


def as_template(condition: str) -> str:
    """The condition as the template that has the same value."""
    return "{{ " + bare(condition) + " }}"


def analyse(condition: str) -> templating.Analysis:
    """Read a condition without running it."""
    text = bare(condition)
    if not text:
        return templating.Analysis(problem="is empty")
    if len(text) > _MAX_LENGTH:
        return templating.Analysis(problem=f"is longer than {_MAX_LENGTH:,} characters")
    analysis = templating.analyse(as_template(text))
    if analysis.problem is None and not analysis.single:
        return templating.Analysis(problem="must be one expression, such as params.rows > 100")
    return analysis


def syntax_problem(condition: str) -> str | None:
    """What is wrong with a condition, in words, or None."""
    return analyse(condition).problem


def evaluate(condition: str, context: Mapping[str, Any]) -> bool:
    """Whether the condition holds. Raises RenderError.

    Values count as they do in Python (0, "", [] and null are false), except that the texts "true" and
    "false", which commands print, mean what they say.
    """
    problem = syntax_problem(condition)
    if problem:
        raise RenderError(expression=condition, why=problem)
    value = templating.render(as_template(condition), context)
    if isinstance(value, str) and value.strip().lower() in ("true", "false"):
        return value.strip().lower() == "true"
    return bool(value)
