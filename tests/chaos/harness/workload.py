"""The work: random DAGs from a seed, and a thread that keeps so many runs of them going."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import httpx
from django.db import Error as DatabaseError
from django.db import connections

from tests.acceptance.test_conformance import scripted, switch
from tests.chaos.harness.history import History
from tests.chaos.harness.steps import SHELL
from tests.support.oracle import Scripted

CHILDREN = {"child_ok": "ok", "child_bad": "fail"}
QUICK, SLOW, SHELLS, CHILD, MAPPED, WAIT = "quick", "slow", "shell", "child", "mapped", "wait"
SILENT = (CHILD, WAIT)  # kinds that leave no line in the ledger


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """One task of a script: what it does, and how it is carried out."""

    task: Scripted
    kind: str = QUICK
    seconds: float = 0.0
    at_most_once: bool = False
    priority: int = 5
    items: int = 0  # of a mapped task


Script = dict[str, Work]  # by task id, upstreams before their downstream


def scripts(chance: random.Random, count: int) -> dict[str, Script]:
    """The DAGs of a round, by id."""
    made: dict[str, Script] = {}
    for number in range(count):
        tasks = (_calmer(chance, task) for task in scripted(chance))
        made[f"chaos_{number}"] = {task.id: _work(chance, task) for task in tasks}
    for name, act in CHILDREN.items():
        first = Scripted(id="t0", upstream=(), acts=("ok",))
        last = Scripted(id="t1", upstream=("t0",), acts=(act,))
        made[name] = {"t0": Work(task=first), "t1": Work(task=last, seconds=0.05)}
    return made


def _calmer(chance: random.Random, task: Scripted) -> Scripted:
    """The same task, but less given to failures and skips, which leave most of a DAG without anything to do."""
    acts = tuple("ok" if act == "fail" and chance.random() < 0.6 else act for act in task.acts)
    rule = task.rule if chance.random() < 0.4 else chance.choice(["all_done", "none_failed"])
    return replace(task, acts=acts, rule=rule, condition=task.condition or chance.random() < 0.5)


def _work(chance: random.Random, task: Scripted) -> Work:
    draw = chance.random()
    priority = chance.choice([5, 5, 5, 2, 8])
    if task.branches is not None or draw < 0.78:
        return Work(task=task, seconds=chance.choice([0.0, 0.0, 0.01, 0.03]), priority=priority)
    # Its act must not depend on the attempt: a lost one would count.
    steady = replace(task, acts=task.acts[:1], tries=1)
    if draw < 0.80:
        return Work(task=replace(steady, acts=("ok",)), kind=WAIT, priority=priority)
    if draw < 0.83:
        return Work(task=steady, kind=MAPPED, items=chance.randint(1, 6), seconds=0.05, priority=priority)
    if draw < 0.87:
        return Work(task=steady, kind=CHILD, priority=priority)
    if draw < 0.90:
        return Work(task=steady, kind=SHELLS, priority=priority)
    if draw < 0.94:
        return Work(task=steady, at_most_once=True, seconds=0.1, priority=priority)
    return Work(task=task, kind=SLOW, seconds=chance.uniform(0.3, 1.5), priority=priority)


def size(script: Script) -> int:
    """How many task executions a run has if every mapped task comes to its items."""
    return len(script) + sum(work.items for work in script.values())


def document(name: str, script: Script) -> dict[str, Any]:
    """The DAG as a user would write it."""
    spec: dict[str, Any] = {"id": name}
    if any(work.kind == MAPPED for work in script.values()):
        spec["config"] = {"max_parallel_tasks": 4}
    return {**spec, "tasks": {task: {**_body(work), **_fields(work)} for task, work in script.items()}}


def _fields(work: Work) -> dict[str, Any]:
    task = work.task
    fields: dict[str, Any] = {
        "depends_on": list(task.upstream),
        "trigger_rule": task.rule,
        "retry": {"max_attempts": task.tries, "delay": 0},
        "allow_failure": task.allow_failure,
        "at_most_once": work.at_most_once,
        "priority": work.priority,
    }
    if work.items:
        fields |= {"foreach": list(range(work.items)), "foreach_concurrency": 3}
    return fields if task.condition or task.branches else {**fields, "condition": "1 > 2"}


def _body(work: Work) -> dict[str, Any]:
    task = work.task
    if task.branches is not None:
        if len(task.branches) > 2:
            return {"type": "switch", **switch(task.branches, task.choice)}
        first, second = task.branches
        answer = "1 == 1" if task.choice == first else "1 == 2"
        return {"type": "conditional", "condition": answer, "true_task": first, "false_task": second}
    if work.kind == CHILD:
        return {"type": "subdag", "parameters": {"dag_id": "child_ok" if task.acts[0] == "ok" else "child_bad"}}
    if work.kind == SHELLS:
        script = SHELL if task.acts[0] == "ok" else f"{SHELL}exit 3\n"
        return {"type": "shell", "parameters": {"script": script, "env": {"LEDGER": "{{ params.ledger }}"}}}
    if work.kind == WAIT:
        return {"type": "wait", "parameters": {"for": 0.2}}
    kwargs: dict[str, Any] = {"acts": list(task.acts), "seconds": work.seconds}
    if work.kind == SLOW:
        kwargs["more"] = 3.0  # so that one who thaws finds its task at work elsewhere
    return {"type": "python", "parameters": {"callable": "tests.chaos.harness.steps:step", "kwargs": kwargs}}


@dataclass
class Load:
    """Keeps runs going until it is told to stop. What the doors accepted is in `accepted`: external id to DAG."""

    scripts: dict[str, Script]
    chance: random.Random
    history: History
    ledger: str
    open_runs: int
    url: Callable[[], str]
    token: str
    accepted: dict[str, str] = field(default_factory=dict)
    cancelled: set[str] = field(default_factory=set)
    tasks: int = 0
    stop: threading.Event = field(default_factory=threading.Event)

    def publish(self) -> None:
        """Store every DAG."""
        from workflows.engine.publish import publish

        for name, script in sorted(self.scripts.items()):
            spec = document(name, script)
            if any(work.kind == SHELLS for work in script.values()):
                spec["params"] = {"ledger": {"type": "string", "default": self.ledger}}
            publish(spec)

    def run(self) -> None:
        """The thread's body."""
        names = sorted(name for name in self.scripts if name not in CHILDREN)
        try:
            while not self.stop.is_set():
                missing = self.open_runs - (self._unfinished() or 0)
                for _ in range(max(0, missing)):
                    self._start(self.chance.choice(names))
                    if self.stop.is_set():
                        break
                self.stop.wait(0.15)
        finally:
            connections.close_all()

    def _unfinished(self) -> int | None:
        from workflows.models import DagRun

        return self._asked(lambda: DagRun.objects.unfinished().filter(parent=None).count())

    def _start(self, name: str) -> None:
        """Launch through the API or in this process; ask again with the same external id until it is accepted."""
        key = f"load-{len(self.accepted)}"
        through_api, cancel = self.chance.random() < 0.3, self.chance.random() < 0.02
        while not self.stop.is_set():
            run = self._asked(lambda: self._post(name, key) if through_api else self._launch(name, key))
            if run is not None:
                self.accepted[key] = name
                self.tasks += size(self.scripts[name])
                if cancel:
                    self._cancel(key, run)
                return
            self.stop.wait(0.2)

    def _launch(self, name: str, key: str) -> int:
        from workflows.engine.launch import launch

        return launch(name, external_id=key).pk

    def _post(self, name: str, key: str) -> int | None:
        headers = {"Authorization": f"Token {self.token}", "Idempotency-Key": key}
        try:
            answer = httpx.post(f"{self.url()}/api/v1/dags/{name}/runs", json={}, headers=headers, timeout=10)
        except httpx.HTTPError as error:
            self.history.note("refused", what=key, why=type(error).__name__)
            return None
        if answer.status_code >= 500:
            self.history.note("refused", what=key, why=str(answer.status_code))
            return None
        answer.raise_for_status()
        return int(answer.json()["id"])

    def _cancel(self, key: str, run: int) -> None:
        from workflows.engine.control import cancel_run

        self.stop.wait(self.chance.uniform(0, 0.5))
        if self._asked(lambda: cancel_run(run)):
            self.cancelled.add(key)

    def _asked(self, work: Callable[[], Any]) -> Any:
        """The answer, or None while the database cannot be asked."""
        try:
            return work()
        except DatabaseError as error:
            self.history.note("refused", what="database", why=type(error).__name__)
            connections.close_all()
            return None
