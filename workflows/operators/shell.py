"""The shell task type: a command or a script; values go in by the environment, JSON comes out by a file."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from workflows.conf import conf
from workflows.core.outcome import Done, Fail, Json, Outcome, Skip
from workflows.core.states import Reason
from workflows.operators import process, scratch, shell_quoting
from workflows.operators.base import QUOTED, Context, OperatorType, Parameters

COMMAND_MAX_BYTES = 100_000  # above, the command goes through a file: one argument may not be longer than 128 KiB


def _variable(name: str) -> str:
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
        raise ValueError("a variable name has letters, digits and underscores, and no digit first")
    if name.startswith("CELERIAC_"):
        raise ValueError("names that begin with CELERIAC_ are the worker's own")
    return name


Variable = Annotated[str, AfterValidator(_variable)]


class ShellParameters(Parameters):
    """What a shell task takes: a command or a script, not both."""

    command: str | None = Field(
        default=None,
        title="Command",
        description="One command line. The value of every {{ expression }} is quoted for where it "
        "stands, so it cannot add commands.",
        examples=["wc -l {{ params.file }}", 'echo "$GREETING"'],
        json_schema_extra=QUOTED,
    )
    script: str | None = Field(
        default=None,
        title="Script",
        description="Several lines, run from a private file; a first line with #! chooses the interpreter. "
        "Values of expressions are quoted as for a command.",
        examples=["#!/usr/bin/env bash\nset -euo pipefail\ngit log --oneline | wc -l"],
        json_schema_extra=QUOTED,
    )
    shell: str = Field(
        default="/bin/sh",
        min_length=1,
        title="Shell",
        description="What runs the command, or a script without #!.",
        examples=["/bin/sh", "/bin/bash"],
    )
    env: dict[Variable, Any] = Field(
        default_factory=dict,
        title="Environment",
        description="Variables for the command: the safe way to hand values over. Lists and maps arrive as JSON.",
        examples=[{"DAY": "{{ params.day }}"}],
    )
    cwd: str | None = Field(
        default=None,
        title="Directory",
        description="Where to run. Relative to where the worker runs; empty: a new directory that is "
        "removed afterwards.",
        examples=["/srv/reports"],
    )
    success_codes: list[int] = Field(
        default=[0],
        min_length=1,
        title="Success codes",
        description="Exit codes that count as success.",
        examples=[[0, 1]],
    )
    skip_codes: list[int] = Field(
        default=[],
        title="Skip codes",
        description="Exit codes that mark the task as skipped.",
        examples=[[99]],
    )
    output: Literal["json", "text", "none"] = Field(
        default="json",
        title="Output",
        description="json: what the command writes to the file named in $CELERIAC_OUTPUT; text: its "
        "standard output; none. "
        "The task's output is {exit_code, json} or {exit_code, text}.",
    )

    @model_validator(mode="after")
    def _one_of_two(self) -> Self:
        if (self.command is None) == (self.script is None):
            raise ValueError("give either command or script")
        return self


def run(ctx: Context[ShellParameters]) -> Outcome:
    """Run the command under the warden; its exit code decides the outcome."""
    given = ctx.parameters
    heard = Heard(ctx, keep_stdout=given.output == "text")
    with scratch.directory(ctx) as folder:
        output = folder / "output.json"
        work = folder / "work"
        work.mkdir(mode=0o700)
        try:
            command = command_line(given, folder)
        except shell_quoting.Unquotable as error:
            return Fail(message=str(error), reason=Reason.BAD_INPUT, permanent=True)
        ended = process.run(
            command,
            env=scratch.environment(ctx, output, given.env),
            cwd=given.cwd or str(work),
            scratch=str(folder),
            timeout=ctx.task.timeout,
            on_text=heard,
        )
        return outcome(given, ended, heard, output)


def command_line(given: ShellParameters, folder: Path) -> list[str]:
    """The argument vector; a script's #! line is obeyed here, so that a directory mounted noexec will do."""
    text = given.script if given.script is not None else given.command or ""
    first = text.split("\n", 1)[0] if given.script is not None else ""
    named = first[2:].strip().split(None, 1) if first.startswith("#!") else []
    interpreter = named or [given.shell]
    text = shell_quoting.quote(text, shell=shell_quoting.interprets(interpreter))
    if given.command is not None and len(text.encode()) <= COMMAND_MAX_BYTES:
        return [given.shell, "-c", text]
    return [*interpreter, str(scratch.write_private(folder / "script", text))]


class Heard:
    """Passes a command's output on to the log; keeps the end of stderr, and stdout (bounded) if asked to."""

    def __init__(self, ctx: Context[Any], *, keep_stdout: bool) -> None:
        self._ctx = ctx
        self._kept: list[str] | None = [] if keep_stdout else None
        self._limit = int(conf.OUTPUT_MAX_BYTES)
        self._size = 0
        self._tail = ""

    def __call__(self, text: str, stream: str) -> None:
        self._ctx.log.write(text, stream=stream)
        if stream == "stderr":
            self._tail = (self._tail + text)[-1000:]
        elif self._kept is not None and self._size <= self._limit:
            self._size += len(text.encode())
            self._kept.append(text)

    @property
    def overflowed(self) -> bool:
        """Whether stdout was more than an output may hold."""
        return self._size > self._limit

    @property
    def text(self) -> str:
        """What was written to stdout, without the newlines at its end."""
        return "".join(self._kept or []).rstrip("\n")

    @property
    def last_words(self) -> str:
        """The last line on stderr that says something."""
        lines = [line.strip() for line in self._tail.splitlines() if line.strip()]
        return lines[-1][:300] if lines else ""


def outcome(given: ShellParameters, ended: process.Ended, heard: Heard, output: Path) -> Outcome:
    """What the end of the command means for the task."""
    if ended.error:
        return Fail(message=f"The command {ended}", reason=Reason.ERROR)
    if ended.timed_out:
        return Fail(message="The command ran out of time and was stopped", reason=Reason.TIMED_OUT)
    if ended.code in given.skip_codes:
        return Skip()
    if ended.code not in given.success_codes:
        return Fail(message=": ".join(part for part in (f"The command ended: {ended}", heard.last_words) if part))
    if given.output == "none":
        return Done(output={"exit_code": ended.code})
    if given.output == "text":
        if heard.overflowed:
            return scratch.too_large(int(conf.OUTPUT_MAX_BYTES))
        return Done(output={"exit_code": ended.code, "text": heard.text})
    value: Json
    value, failure = scratch.read_output(output)
    return failure or Done(output={"exit_code": ended.code, "json": value})


OPERATOR = OperatorType(
    name="shell",
    title="Shell",
    description="Run a command or a script on a worker.",
    icon="terminal",
    parameters=ShellParameters,
    run=run,
    quote_fields=frozenset({"command", "script"}),
    quote=shell_quoting.enclose,
)
