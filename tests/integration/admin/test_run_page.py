"""The pages of runs and tasks: what they show, in how many queries, and that nothing in them runs."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from django.test import Client
from django.urls import reverse
from pytest_django.fixtures import DjangoAssertNumQueries

from tests.integration.admin.conftest import ALL_VIEWS, Story, claim, logged_in, person, succeed
from workflows.core.outcome import Spawn
from workflows.engine import launch, publish
from workflows.models import DagRun, LogChunk, TaskExecution

INLINE = re.compile(
    r'<style|<script(?![^>]*(?:\bsrc=|type="application/json"))|\sstyle=|\son\w+=|javascript:', re.IGNORECASE
)


def run_page(run: DagRun, query: str = "") -> str:
    return reverse("admin:workflows_dagrun_change", args=[run.pk]) + query


def task_page(task: TaskExecution, query: str = "") -> str:
    return reverse("admin:workflows_taskexecution_change", args=[task.pk]) + query


def text_of(client: Client, page: str) -> str:
    answer = client.get(page)
    assert answer.status_code == 200
    return answer.content.decode()


def test_a_run_shows_its_tasks_with_reason_message_and_output(viewer: Client, story: Story) -> None:
    text = text_of(viewer, run_page(story.run))
    assert 'class="badge st-running"' in text
    assert "&lt;b&gt;it broke&lt;/b&gt;" in text
    assert "waits for 1 task" in text
    assert "&quot;rows&quot;: 3" in text
    assert reverse("admin:workflows_dag_change", args=[story.run.dag_id]) in text
    assert reverse("admin:workflows_dagversion_change", args=[story.run.version_id]) in text
    for task in (story.fetch, story.clean, story.load):
        assert task_page(task) in text


def test_states_are_readable_without_colour(viewer: Client, story: Story) -> None:
    text = text_of(viewer, run_page(story.run))
    for symbol, word in (("✓", "success"), ("✗", "failed"), ("○", "pending"), ("▶", "running")):
        assert re.search(rf'aria-hidden="true">{symbol}</span>{word}', text)


def test_tasks_are_filtered_by_state(viewer: Client, story: Story) -> None:
    text = text_of(viewer, run_page(story.run, "?state=failed"))
    assert task_page(story.clean) in text.split('id="events"')[0]
    assert task_page(story.fetch) not in text.split('id="events"')[0]
    assert "No task here." in text_of(viewer, run_page(story.run, "?state=deferred"))
    assert viewer.get(run_page(story.run, "?state=%3Cscript%3E&p=x")).status_code == 200


@pytest.fixture
def wide(start: Callable[..., DagRun]) -> DagRun:
    """A run of 300 tasks, a good part of them with output."""
    tasks = "\n".join(f"  t{n:03}: {{type: shell, command: 'true'}}" for n in range(300))
    publish.publish(f"id: wide\ntasks:\n{tasks}\n")
    run = start("wide")
    for position in range(40):
        succeed(run, position, '"' + "x" * 5000 + '"')
    return run


def test_a_large_run_is_paged_in_few_queries(
    viewer: Client, wide: DagRun, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    with django_assert_max_num_queries(15):
        first = viewer.get(run_page(wide))
    assert len(first.context["lines"]) == 200
    assert "page 1 of 2" in first.content.decode()
    assert "x" * 200 not in first.content.decode()
    assert len(first.context["events"]) == 200
    second = viewer.get(run_page(wide, "?p=2"))
    assert len(second.context["lines"]) == 100
    assert len(viewer.get(run_page(wide, "?p=99")).context["lines"]) == 100
    assert len(viewer.get(run_page(wide, "?state=success")).context["lines"]) == 40
    with django_assert_max_num_queries(12):
        viewer.get(reverse("admin:workflows_dagrun_fragment", args=[wide.pk]))


def test_the_fragment_says_when_to_stop(root: Client, story: Story) -> None:
    fragment = reverse("admin:workflows_dagrun_fragment", args=[story.run.pk])
    answer = root.get(fragment)
    assert answer["X-Celeriac-Live"] == "yes"
    assert "<html" not in answer.content.decode()
    assert f'data-url="{fragment}?state=failed"' in text_of(root, run_page(story.run, "?state=failed"))
    root.post(reverse("admin:workflows_dagrun_cancel", args=[story.run.pk]), {"confirmed": "1"})
    assert root.get(fragment)["X-Celeriac-Live"] == "no"
    assert 'data-live="no"' in text_of(root, run_page(story.run))


def test_a_task_shows_attempts_neighbours_output_and_log(
    viewer: Client, story: Story, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    with django_assert_max_num_queries(20):
        text = text_of(viewer, task_page(story.fetch))
    assert task_page(story.clean) in text
    assert "w1@host" in text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text
    assert '<span class="stream stdout" data-stream="stdout">hello\n</span>' in text
    assert '<span class="stream stderr" data-stream="stderr">&lt;i&gt;oh&lt;/i&gt;\n</span>' in text
    failed = text_of(viewer, task_page(story.clean))
    assert "&lt;b&gt;it broke&lt;/b&gt;" in failed
    assert "It has not started yet." in text_of(viewer, task_page(story.load))


def test_the_end_of_a_long_log_is_shown_and_all_of_it_as_text(viewer: Client, story: Story) -> None:
    LogChunk.objects.filter(task_execution_id=story.fetch.pk).delete()
    whole = ""
    for seq in range(40):
        text = f"<{seq}>" + "é" * 2990 + "\n"
        whole += text
        LogChunk.objects.create(task_execution_id=story.fetch.pk, attempt=1, seq=seq, stream="stdout", text=text)
    page = viewer.get(task_page(story.fetch))
    log = page.context["log"]
    shown = "".join(piece.text for piece in log.pieces)
    assert log.cut
    assert shown == whole[-65_536:]
    assert "the last 66 k of 120 k characters" in page.content.decode()
    answer = viewer.get(reverse("admin:workflows_taskexecution_log", args=[story.fetch.pk, 1]))
    assert answer["Content-Type"] == "text/plain; charset=utf-8"
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert answer.content.decode() == whole


def test_a_log_that_just_fits_is_whole(viewer: Client, story: Story) -> None:
    LogChunk.objects.filter(task_execution_id=story.fetch.pk).delete()
    for seq in range(2):
        LogChunk.objects.create(task_execution_id=story.fetch.pk, attempt=1, seq=seq, stream="log", text="y" * 32_768)
    log = viewer.get(task_page(story.fetch)).context["log"]
    assert not log.cut
    assert sum(len(piece.text) for piece in log.pieces) == 65_536


def test_the_log_of_an_attempt_that_never_was_is_empty(viewer: Client, story: Story) -> None:
    for query in ("?attempt=7", "?attempt=-1", "?attempt=x", "?attempt=99999999999999999999"):
        assert viewer.get(task_page(story.fetch, query)).status_code == 200
    assert viewer.get(reverse("admin:workflows_taskexecution_log", args=[story.fetch.pk, 7])).content == b""


def test_parts_are_shown_to_those_who_may_read_them(story: Story) -> None:
    only_runs = logged_in(person("runs", "view_dagrun"))
    text = text_of(only_runs, run_page(story.run))
    assert 'id="tasks"' not in text
    assert 'id="events"' not in text
    assert only_runs.get(task_page(story.fetch)).status_code == 403
    no_logs = logged_in(person("nologs", *(name for name in ALL_VIEWS if name != "view_logchunk")))
    assert "hello" not in text_of(no_logs, task_page(story.fetch))
    log = reverse("admin:workflows_taskexecution_log", args=[story.fetch.pk, 1])
    assert no_logs.get(log).status_code == 403


def test_parent_and_child_runs_are_linked(viewer: Client, start: Callable[..., DagRun], story: Story) -> None:
    publish.publish("id: outer\ntasks: {inner: {type: subdag, parameters: {dag_id: sales}}}")
    outer = start("outer")
    held = claim(outer, 0)
    child = launch.prepare_child(held, Spawn(dag_id="sales", params={}))
    launch.start_child(held, child)
    inner = DagRun.objects.get(parent_id=held.execution_id)
    task = TaskExecution.objects.get(pk=held.execution_id)
    assert run_page(inner) in text_of(viewer, run_page(outer))
    assert run_page(inner) in text_of(viewer, task_page(task))
    child_text = text_of(viewer, run_page(inner))
    assert run_page(outer) in child_text
    assert task_page(task) in child_text


def test_no_page_carries_inline_code(root: Client, story: Story) -> None:
    dag = story.run.dag_id
    pages = [
        reverse("admin:index"),
        reverse("admin:workflows_dag_changelist"),
        reverse("admin:workflows_dagrun_changelist"),
        reverse("admin:workflows_event_changelist"),
        reverse("admin:workflows_dag_change", args=[dag]),
        reverse("admin:workflows_dag_new_version", args=[dag]),
        reverse("admin:workflows_dag_run", args=[dag]),
        reverse("admin:workflows_dagversion_change", args=[story.run.version_id]),
        reverse("admin:workflows_dagrun_cancel", args=[story.run.pk]),
        run_page(story.run),
        task_page(story.fetch),
    ]
    for page in pages:
        found = INLINE.search(text_of(root, page))
        assert found is None, (page, found)
