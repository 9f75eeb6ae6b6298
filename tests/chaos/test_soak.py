"""Random DAGs under random faults, against the oracle: what a run comes to does not depend on what was killed."""

from __future__ import annotations

import os
import random
import signal
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import psutil
import pytest
import redis

from tests.acceptance.test_conformance import document, read, scripted
from tests.support.oracle import Expected, Scripted, expect
from tests.support.servers import Servers
from tests.support.stack import LiveProcess
from tests.support.staging import Stage
from tests.support.waiting import eventually, stays

SECONDS = float(os.environ.get("CELERIAC_SOAK_SECONDS", "40"))
SEED = int(os.environ.get("CELERIAC_SOAK_SEED", "20261122"))
DAGS_AT_ONCE = 12
WORKERS = 2


def steady(tasks: list[Scripted]) -> list[Scripted]:
    """The same script, but what a task does no longer depends on the number of its attempt: losses change that."""
    return [replace(task, acts=task.acts[:1]) for task in tasks]


def lingering(document: dict[str, Any]) -> dict[str, Any]:
    """The same DAG, of tasks that take long enough to be hit."""
    for task in document["tasks"].values():
        if task["type"] == "python":
            task["parameters"]["callable"] = "tests.support.deeds:linger"
    return document


class Faults:
    """Does harm, one piece at a time, and counts it."""

    def __init__(self, stage: Stage, servers: Servers, chance: random.Random) -> None:
        self.stage, self.servers, self.chance = stage, servers, chance
        self.done: Counter[str] = Counter()
        self.stopping: list[LiveProcess] = []
        self._number = WORKERS
        self.kinds = [self.kill_child] * 5 + [self.kill_worker] * 3 + [self.flush, self.freeze, self.stop_worker]
        self.kinds += [self.restart_postgres, self.restart_valkey, self.kill_reconciler]

    def strike(self) -> None:
        """One fault of a random kind."""
        fault = self.chance.choice(self.kinds)
        fault()
        self.done[fault.__name__] += 1
        self.supervise()

    def supervise(self) -> None:
        """Keep two workers that are not about to end, and a reconciler, as a supervisor does."""
        for _ in range(WORKERS - len(self._workers())):
            self._number += 1
            self.stage.stack.worker(f"worker{self._number}", wait=False)

    def _workers(self) -> list[LiveProcess]:
        found = [p for p in self.stage.stack.processes if p.name.startswith("worker") and p.alive()]
        return [worker for worker in found if worker not in self.stopping]

    def alive(self) -> list[str]:
        """The processes that live, with the last line of their logs."""
        processes = [p for p in self.stage.stack.processes if p.alive()]
        return [f"{p.name} {len(p.children())}: {p.log().splitlines()[-1:]}" for p in processes]

    def kill_child(self) -> None:
        children = [child for worker in self._workers() for child in worker.process.children()]
        if children:
            with_suppress(lambda: self.chance.choice(children).kill())

    def kill_worker(self) -> None:
        if workers := self._workers():
            self.chance.choice(workers).kill()

    def stop_worker(self) -> None:
        if workers := self._workers():
            self.stopping.append(self.chance.choice(workers))
            self.stopping[-1].process.terminate()

    def freeze(self) -> None:
        if workers := self._workers():
            worker = self.chance.choice(workers)
            frozen = [worker.process, *worker.children()]
            for process in frozen:
                with_suppress(lambda process=process: process.send_signal(signal.SIGSTOP))
            stays(lambda: True, 4.0)
            for process in frozen:
                with_suppress(lambda process=process: process.send_signal(signal.SIGCONT))

    def flush(self) -> None:
        client = redis.Redis.from_url(self.stage.stack.broker_url)
        client.flushall()
        client.close()

    def restart_postgres(self) -> None:
        self.servers.postgres.kill()
        self.servers.postgres.start()

    def restart_valkey(self) -> None:
        self.servers.valkey.kill()
        self.servers.valkey.start()

    def kill_reconciler(self) -> None:
        self.stage.stack["reconciler"].kill()
        self.stage.stack["reconciler"].start()


def with_suppress(act: Callable[[], Any]) -> None:
    """The process may be gone already."""
    try:
        act()
    except psutil.NoSuchProcess:
        return


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_random_dags_come_to_the_same_end_whatever_is_killed(stage_of: Callable[..., Stage], servers: Servers) -> None:
    from workflows.engine.launch import launch
    from workflows.engine.publish import publish

    stage = stage_of(workers=WORKERS, MAX_LOST_ATTEMPTS=1000)
    chance = random.Random(SEED)
    faults = Faults(stage, servers, chance)
    expected: dict[int, tuple[list[Scripted], Expected]] = {}
    until = time.monotonic() + SECONDS
    while time.monotonic() < until:
        open_runs = [run for run in expected if stage.state(run) in ("running", "pending", "")]
        while len(open_runs) < DAGS_AT_ONCE:
            tasks = steady(scripted(chance))
            version = publish(lingering(document(f"soak_{len(expected)}", tasks)))
            run = launch(version).pk
            expected[run] = (tasks, expect(tasks))
            open_runs.append(run)
        stays(lambda: True, chance.uniform(0.2, 1.2))
        faults.strike()
        eventually(lambda: stage.state(next(iter(expected))), 20)
    faults.supervise()
    late = [run for run in expected if stage.state(run) == "running"]
    eventually(
        lambda: not [run for run in late if stage.state(run) == "running"],
        90,
        every=0.5,
        saying=lambda: f"faults {dict(faults.done)}\n{faults.alive()}\n{stage.report()}",
    )
    problems = [text for run, (tasks, end) in expected.items() for text in different(stage, run, tasks, end)]
    starts, _ = read(stage.ledger)
    count, attempts = sum(len(tasks) for tasks, _ in expected.values()), claimed()
    problems += [f"{place} ran {times} times" for place, times in starts.items() if times > 1]
    problems += [f"{place} ran without an attempt" for place in starts if place not in attempts]
    print(f"\nsoak: {len(expected)} DAGs, {count} tasks, {sum(starts.values())} executions, faults {dict(faults.done)}")
    print(f"attempts by their end: {dict(Counter(attempts.values()))}")
    assert not problems, "\n".join(problems[:30])
    stage.audit(*expected)
    assert not stage.orphans()


def claimed() -> dict[tuple[int, str, int], str]:
    """Every attempt there was, and how it ended."""
    from workflows.models import TaskAttempt

    rows = TaskAttempt.objects.values_list("task_execution__run_id", "task_execution__task_id", "number", "end")
    return {(run, task, number): end for run, task, number, end in rows}


def different(stage: Stage, run: int, tasks: list[Scripted], end: Expected) -> list[str]:
    """Where a run's end is not what the oracle says."""
    found = [] if stage.state(run) == end.run else [f"run {run} is {stage.state(run)}, not {end.run}"]
    states = {task: state.split("/")[0] for task, state in stage.tasks(run).items()}
    return found + [
        f"run {run} {task.id} is {states[task.id]}, not {end.states[task.id]}"
        for task in tasks
        if states[task.id] != end.states[task.id]
    ]
