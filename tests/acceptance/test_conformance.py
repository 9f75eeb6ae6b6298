"""Random DAGs on real workers against a pure oracle: same states, each attempt once, nothing before its upstreams."""

from __future__ import annotations

import os
import random
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.dags import random_edges
from tests.support.oracle import Expected, Scripted, expect
from tests.support.stack import Stack
from tests.support.waiting import eventually

DAGS = int(os.environ.get("CELERIAC_CONFORMANCE_DAGS", "300"))
SEED = int(os.environ.get("CELERIAC_CONFORMANCE_SEED", "20261122"))
LIMIT = 240.0  # seconds; the run takes about a quarter of it on two cores
RULES = [
    *["all_success"] * 6,
    *("all_failed", "all_done", "one_success", "one_failed", "none_failed", "none_skipped"),
    *("none_failed_min_one_success", "always"),
]


def scripted(chance: random.Random, most: int = 28) -> list[Scripted]:
    """A random script of at most so many tasks: mixed rules, failures, retries, conditions, branches."""
    edges = random_edges(chance, chance.randint(3, most))
    ids = [f"t{i}" for i in range(len(edges))]
    below: dict[int, list[int]] = {i: [j for j, ups in enumerate(edges) if i in ups] for i in range(len(edges))}
    tasks = []
    for i, ups in enumerate(edges):
        branches: tuple[str, ...] | None = None
        choice = ""
        if len(below[i]) >= 2 and chance.random() < 0.3:
            branches = tuple(ids[j] for j in chance.sample(below[i], chance.randint(2, min(4, len(below[i])))))
            choice = chance.choice([*branches, *([""] if len(branches) > 2 else [])])
        tasks.append(
            Scripted(
                id=ids[i],
                upstream=tuple(ids[u] for u in ups),
                rule=chance.choice(RULES),
                acts=tuple(chance.choice(["ok", "ok", "ok", "fail"]) for _ in range(3))
                if branches is None
                else ("ok",),
                tries=chance.choice([1, 1, 2, 3]),
                condition=branches is not None or chance.random() > 0.1,
                allow_failure=branches is None and chance.random() < 0.1,
                branches=branches,
                choice=choice,
            )
        )
    return tasks


def document(name: str, tasks: list[Scripted]) -> dict[str, Any]:
    """The scripted DAG as a user would write it."""
    return {"id": name, "tasks": {task.id: _task(task) for task in tasks}}


def switch(branches: tuple[str, ...], choice: str) -> dict[str, Any]:
    """Cases and a default that lead to the choice; a case after a true one is true as well, and does not count."""
    *named, last = branches
    chosen = named.index(choice) if choice in named else len(named)
    cases = [{"when": "1 == 1" if at >= chosen else "1 == 2", "task": name} for at, name in enumerate(named)]
    if choice:
        return {"cases": cases, "default": last}
    return {"cases": [*cases, {"when": "false", "task": last}]}


def _task(task: Scripted) -> dict[str, Any]:
    common = {
        "depends_on": list(task.upstream),
        "trigger_rule": task.rule,
        "retry": {"max_attempts": task.tries, "delay": 0},
        "allow_failure": task.allow_failure,
    }
    if task.branches is not None:
        if len(task.branches) > 2:
            return {"type": "switch", **switch(task.branches, task.choice), **common}
        first, second = task.branches
        answer = "1 == 1" if task.choice == first else "1 == 2"
        return {"type": "conditional", "condition": answer, "true_task": first, "false_task": second, **common}
    parameters = {"callable": "tests.support.acts:act", "kwargs": {"acts": list(task.acts)}}
    condition = {} if task.condition else {"condition": "1 > 2"}
    return {"type": "python", "parameters": parameters, **condition, **common}


@pytest.mark.timeout(600)
def test_random_dags_end_as_the_oracle_says(live_stack: Callable[..., Stack], tmp_path: Path) -> None:
    from workflows.engine.launch import launch
    from workflows.engine.publish import publish
    from workflows.models import DagRun

    ledger = tmp_path / "ledger"
    stack = live_stack(
        env={
            "CELERIAC_TEST_LEDGER": str(ledger),
            "CELERIAC_PYTHON_MODULES": "tests.support",
            "CELERIAC_CONFORMANCE": "1",
        }
    )
    chance = random.Random(SEED)
    expected: dict[int, tuple[list[Scripted], Expected]] = {}
    for number in range(DAGS):
        tasks = scripted(chance)
        version = publish(document(f"random_{number}", tasks))
        expected[launch(version).pk] = (tasks, expect(tasks))

    eventually(lambda: not DagRun.objects.unfinished().exists(), LIMIT, saying="runs did not end")
    starts, ends = read(ledger)
    problems = [text for run, (tasks, end) in expected.items() for text in compare(run, tasks, end, starts, ends)]
    executions = sum(starts.values())
    print(f"\nconformance: {DAGS} DAGs, {sum(len(t) for t, _ in expected.values())} tasks, {executions} executions")
    assert not problems, "\n".join(problems[:30])
    audit = stack.manage("check_invariants")
    assert audit.returncode == 0, audit.stdout


Key = tuple[int, str, int]


def read(ledger: Path) -> tuple[Counter[Key], dict[tuple[str, int, str], float]]:
    """How often each attempt started, and the first start and last end of each task."""
    starts: Counter[Key] = Counter()
    times: dict[tuple[str, int, str], float] = {}
    for line in ledger.read_text().splitlines():
        kind, run, task, attempt, at = line.split()
        if kind == "start":
            starts[(int(run), task, int(attempt))] += 1
            times.setdefault(("start", int(run), task), float(at))
        else:
            times[("end", int(run), task)] = float(at)
    return starts, times


def compare(
    run: int,
    tasks: list[Scripted],
    end: Expected,
    starts: Counter[Key],
    times: dict[tuple[str, int, str], float],
) -> list[str]:
    """Everything in which a run differs from what it must be."""
    from workflows.models import DagRun, TaskExecution

    found = []
    state = DagRun.objects.get(pk=run).state
    if state != end.run:
        found.append(f"run {run} is {state}, not {end.run}")
    states = dict(TaskExecution.objects.filter(run_id=run).values_list("task_id", "state"))
    for task in tasks:
        place = f"run {run} {task.id} ({task.rule} of {task.upstream})"
        if states[task.id] != end.states[task.id]:
            found.append(f"{place} is {states[task.id]}, not {end.states[task.id]}")
        if task.branches is None:
            counts = [starts[(run, task.id, n)] for n in range(1, 6)]
            if counts != [1] * end.executions[task.id] + [0] * (5 - end.executions[task.id]):
                found.append(f"{place} ran {counts}, not {end.executions[task.id]} attempts once each")
        found += early(run, task, times, place)
    return found


def early(run: int, task: Scripted, times: dict[tuple[str, int, str], float], place: str) -> list[str]:
    """Upstreams that ended after the task had started; an eager rule needs only one that ended before."""
    started = times.get(("start", run, task.id))
    ended = [times[("end", run, up)] for up in task.upstream if ("end", run, up) in times]
    if started is None or not ended:
        return []
    if task.rule in ("one_success", "one_failed"):
        return [] if len(ended) < len(task.upstream) or min(ended) <= started else [f"{place} was early"]
    return [f"{place} started before an upstream ended"] if max(ended) > started else []
