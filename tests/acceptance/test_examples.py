"""Every example runs to its end on real workers, and shows the idea that it is there for."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User

from tests.support.servers import ROOT
from tests.support.stack import Stack
from tests.support.waiting import eventually
from workflows.models import Approval, DagRun, LogChunk, TaskAttempt, TaskExecution

EXAMPLES = ROOT / "examples"
DOCUMENTS = sorted(path.stem for path in EXAMPLES.iterdir() if path.suffix in (".yaml", ".json"))
LOCAL = {"CELERIAC_HTTP_ALLOW_PRIVATE": "127.0.0.1"}
ASKING = {"ask_the_api", "repository_report", "wait_and_ask"}


@pytest.fixture
def stack(live_stack: Callable[..., Stack]) -> Stack:
    """A worker, the reconciler and the web process, which the examples may ask."""
    return live_stack(web=True, env=LOCAL)


def start(stack: Stack, dag_id: str, *params: str) -> None:
    """Start a run of a stored example."""
    given = [*params, *([f"api_url={stack.web_url}"] if dag_id in ASKING else [])]
    arguments = [word for param in given for word in ("--param", param)]
    stack.manage("dag_run", dag_id, *arguments, check=True)


def tasks_of(dag_id: str) -> dict[str, TaskExecution]:
    """The tasks of the latest run of a DAG that was started by hand."""
    run = DagRun.objects.filter(dag__dag_id=dag_id, trigger="manual").latest("id")
    return {task.task_id: task for task in TaskExecution.objects.filter(run=run, map_index=-1)}


def states_of(dag_id: str) -> dict[str, str]:
    """The states of those tasks."""
    return {name: task.state for name, task in tasks_of(dag_id).items()}


def output_of(dag_id: str, task: str) -> Any:
    """What a task of that run gave back."""
    return tasks_of(dag_id)[task].output


def ends_of(dag_id: str, task: str) -> list[str]:
    """How each attempt of a task of that run ended."""
    attempts = TaskAttempt.objects.filter(task_execution=tasks_of(dag_id)[task]).order_by("number")
    return [attempt.end for attempt in attempts]


def log_of(dag_id: str, task: str) -> str:
    """What a task of that run wrote, over all its attempts."""
    chunks = LogChunk.objects.filter(task_execution_id=tasks_of(dag_id)[task].pk).order_by("attempt", "seq")
    return "".join(chunk.text for chunk in chunks)


def all_over() -> bool:
    """Whether no run is on its way, and what the runs are that did not succeed."""
    if DagRun.objects.unfinished().exists():
        return False
    unwell = {run.dag.dag_id: states_of(run.dag.dag_id) for run in DagRun.objects.exclude(state="success")}
    assert not unwell
    return True


def test_every_example(stack: Stack) -> None:
    imported = stack.manage("dag_import", str(EXAMPLES), check=True).stdout.splitlines()
    assert [line.split()[0] for line in imported] == DOCUMENTS
    for dag_id in DOCUMENTS:
        start(stack, dag_id)
    answer_the_question(stack)
    eventually(all_over, 120, every=0.2)

    assert output_of("git_history", "parse")["count"] > 0
    assert re.fullmatch(r"[A-Z].* has \d+ zones\n", log_of("time_zones", "tell"))
    assert output_of("time_zones", "missing")["value"] == 0
    chosen = states_of("choose_by_size")
    assert sorted((chosen["split"], chosen["whole"])) == ["skipped", "success"]
    assert chosen["done"] == "success"
    chosen = states_of("choose_of_many")
    assert [chosen[name] for name in ("in_parts", "at_once", "nothing", "refuse", "done")].count("success") == 2
    assert output_of("choose_of_many", "how") == {"case": 1, "branch": "in_parts"}
    assert output_of("ask_the_api", "health")["json"] == {"status": "ok"}
    assert log_of("ask_the_api", "well") == "the API is ok\n"
    assert log_of("wait_and_ask", "publish") == "published, as ada said\n"
    assert (ends_of("wait_and_ask", "a_while"), states_of("wait_and_ask")["put_away"]) == (["deferred"], "skipped")
    compared = output_of("compare_packages", "compare")["rows"]
    assert {row["package"] for row in compared} == {"json", "email"}
    assert DagRun.objects.filter(dag__dag_id="measure_package", trigger="subdag").count() == 3
    check_retries()
    check_fan_out()
    check_mapped()
    check_report()
    assert stack.manage("check_invariants", "--quiescent", check=True).stdout.endswith("promises hold\n")


def answer_the_question(stack: Stack) -> None:
    """The one task that waits for a person gets a Yes."""
    open_now = eventually(lambda: Approval.objects.open().filter(task_execution__task_id="publish_it"), 60)
    User.objects.create_superuser("ada")
    stack.manage("approve", str(open_now.get().pk), "--user", "ada", check=True)
    assert open_now.model.objects.get().prompt == "The API is ok. Publish?"


def check_retries() -> None:
    """The tasks that are to fail at first did."""
    assert ends_of("try_again", "growing") == ["retrying", "retrying", "success"]
    assert ends_of("try_again", "told") == ["retrying", "success"]
    assert ends_of("try_again", "from_shell") == ["retrying", "success"]
    assert ends_of("try_again", "spare") == ["retrying", "failed"]
    assert ends_of("existing_task", "mail") == ["retrying", "success"]
    assert "MailServerBusy" in TaskAttempt.objects.filter(task_execution=tasks_of("existing_task")["mail"])[0].message
    assert output_of("existing_task", "mail")["tries"] == 2
    assert output_of("existing_task", "price")["cents"] > 0


def check_fan_out() -> None:
    """All slices were counted, each once."""
    tasks = tasks_of("fan_out")
    assert len(tasks) == 502
    assert {task.attempt for task in tasks.values()} == {1}
    assert output_of("fan_out", "add_up")["slices"] == 500
    assert output_of("fan_out", "add_up")["files"] > 500


def check_mapped() -> None:
    """A task for each folder, no more at a time than was said, and the sums of what they left."""
    tasks = tasks_of("count_by_folder")
    folders = tasks["folders"].output
    assert {"api", "examples", "tests", "workflows"} <= set(folders)
    items = TaskExecution.objects.filter(run_id=tasks["count"].run_id, task_id="count", map_index__gte=0)
    assert [item.item for item in items.order_by("map_index")] == folders
    assert most_at_one_time(items) <= 3
    added = tasks["add_up"].output
    assert (added["folders"], added["files"]) == (len(folders), sum(item.output["files"] for item in items))
    assert added["lines"] > 10_000
    assert added["kilobytes"] > 1_000
    assert "workflows" in log_of("count_by_folder", "add_up")


def most_at_one_time(items: Iterable[TaskExecution]) -> int:
    """How many of the tasks ran together, by when they started and ended."""
    spans = [(item.started_at, item.ended_at) for item in items]
    return max(sum(begin <= at < end for begin, end in spans if begin and end) for at, _ in spans if at)


def check_report() -> None:
    """The report tells of this checkout."""
    report = log_of("repository_report", "report")
    assert "the API is ok" in report
    assert "longest files" in report
    assert "workflows/" in report
    assert states_of("repository_report")["by_file"] == "skipped"


def test_the_demonstration_without_git_and_with_another_choice(stack: Stack, tmp_path: Path) -> None:
    """A tree that was unpacked from an archive: no history, few files."""
    tree = tmp_path / "tree"
    shutil.copytree(EXAMPLES, tree / "examples")
    done = stack.manage(
        *("dag_run", "--file", str(EXAMPLES / "repository_report.yaml"), "--wait"),
        *("--param", f"repository={tree}", "--param", f"api_url={stack.web_url}"),
    )
    assert done.returncode == 0, done.stdout
    assert done.stdout.startswith("measure_package v1 (new)")
    states = states_of("repository_report")
    assert (states["history"], states["by_folder"], states["by_file"]) == ("skipped", "skipped", "success")
    assert "from file times" in log_of("repository_report", "report")
    assert "examples/sources.py" in log_of("repository_report", "report")


def test_there_are_enough_examples_and_each_says_what_it_is_for() -> None:
    assert len(DOCUMENTS) >= 8
    assert {"repository_report", "fan_out", "measure_package"} <= set(DOCUMENTS)
    for name in DOCUMENTS:
        path = next(EXAMPLES.glob(f"{name}.*"))
        text = path.read_text(encoding="utf-8")
        assert text.startswith("# ") or '"description"' in text, f"{path.name} does not begin with its idea"


def test_the_template(stack: Stack) -> None:
    """DAGs generated from the example's template run, and follow it when it changes."""
    stack.manage("template_import", str(EXAMPLES / "templates"), check=True)
    for folder, most in (("workflows/core", "3"), ("examples", "1000")):
        given = ["--value", f"folder={folder}", "--value", f"most={most}", "--value", "words=it's {{ much }}; tidy up"]
        stack.manage("template_generate", "check_folder", *given, check=True)
    for dag_id in ("check_workflows_core", "check_examples"):
        stack.manage("dag_run", dag_id, "--wait", check=True)
    told = log_of("check_workflows_core", "tell")
    assert re.fullmatch(r"workflows/core has \d+\s* files, it's \{\{ much \}\}; tidy up\n", told)
    assert log_of("check_examples", "praise") == "examples is fine\n"
    assert stack.manage("template_regenerate", "check_folder", check=True).stdout.splitlines() == [
        "check_examples v1 unchanged",
        "check_workflows_core v1 unchanged",
    ]
