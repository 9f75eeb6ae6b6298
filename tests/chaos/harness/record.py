"""The record of all rounds ever played: one line each in a file that is committed, added to and never changed."""

from __future__ import annotations

import json
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.chaos.harness.rounds import Outcome
from tests.support.servers import ROOT

PATH = ROOT / "tests/chaos/ledger.jsonl"


def read(path: Path = PATH) -> list[dict[str, Any]]:
    """Every round on record that counts.

    A round in which the harness itself failed is not taken out of the file: a later line names its release and seed, as
    `{"void": seed, "release": …, "why": …}`, and neither its tasks nor its findings count.
    """
    lines = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
    void = {(line["release"], line["void"]) for line in lines if "void" in line}
    return [line for line in lines if "void" not in line and (line["release"], line["seed"]) not in void]


def add(outcome: Outcome, path: Path = PATH) -> None:
    """Write one round down."""
    line = {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "release": release(),
        "commit": commit(),
        "seed": outcome.plan.seed,
        "seconds": round(outcome.seconds),
        **outcome.verdict.figures(),
        "problems": outcome.verdict.problems[:5],
    }
    with path.open("a") as file:
        file.write(json.dumps(line) + "\n")


def next_seed(first: int, path: Path = PATH) -> int:
    """A seed that no round of this release has had: the rounds go on where they were left."""
    lines = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
    played = [line["seed"] for line in lines if line["release"] == release() and "seed" in line]
    return max([first, *played]) + 1


def release() -> str:
    """The version in pyproject.toml."""
    import tomllib

    return str(tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"])


def commit() -> str:
    """The commit, with a + when the product's files differ from it."""
    head = _git("rev-parse", "--short=12", "HEAD")
    return f"{head}+" if _git("status", "--porcelain", "--", "workflows", "orchestrator", "api") else head


def _git(*arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    return done.stdout.strip()
