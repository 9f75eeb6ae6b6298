"""Run an inline script in an interpreter of its own, under the warden."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from workflows.conf import conf
from workflows.core.outcome import Done, Fail, Json, Outcome, Retry, Skip
from workflows.core.states import Reason
from workflows.operators import process, scratch
from workflows.operators.base import Context
from workflows.operators.python.parameters import PythonParameters

PRELUDE = Path(__file__).with_name("prelude.py")


def run(ctx: Context[PythonParameters]) -> Outcome:
    """Hand the script its arguments in a file, and read its output and verdict from files."""
    if not conf.PYTHON_INLINE:
        return Fail(
            message="Inline scripts are switched off (setting PYTHON_INLINE); use a callable",
            reason=Reason.BAD_INPUT,
            permanent=True,
        )
    given = ctx.parameters
    with scratch.directory(ctx) as folder:
        output, verdict, work = folder / "output.json", folder / "verdict.json", folder / "work"
        work.mkdir(mode=0o700)
        names = {"args": given.args, "kwargs": given.kwargs, "context": ctx.plain()}
        script = scratch.write_private(folder / "script.py", given.script or "")
        arguments = scratch.write_private(folder / "given.json", json.dumps(names))
        ended = process.run(
            [sys.executable, "-I", "-u", str(PRELUDE), *map(str, (script, arguments, output, verdict))],
            env=scratch.environment(ctx, output, given.env),
            cwd=str(work),
            scratch=str(folder),
            timeout=ctx.task.timeout,
            on_text=lambda text, stream: ctx.log.write(text, stream=stream),
        )
        return outcome(ended, output, verdict)


def outcome(ended: process.Ended, output: Path, verdict: Path) -> Outcome:
    """What the end of the script means for the task."""
    if ended.timed_out:
        return Fail(message="The script ran out of time and was stopped", reason=Reason.TIMED_OUT)
    said, _ = scratch.read_output(verdict)
    if isinstance(said, dict):
        return spoken(said)
    if ended.error or ended.code != 0:
        return Fail(message=f"The script ended: {ended}")
    value, failure = scratch.read_output(output)
    return failure or Done(output=value)


def spoken(said: dict[str, Json]) -> Outcome:
    """The outcome of a verdict that the prelude wrote."""
    message = str(said.get("message", ""))
    match said.get("kind"):
        case "skip":
            return Skip()
        case "retry":
            return Retry(message=message, after=said.get("after"))
        case _:
            return Fail(message=message, permanent=bool(said.get("permanent")))
