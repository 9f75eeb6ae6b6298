"""`python -m tests.mutation.run [core] [sql]`: make each small wrong in turn and see whether the tests notice.

Works in a copy of the checkout. Prints what survived, and the share that was noticed; exit 1 below --floor.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import hypothesis.strategies  # noqa: F401  # loaded once, for the forks
import pytest

from tests.mutation.mutants import ROOT, Mutant, of_python, of_sql

CORE = ("workflows/core/joins.py", "workflows/core/decide.py")
CORE_TESTS = ("tests/unit/core/test_joins.py", "tests/unit/core/test_decide.py")
ENGINE = "tests/integration/engine"
SQL_TESTS = (
    *(f"{ENGINE}/test_{name}.py" for name in ("transitions", "reconcile", "mapped", "limits", "surgery", "waits")),
    *(f"{ENGINE}/test_{name}.py" for name in ("interleavings", "interleaved_surgery", "subdag")),
    "tests/chaos/test_fencing.py",
)
LEFT_OUT = shutil.ignore_patterns(".git", ".venv", "node_modules", "__pycache__", ".*_cache", ".hypothesis", "results")


def mutants(group: str) -> Iterator[Mutant]:
    """The mutants of a group."""
    if group == "core":
        for name in CORE:
            yield from of_python(ROOT / name)
    else:
        for path in sorted((ROOT / "workflows/engine/transitions").glob("*.py")):
            yield from of_sql(path)


def survives(copy: Path, mutant: Mutant, tests: tuple[str, ...]) -> bool:
    """Whether the tests pass with the mutant in place."""
    place = copy / mutant.path.relative_to(ROOT)
    place.write_text(mutant.source)
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:randomly", "-p", "no:cacheprovider"]
    options = ["-m", "not slow", "--timeout", "120", *tests]
    env = os.environ | {"PYTHONPATH": str(copy), "PYTHONDONTWRITEBYTECODE": "1"}
    try:
        return not subprocess.run([*command, *options], cwd=copy, env=env, capture_output=True, timeout=900).returncode
    finally:
        shutil.copyfile(mutant.path, place)


QUICKLY = ("-c", "/dev/null", "--noconftest", "-p", "no:django", "-p", "no:xdist", "--import-mode=importlib")


def survives_quickly(copy: Path, mutant: Mutant, tests: tuple[str, ...]) -> bool:
    """The same for tests that need neither Django nor servers: in a fork of this process, which has pytest loaded."""
    place = copy / mutant.path.relative_to(ROOT)
    place.write_text(mutant.source)
    child = os.fork()
    if not child:
        silence = os.open(os.devnull, os.O_WRONLY)
        os.dup2(silence, 1)
        os.dup2(silence, 2)
        os.chdir(copy)
        sys.path.insert(0, str(copy))
        options = ["-x", "-q", "-p", "no:randomly", "-p", "no:cacheprovider", *QUICKLY, f"--rootdir={copy}"]
        os._exit(int(pytest.main([*options, *tests])))
    code = os.waitpid(child, 0)[1]
    shutil.copyfile(mutant.path, place)
    return code == 0


def main() -> int:
    """Run the groups that were asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("groups", nargs="*", choices=["core", "sql"], default=[])
    parser.add_argument("--floor", type=float, default=0.9, help="the share that must be noticed (0.9)")
    parser.add_argument("--only", default="", help="mutants whose name contains this")
    asked = parser.parse_args()
    survivors, count, at = [], 0, time.monotonic()
    with tempfile.TemporaryDirectory(prefix="mutants-") as directory:
        copy = Path(directory) / "checkout"
        shutil.copytree(ROOT, copy, ignore=LEFT_OUT)
        whole = Mutant(path=ROOT / CORE[0], line=0, what="nothing", source=(ROOT / CORE[0]).read_text())
        assert survives_quickly(copy, whole, CORE_TESTS), "the tests fail without any mutant"
        for group in asked.groups or ["core", "sql"]:
            for mutant in mutants(group):
                if asked.only in mutant.name:
                    count += 1
                    core = group == "core"
                    lives = (survives_quickly if core else survives)(copy, mutant, CORE_TESTS if core else SQL_TESTS)
                    survivors += [mutant.name] if lives else []
                    print("SURVIVED" if lives else "noticed ", mutant.name, flush=True)
    share = 1 - len(survivors) / max(count, 1)
    print(f"{count - len(survivors)} of {count} noticed ({share:.1%}) in {time.monotonic() - at:.0f} s")
    return int(share < asked.floor)


if __name__ == "__main__":
    raise SystemExit(main())
