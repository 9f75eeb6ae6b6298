"""Runs a script in an interpreter of its own: `python -I prelude.py SCRIPT GIVEN OUTPUT VERDICT`.

GIVEN is a JSON file {args, kwargs, context}. The script's variable `output` goes to OUTPUT as JSON; an
exception's verdict (skip, retry, fail) goes to VERDICT. Imports nothing of ours: the script may use any
version of anything.
"""

from __future__ import annotations

import json
import linecache
import os
import sys
import traceback
from typing import Any


class TaskFailed(Exception):
    """Raise to fail the task with this message; a permanent failure is not retried."""

    def __init__(self, message: str = "The task failed", *, permanent: bool = False) -> None:
        super().__init__(message)
        self.verdict = {"kind": "fail", "message": message, "permanent": permanent}


class TaskSkipped(Exception):
    """Raise to have the task skipped."""

    def __init__(self, message: str = "The task skipped itself") -> None:
        super().__init__(message)
        self.verdict = {"kind": "skip", "message": message}


class RetryLater(Exception):
    """Raise to have the task tried again, after so many seconds (None: what its retry policy says)."""

    def __init__(self, after: float | None = None, message: str = "The task asked to be tried again") -> None:
        super().__init__(message)
        self.verdict = {"kind": "retry", "message": message, "after": after}


def write(path: str, value: Any) -> None:
    """Write JSON to a file."""
    text = json.dumps(value, allow_nan=False)
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


def show(error: BaseException) -> None:
    """Print the traceback from the script's first line on, without ours."""
    frames = traceback.TracebackException.from_exception(error)
    frames.stack = traceback.StackSummary.from_list(f for f in frames.stack if f.filename != __file__)
    sys.stderr.write("".join(frames.format()))


def main(script: str, given: str, output: str, verdict: str) -> int:
    """Run the script; 0 when it ended well."""
    with open(given, encoding="utf-8") as file:
        names = json.load(file)
    os.unlink(given)
    with open(script, encoding="utf-8") as file:
        source = file.read()
    linecache.cache["script"] = (len(source), None, source.splitlines(keepends=True), "script")
    sys.argv = ["script"]
    space = {"__name__": "__main__", "__file__": script, "output": None, **names}
    space |= {"TaskFailed": TaskFailed, "TaskSkipped": TaskSkipped, "RetryLater": RetryLater}
    try:
        exec(compile(source, "script", "exec"), space)  # noqa: S102
    except (TaskFailed, TaskSkipped, RetryLater) as error:
        write(verdict, error.verdict)
        return 1
    except Exception as error:
        show(error)
        write(verdict, {"kind": "error", "message": f"{type(error).__name__}: {error}"})
        return 1
    if space.get("output") is None:
        return 0  # the script may have written $CELERIAC_OUTPUT itself
    try:
        write(output, space["output"])
    except (TypeError, ValueError, RecursionError) as error:
        kind = type(space["output"]).__name__
        message = f"The variable `output` ({kind}) is not JSON: {error}"
        write(verdict, {"kind": "fail", "message": message, "permanent": True})
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:5]))
