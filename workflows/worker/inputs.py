"""What a task gets: its parameters, rendered now as a worker would render them."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from workflows.core.errors import CeleriacError
from workflows.engine import plans
from workflows.engine.rows import Claim
from workflows.models import TaskExecution
from workflows.operators import registry, shell_quoting
from workflows.worker import runner

NOBODY = uuid.UUID(int=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Inputs:
    """The parameters as the document has them, and rendered; None, and why, where they cannot be rendered."""

    written: dict[str, Any]
    rendered: dict[str, Any] | None
    problem: str


def inputs_of(task: TaskExecution, attempt: int) -> Inputs:
    """The inputs of an attempt, from the run's parameters and from what its upstreams have given up to now.

    They are not kept when a task runs: after a surgery on an upstream they are those of the next attempt.
    """
    planned = plans.plan_of(task.run.version_id).tasks[task.position]
    written = dict(planned.parameters)
    if planned.foreach is not None and task.map_index < 0:
        return Inputs(written=written, rendered=None, problem="each of its items has inputs of its own")
    try:
        rendered = runner.rendered(_as_claimed(task, attempt))
        quoted = {name: _quoted(rendered, name) for name in registry.get(planned.type).quote_fields if name in rendered}
        return Inputs(written=written, rendered={**rendered, **quoted}, problem="")
    except (CeleriacError, shell_quoting.Unquotable) as error:
        return Inputs(written=written, rendered=None, problem=str(error))


def _quoted(parameters: Mapping[str, Any], name: str) -> Any:
    """A command with its values quoted, as its shell gets it."""
    text = parameters[name]
    if not isinstance(text, str):
        return text
    first = text.split("\n", 1)[0]
    named = first[2:].strip().split(None, 1) if name == "script" and first.startswith("#!") else []
    interpreter = named or [str(parameters.get("shell", "/bin/sh"))]
    return shell_quoting.quote(text, shell=shell_quoting.interprets(interpreter))


def _as_claimed(task: TaskExecution, attempt: int) -> Claim:
    """What a worker would hold that had claimed the attempt; the token opens nothing."""
    run = task.run
    return Claim(
        execution_id=task.pk,
        run_id=run.pk,
        position=task.position,
        map_index=task.map_index,
        attempt=attempt,
        token=NOBODY,
        failures=task.failures,
        version_id=run.version_id,
        params=run.params,
        logical_date=run.logical_date,
        trigger=run.trigger,
        external_id=run.external_id,
        interval_start=run.interval_start,
        priority=run.priority,
        item=task.item,
    )
