"""Errors and problems. The docstring of an error class is its message, with the fields it names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


class CeleriacError(Exception):
    """Something went wrong in Celeriac."""

    def __init__(self, **facts: Any) -> None:
        self.facts = facts
        super().__init__(self.message())

    def message(self) -> str:
        """The message of its class, with the facts filled in."""
        return text_of(type(self)).format(**self.facts)


def text_of(error: type[CeleriacError]) -> str:
    """The class docstring's first paragraph as one line, with the names of the facts."""
    text = (error.__doc__ or "").strip().partition("\n\n")[0]
    return " ".join(text.split())


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing that is wrong with a document.

    `path` is where: keys joined by dots and [indexes]. `code` is stable and lower_snake_case. `line` and `column` count
    from 1 and are known for YAML and JSON text only. `tasks` are the ids involved.
    """

    code: str
    path: str
    message: str
    tasks: tuple[str, ...] = ()
    line: int | None = None
    column: int | None = None

    def __str__(self) -> str:
        at = f"line {self.line}: " if self.line else ""
        return f"{at}{self.path or '(document)'}: {self.message} [{self.code}]"


class InvalidDocument(CeleriacError):
    """The document has {count} problem(s): {summary}"""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        self.problems = problems
        summary = "; ".join(str(p) for p in problems[:5])
        super().__init__(count=len(problems), summary=summary)


class UnknownDag(CeleriacError):
    """There is no DAG {dag_id!r}."""


class VersionConflict(CeleriacError):
    """The DAG {dag_id!r} is at version {current} now, not at {base}: somebody else published meanwhile."""


class NothingToDo(CeleriacError):
    """There is nothing to do in run {run_id}: none of its tasks is in a state that this would change."""


class TasksAtWork(CeleriacError):
    """Run {run_id} still works on what would have to run again: {tasks}. Wait until they have settled, or cancel the
    run first."""


class OtherGraph(CeleriacError):
    """Run {run_id} cannot go on with version {number}: {why}. Its tasks and edges must be those of version {current};
    start a new run instead."""


class NotOver(CeleriacError):
    """Run {run_id} still goes on: it can be moved to version {number} once it is over."""


class PartOfAnotherRun(CeleriacError):
    """Run {run_id} was a sub-DAG of run {parent_run}: run task {task_id!r} of that run again instead."""


class UnknownPool(CeleriacError):
    """There is no pool {name!r}."""


class PoolExists(CeleriacError):
    """There is a pool {name!r} already."""


class BadPool(CeleriacError):
    """The pool {name!r} cannot be so: {why}"""


class UnknownVersion(CeleriacError):
    """DAG {dag_id!r} has no version {number}."""


class UnknownTemplate(CeleriacError):
    """There is no template {name!r}."""


class NotFromTemplate(CeleriacError):
    """DAG {dag_id!r} was not made from template {name!r}, which would replace its document: adopt it if you mean to."""


class TemplateInUse(CeleriacError):
    """Template {name!r} has made {count} DAG(s), {dags}: say that they are to stay without it."""


class UnknownRun(CeleriacError):
    """There is no run {run_id}."""


class RunIsOver(CeleriacError):
    """Run {run_id} has ended as {state}."""


class UnknownTask(CeleriacError):
    """Run {run_id} has no task {task_id!r}."""


class NoVersion(CeleriacError):
    """DAG {dag_id!r} has no version to run yet."""


class DagPaused(CeleriacError):
    """DAG {dag_id!r} is paused; resume it first."""


class BadParams(CeleriacError):
    """The parameters do not fit DAG {dag_id!r}: {summary}"""

    def __init__(self, *, dag_id: str, problems: tuple[Problem, ...]) -> None:
        self.problems = problems
        super().__init__(dag_id=dag_id, summary="; ".join(f"{p.path}: {p.message}" for p in problems))


class RenderError(CeleriacError):
    """{expression} cannot be rendered: {why}"""

    def __init__(self, *, expression: str, why: str) -> None:
        self.expression = expression
        self.why = why
        shown = expression if len(expression) <= 200 else expression[:199] + "…"
        super().__init__(expression=shown, why=why)


class UnknownApproval(CeleriacError):
    """There is no approval {approval_id}."""


class ApprovalClosed(CeleriacError):
    """Approval {approval_id} is closed: it was answered before, or its task no longer waits for it."""


class UnknownCallback(CeleriacError):
    """There is no callback {callback_id}."""


class MayNotAnswer(CeleriacError):
    """{user!r} may not answer approval {approval_id}."""


class LostClaim(CeleriacError):
    """Another worker holds task execution {task_execution_id}; this result is discarded."""


class NoSchedule(CeleriacError):
    """DAG {dag_id!r} has no schedule."""


class BadSignature(CeleriacError):
    """The request is not signed as it has to be."""


class StaleSignature(CeleriacError):
    """The request was signed {seconds:g} s ago or longer, or in the future: clocks differ, or it is a repetition."""


class IdempotencyConflict(CeleriacError):
    """The external id {external_id!r} was already used for a run with other parameters (run {run_id})."""


class UnknownBackfill(CeleriacError):
    """There is no backfill {backfill_id}."""


class BadBackfill(CeleriacError):
    """The backfill cannot be started: {why}."""


class NoDates(CeleriacError):
    """DAG {dag_id!r} {why}: give an interval from date to date."""


class TooManyDates(CeleriacError):
    """The range has more than {most} dates (BACKFILL_MAX_DATES): take a shorter one."""


class DagHasRuns(CeleriacError):
    """DAG {dag_id!r} has {count} run(s) that have not ended ({runs}): wait for them, or have them cancelled."""


class RunGoesOn(CeleriacError):
    """Run {run_id} has not ended: cancel it first."""


class PartOfRun(CeleriacError):
    """Run {run_id} is a part of run {parent}: delete that one."""
