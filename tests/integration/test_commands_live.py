"""Commands beside real workers: a run from its file to its end, seen, followed, cancelled, swept."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.servers import ROOT, Servers
from tests.support.stack import Stack
from tests.support.waiting import eventually, stays
from workflows.models import DagRun, LogChunk, TaskExecution

LiveStack = Callable[..., Stack]

PARENT = """\
id: parent
params:
  word: {type: string, default: hello}
  fail: {type: boolean, default: false}
tasks:
  say: {type: shell, command: "echo {{ params.word }}"}
  flaky:
    type: shell
    command: 'echo "attempt $CELERIAC_ATTEMPT"; test "$CELERIAC_ATTEMPT" -ge 2'
    retry: {max_attempts: 2, delay: 0.1}
  sub: {type: subdag, parameters: {dag_id: child}, depends_on: [say]}
  last:
    type: shell
    command: "echo last words >&2; exit $CODE"
    parameters: {env: {CODE: "{{ 3 if params.fail else 0 }}"}}
    depends_on: [sub, flaky]
"""
CHILD = "id: child\ntasks:\n  only: {type: shell, command: 'true'}\n"
PATIENT = """\
id: patient
tasks:
  a: {type: shell, command: "sleep 4"}
  b: {type: shell, command: "true", depends_on: [a]}
"""
SLOW = "id: slow\ntasks:\n  count: {type: shell, command: 'for i in 1 2 3; do echo $i; done; exec sleep 60'}\n"


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """The documents of these tests."""
    for name, content in {"parent": PARENT, "child": CHILD, "slow": SLOW}.items():
        (tmp_path / f"{name}.yaml").write_text(content)
    return tmp_path


def test_a_run_from_its_file_to_its_end(live_stack: LiveStack, files: Path) -> None:
    stack = live_stack()
    parent = str(files / "parent.yaml")

    done = stack.manage("dag_run", "--file", parent, "--param", "word=you there", "--wait")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.startswith("child v1 (new) 1 task\nparent v1 (new) 4 tasks\n")
    assert "flaky: retrying → queued (attempt 2)" in done.stdout
    assert "run: running → success" in done.stdout
    table = done.stdout[done.stdout.index("of parent v1: success") :]
    assert all(f"✓  {task}" in table for task in ("say", "flaky", "sub", "last"))

    run = DagRun.objects.get(dag__dag_id="parent")
    assert stack.manage("run_logs", str(run.pk), "say").stdout == "you there\n"
    assert stack.manage("run_logs", str(run.pk), "flaky", "--attempt", "1").stdout == "attempt 1\n"
    followed = stack.manage("run_logs", str(run.pk), "flaky", "--follow", "--attempt", "2")
    assert followed.stdout == "attempt 2\n"

    shown = json.loads(stack.manage("run_show", str(run.pk), "--json", "--attempts", "--events", check=True).stdout)
    assert {task["task_id"]: task["state"] for task in shown["tasks"]} == dict.fromkeys(
        ("say", "flaky", "sub", "last"), "success"
    )
    assert [a["end"] for a in shown["attempts"] if a["task_id"] == "flaky"] == ["retrying", "success"]
    assert shown["events"][-1]["new"] == "success"

    failed = stack.manage("dag_run", "parent", "--param", "fail=true", "--wait")
    assert failed.returncode == 1
    assert "last failed (error, attempt 1): The command ended: exit code 3: last words" in failed.stdout
    assert failed.stdout.endswith("    last words\n")

    (files / "child.yaml").write_text(CHILD.replace("'true'", "'echo down here; exit 4'"))
    deep = stack.manage("dag_run", "--file", parent, "--wait")
    assert deep.returncode == 1
    assert "✗  sub" in deep.stdout
    assert "    only failed (error, attempt 1): The command ended: exit code 4\n        down here\n" in deep.stdout
    (files / "child.yaml").write_text(CHILD)

    again = stack.manage("dag_import", str(files), check=True).stdout.splitlines()
    assert again == ["child v1 (unchanged) 1 task", "parent v1 (unchanged) 4 tasks", "slow v1 (new) 1 task"]
    assert stack.manage("dag_export", "parent", check=True).stdout == PARENT
    first = json.loads(stack.manage("dag_run", "child", "--external-id", "x", "--json", check=True).stdout)
    second = json.loads(stack.manage("dag_run", "child", "--external-id", "x", "--json", "--wait", check=True).stdout)
    assert (second["id"], second["state"]) == (first["id"], "success")

    assert stack.manage("check_invariants", "--quiescent", check=True).stdout.endswith("promises hold\n")
    checks = json.loads(stack.manage("doctor", "--json").stdout)
    assert {c["name"]: c["status"] for c in checks} == {
        "database": "ok",
        "durability": "warn",  # the tests' PostgreSQL runs without fsync
        "migrations": "ok",
        "workers": "ok",
        "workers of default": "ok",
        "nodes": "ok",
        "backlog": "ok",
        "reconciler": "ok",
        "beat": "ok",
        "schedules": "ok",
        "messages": "ok",
        "clock": "ok",
        "broker": "ok",
        "celery": "ok",
        "disk": checks[-1]["status"],
    }


def test_waiting_can_be_given_up_and_the_run_ended(live_stack: LiveStack, files: Path) -> None:
    stack = live_stack()
    given_up = stack.manage("dag_run", "--file", str(files / "slow.yaml"), "--wait", "--timeout", "2")
    assert given_up.returncode == 1
    run = DagRun.objects.get()
    assert given_up.stderr == f"Run {run.pk} has not ended after 2 s; it goes on.\n"

    follow = [sys.executable, str(ROOT / "manage.py"), "run_logs", str(run.pk), "count", "--follow"]
    with subprocess.Popen(follow, cwd=ROOT, env=stack.env, stdout=subprocess.PIPE, text=True) as follower:
        assert follower.stdout is not None
        assert [follower.stdout.readline() for _ in range(3)] == ["1\n", "2\n", "3\n"]
        task = TaskExecution.objects.get(task_id="count")
        assert LogChunk.objects.filter(task_execution_id=task.pk).exists()
        stays(lambda: follower.poll() is None, 0.5)
        cancelled = stack.manage("run_cancel", str(run.pk), check=True)
        assert cancelled.stdout == f"run {run.pk} is cancelled\n"
        assert follower.wait(20) == 0
    assert stack.manage("run_cancel", str(run.pk), check=True).stdout == f"run {run.pk} was over already\n"
    listed = stack.manage("run_list", "--dag", "slow", "--state", "cancelled", check=True).stdout
    assert "cancelled_by_user" in listed


def test_an_interrupted_wait_leaves_the_run_alone(live_stack: LiveStack, files: Path) -> None:
    stack = live_stack()
    waiting = subprocess.Popen(
        [sys.executable, str(ROOT / "manage.py"), "dag_run", "--file", str(files / "slow.yaml"), "--wait"],
        cwd=ROOT,
        env=stack.env,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    eventually(lambda: TaskExecution.objects.filter(state="running").exists(), 30)
    waiting.send_signal(signal.SIGINT)
    _, errors = waiting.communicate(timeout=20)
    assert waiting.returncode == 130
    run = DagRun.objects.get()
    assert errors == f"Run {run.pk} goes on; `manage.py run_cancel {run.pk}` ends it.\n"
    assert run.state == "running"


def test_waiting_survives_a_restart_of_the_database(live_stack: LiveStack, servers: Servers, tmp_path: Path) -> None:
    document = tmp_path / "patient.yaml"
    document.write_text(PATIENT)
    stack = live_stack()
    command = [sys.executable, str(ROOT / "manage.py"), "dag_run", "--file", str(document), "--wait"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, cwd=ROOT, env=stack.env, text=True, **pipes) as waiting:
        eventually(lambda: TaskExecution.objects.filter(state="running").exists(), 30)
        servers.postgres.kill()
        servers.postgres.start()
        output, errors = waiting.communicate(timeout=60)
    assert waiting.returncode == 0, output + errors
    assert "of patient v1: success" in output
    assert "waiting for it" in errors


def test_the_reconciler_survives_outages_and_stops_when_told(live_stack: LiveStack, servers: Servers) -> None:
    stack = live_stack(workers=0, reconciler=False)
    from workflows.engine.launch import launch
    from workflows.engine.publish import publish

    reconciler = stack.reconciler()
    document = {"id": "d", "tasks": {"a": {"type": "shell", "command": "true"}}}
    try:
        servers.postgres.kill()
        reconciler.wait_for("database: ")
        assert reconciler.alive()
    finally:
        servers.postgres.start()
    reconciler.wait_for("sweeping again after")

    servers.valkey.kill()
    reconciler.wait_for("broker: ")
    assert reconciler.alive()
    servers.valkey.start()

    from django.db import connection

    connection.close()  # it was in the server that was killed
    run = launch(publish(document))
    stack.worker()
    eventually(lambda: DagRun.objects.get(pk=run.pk).state == "success", 30)
    assert reconciler.stop() == 0
    assert "Traceback" not in reconciler.log()


def test_one_sweep_says_what_it_did(live_stack: LiveStack) -> None:
    stack = live_stack(workers=0, reconciler=False)
    nothing = stack.manage("reconcile", check=True)
    assert (nothing.stdout, nothing.stderr) == ("", "")
    assert set(json.loads(stack.manage("reconcile", "--json", check=True).stdout).values()) == {0}
