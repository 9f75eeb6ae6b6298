"""What a real worker makes of its messages: doubled and stale ones, sub-DAGs, host tasks, and what tasks write."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from pytest_django import DjangoDbBlocker

from tests.support.servers import Servers
from tests.support.staging import Stage, deed, staged
from tests.support.waiting import eventually
from workflows.conf import conf


@pytest.fixture(scope="module")
def stage(
    servers: Servers, _valkey: str, _template_database: str, django_db_blocker: DjangoDbBlocker
) -> Iterator[Stage]:
    with staged(servers, _valkey, _template_database, django_db_blocker) as start:
        yield start(concurrency=2, options=("--include", "tests.support.host_tasks"))


def sent(run: int, *attempts: tuple[int, int], times: int = 1) -> None:
    """Send messages for (position, attempt), whatever the database says."""
    from workflows.engine import plans
    from workflows.executors import send
    from workflows.models import DagRun

    plan = plans.plan_of(DagRun.objects.get(pk=run).version_id)
    for _ in range(times):
        for position, attempt in attempts:
            send.send([send.Dispatch(plan=plan, run_id=run, ready=((position, -1, attempt),))])


def ignored(stage: Stage, run: int) -> int:
    """How many deliveries of the run's tasks Celery was told to ignore."""
    return len(re.findall(rf"\[{run}\.\d+-\d+\] ignored", stage.stack["worker"].log()))


def test_doubled_early_and_stale_deliveries_run_nothing(stage: Stage) -> None:
    """PostgreSQL decides: five copies of one message, one for a task that waits, one of an attempt yet to come."""
    run = stage.run(
        "doubled",
        {"a": deed("work", gate=stage.gate("doubled")), "b": deed("work", depends_on=["a"])},
    )
    stage.started(run, "a")
    sent(run, (0, 1), times=4)
    sent(run, (1, 1), (0, 2))
    eventually(lambda: ignored(stage, run) == 6, 10)
    stage.open("doubled")
    assert stage.ended(run) == ["success"]
    sent(run, (0, 1), (1, 1), (0, 2), (1, 2))
    eventually(lambda: ignored(stage, run) == 10, 10)
    assert [(line["task"], line["attempt"]) for line in stage.lines("start", run)] == [("a", 1), ("b", 1)]
    assert stage.attempts(run, "a") == stage.attempts(run, "b") == ["success"]
    stage.check(run)


def test_deliveries_for_a_cancelled_run_run_nothing(stage: Stage) -> None:
    from workflows.engine import control

    run = stage.run("cancelled_late", {"a": deed("work", gate=stage.gate("never")), "b": deed("work")})
    stage.started(run, "a")
    control.cancel_run(run)
    sent(run, (0, 1), (0, 2), (1, 2))
    eventually(lambda: ignored(stage, run) >= 2, 10)  # Celery itself drops the first, whose id it knows as revoked
    assert not [line for line in stage.lines("start", run) if line["attempt"] > 1]
    stage.check(run)


def test_waiting_for_sub_dags_holds_no_worker(stage: Stage) -> None:
    """Five tasks wait three levels deep, on a worker of two."""
    stage.publish("leaf", {"t": deed("work")})
    stage.publish("middle", {"t": {"type": "subdag", "parameters": {"dag_id": "leaf"}}})
    parents = {f"p{n}": {"type": "subdag", "parameters": {"dag_id": "middle"}} for n in range(5)}
    run = stage.run("top", {**parents, "after": deed("work", depends_on=list(parents))})
    assert stage.ended(run) == ["success"]
    for name in parents:
        (middle,) = stage.children(run, name)
        (leaf,) = stage.children(middle, "t")
        assert stage.execution(run, name).output == {"run_id": middle, "state": "success"}
        assert stage.story(run, name)[1:] == ["queued>running", "running>deferred", "deferred>success"]
        assert stage.attempts(run, name) == ["deferred"]
        stage.check(middle, leaf)
    stage.check(run)


def test_a_child_that_fails_fails_its_parent_by_the_parents_policy(stage: Stage) -> None:
    stage.publish("failing_child", {"t": deed("work", fail_until=9)})
    policy = {"max_attempts": 2, "delay": 0}
    run = stage.run("with_child", {"t": {"type": "subdag", "parameters": {"dag_id": "failing_child"}, "retry": policy}})
    assert stage.ended(run) == ["failed"]
    assert stage.tasks(run) == {"t": "failed/child_run_failed"}
    first, second = stage.children(run, "t")
    assert [stage.state(first), stage.state(second)] == ["failed", "failed"]
    assert stage.execution(run, "t").message == f"run {second} ended as failed"
    stage.check(run, first, second)


def test_a_dag_inside_itself_is_refused(stage: Stage) -> None:
    other = {"t": {"type": "subdag", "parameters": {"dag_id": "snake"}}}
    stage.publish("tail", other)
    run = stage.run("snake", {"t": {"type": "subdag", "parameters": {"dag_id": "tail"}}})
    assert stage.ended(run) == ["failed"]
    (child,) = stage.children(run, "t")
    assert stage.tasks(child) == {"t": "failed/recursion"}
    assert "snake → tail → snake" in stage.execution(child, "t").message
    stage.check(run, child)


def test_cancelling_a_parent_kills_what_its_child_runs(stage: Stage) -> None:
    from workflows.engine import control

    stage.publish("long_child", {"t": stage.shell(stage.gate("never"))})
    run = stage.run("long_parent", {"t": {"type": "subdag", "parameters": {"dag_id": "long_child"}}})
    (child,) = eventually(lambda: stage.children(run, "t"), 10)
    stage.started(child, "t")
    control.cancel_run(run)
    assert [stage.state(run), stage.state(child)] == ["cancelled", "cancelled"]
    assert stage.tasks(child) == {"t": "cancelled/parent_ended"}
    stage.check(run, child)


@pytest.fixture(scope="module")
def host(stage: Stage) -> int:
    """One run of every host task; each is a leaf, so that none stops another."""

    def call(name: str, *args: Any, tries: int = 1) -> dict[str, Any]:
        parameters = {"task": f"tests.support.host_tasks.{name}", "args": list(args)}
        return {"type": "celery", "parameters": parameters, "retry": {"max_attempts": tries, "delay": 0}}

    run = stage.run(
        "host",
        {
            "add": call("add", 2, 3),
            "again": call("ask_again", 2, tries=3),
            "too_often": call("ask_again", 2, tries=2),
            "by_celery": call("retried_by_celery", tries=2),
            "ignores": call("ignores"),
            "rejects": call("rejects", tries=3),
            "breaks": call("breaks"),
            "unknown": call("nobody_wrote_this", tries=3),
        },
    )
    assert stage.ended(run) == ["failed"]
    return run


@pytest.mark.parametrize(
    ("task", "state", "attempts"),
    [
        ("add", "success", ["success"]),
        ("again", "success", ["retrying/error", "retrying/error", "success"]),
        ("too_often", "failed/error", ["retrying/error", "failed/error"]),
        ("by_celery", "failed/error", ["retrying/error", "failed/error"]),
        ("ignores", "success", ["success"]),
        ("rejects", "failed/error", ["failed/error"]),
        ("breaks", "failed/error", ["failed/error"]),
        ("unknown", "failed/unknown_task", ["failed/unknown_task"]),
    ],
)
def test_a_host_task_ends_as_it_would_in_celery(
    stage: Stage, host: int, task: str, state: str, attempts: list[str]
) -> None:
    assert stage.tasks(host)[task] == state
    assert stage.attempts(host, task) == attempts


def test_a_host_task_has_its_request_and_its_messages(stage: Stage, host: int) -> None:
    assert stage.execution(host, "add").output == 5
    name = "tests.support.host_tasks.ask_again"
    assert stage.execution(host, "again").output == {"retries": 2, "id": f"{host}.again-3", "name": name}
    assert stage.execution(host, "too_often").message == "ValueError: not yet: 1"
    assert stage.execution(host, "by_celery").message == "KeyError: 'never there'"
    assert "not this one" in stage.execution(host, "rejects").message
    assert stage.execution(host, "breaks").message == "ValueError: broken"
    assert "nobody_wrote_this" in stage.execution(host, "unknown").message
    stage.check(host)


def test_what_a_task_writes_is_there_while_it_runs(stage: Stage) -> None:
    """Every stream of a python task, and bytes from a shell that are neither text nor storable."""
    shell = "printf 'bad \\377 byte, \\000 nul\\n'; while [ ! -e \"$GATE\" ]; do sleep 0.1; done; echo done"
    gate = stage.gate("talk")
    run = stage.run(
        "talks",
        {
            "python": deed("talk", gate=gate),
            "shell": {"type": "shell", "parameters": {"command": shell, "env": {"GATE": gate}}},
        },
    )
    eventually(lambda: "greek λ" in stage.wrote(run, "python") and "bad" in stage.wrote(run, "shell"), 15)
    assert stage.state(run) == "running"
    stage.open("talk")
    assert stage.ended(run) == ["success"]
    assert stage.wrote(run, "python", "stdout") == "on stdout: nul �, lone ?, greek λ\nafter the gate\n"
    assert stage.wrote(run, "python", "stderr") == "on stderr\n"
    assert stage.wrote(run, "python", "log").endswith("WARNING shop.orders: on a logger: order 7\n")
    assert stage.wrote(run, "shell") == "bad � byte, � nul\ndone\n"
    stage.check(run)


def test_a_flood_keeps_its_head_and_its_tail(stage: Stage) -> None:
    """5 MB from python and from a shell; the cap is kept all the time, and half of it streams."""
    gate = stage.gate("flood")
    command = "echo the very first line; yes | head -c 5000000; echo the very last line"
    run = stage.run(
        "floods",
        {
            "python": deed("flood", gate=gate, megabytes=5),
            "shell": {"type": "shell", "parameters": {"command": command}},
        },
    )
    eventually(lambda: len(stage.wrote(run, "python")) > conf.LOG_MAX_BYTES // 2, 20)
    assert stage.state(run) == "running"
    stage.open("flood")
    assert stage.ended(run) == ["success"]
    for task in ("python", "shell"):
        text = stage.wrote(run, task)
        assert conf.LOG_MAX_BYTES // 2 < len(text.encode()) <= conf.LOG_MAX_BYTES + 3 * conf.LOG_CHUNK_BYTES
        assert text.startswith("the very first line\n")
        assert text.endswith("the very last line\n")
        assert re.search(r"\d+ characters were left out here \(LOG_MAX_BYTES\)", stage.wrote(run, task, "system"))
    stage.check(run)
