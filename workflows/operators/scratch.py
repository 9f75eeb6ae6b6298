"""What a child of a task is given: a private directory, and an environment without the worker's secrets."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from workflows.conf import conf
from workflows.core.outcome import Fail, Json
from workflows.core.states import Reason
from workflows.operators.base import Context


@contextmanager
def directory(ctx: Context[Any]) -> Iterator[Path]:
    """A directory of mode 0700 for one attempt, removed at its end."""
    path = Path(tempfile.mkdtemp(prefix="celeriac-", dir=ctx.workdir))
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


def environment(ctx: Context[Any], output: Path, extra: Mapping[str, Json]) -> dict[str, str]:
    """The child's whole environment: the names of SHELL_ENV, the task's identity, and `extra`."""
    env = {name: os.environ[name] for name in conf.SHELL_ENV if name in os.environ}
    date = ctx.run.logical_date
    env |= {
        "CELERIAC_DAG_ID": ctx.run.dag_id,
        "CELERIAC_RUN_ID": str(ctx.run.id),
        "CELERIAC_TASK_ID": ctx.task.id,
        "CELERIAC_ATTEMPT": str(ctx.task.attempt),
        "CELERIAC_LOGICAL_DATE": date.isoformat() if date else "",
        "CELERIAC_PARAMS": json.dumps(ctx.run.params),
        "CELERIAC_IDEMPOTENCY_KEY": ctx.idempotency_key,
        "CELERIAC_OUTPUT": str(output),
    }
    return env | {name: as_text(value) for name, value in extra.items()}


def as_text(value: Json) -> str:
    """A JSON value as an environment variable: text as it is, nothing for null, JSON for the rest."""
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value)


def write_private(path: Path, text: str) -> Path:
    """Write a file of mode 0700."""
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o700), "w", encoding="utf-8") as file:
        file.write(text)
    return path


def read_output(path: Path) -> tuple[Json, Fail | None]:
    """The JSON a child left in its output file, or why it cannot be used; None when it left nothing."""
    limit = int(conf.OUTPUT_MAX_BYTES)
    try:
        with path.open("rb") as file:
            data = file.read(limit + 1)
    except FileNotFoundError:
        return None, None
    except OSError as error:
        return None, Fail(message=f"The output file cannot be read: {error.strerror}")
    if len(data) > limit:
        return None, too_large(limit)
    if not data.strip():
        return None, None
    try:
        return json.loads(data, parse_constant=_refuse), None
    except (ValueError, RecursionError) as error:
        return None, Fail(message=f"The output file is not JSON: {error}")


def too_large(limit: int) -> Fail:
    """The failure of an output above OUTPUT_MAX_BYTES."""
    return Fail(message=f"The output is larger than {limit} bytes", reason=Reason.OUTPUT_TOO_LARGE)


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")
