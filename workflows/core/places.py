"""From a path in the resolved specification back to the place in the document that somebody wrote."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from workflows.core.errors import Problem
from workflows.core.naming import above


@dataclass(slots=True)
class Places:
    """What moved between the document and its specification.

    `moved` maps a path of the specification to the path it was written at (tasks.a.parameters.command was
    tasks.a.command). `listed` maps a task's path to its place in a list of tasks, where its lines are.
    """

    moved: dict[str, str] = field(default_factory=dict)
    listed: dict[str, str] = field(default_factory=dict)

    def locate(self, problems: Iterable[Problem], lines: Mapping[str, tuple[int, int]] | None) -> tuple[Problem, ...]:
        """The problems of the document itself, with lines where those are known."""
        return tuple(self._located(problem, problem.path, lines or {}) for problem in problems)

    def trace_back(
        self, problems: Iterable[Problem], lines: Mapping[str, tuple[int, int]] | None
    ) -> tuple[Problem, ...]:
        """The problems of the specification, with their paths as written and lines where those are known."""
        return tuple(self._located(p, _translated(p.path, self.moved), lines or {}) for p in problems)

    def _located(self, problem: Problem, path: str, lines: Mapping[str, tuple[int, int]]) -> Problem:
        if problem.line is not None or not lines:
            return problem if path == problem.path else replace(problem, path=path)
        real = _translated(path, self.listed)
        while real and real not in lines:
            real = above(real)
        line, column = lines.get(real, (1, 1))
        return replace(problem, path=path, line=line, column=column)


def _translated(path: str, table: Mapping[str, str]) -> str:
    start = path
    while start and table:
        if start in table:
            return table[start] + path[len(start) :]
        start = above(start)
    return path
