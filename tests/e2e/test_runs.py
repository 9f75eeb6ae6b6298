"""Runs in a browser, with a real worker behind them: watched, understood, and run again."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.e2e.conftest import Visits
from tests.integration.admin.conftest import ALL_VIEWS, person
from tests.support.browser import password_hash
from workflows.engine import launch, publish
from workflows.models import DagRun, TaskExecution

if TYPE_CHECKING:
    from playwright.sync_api import Page

# The tests open and close gates for the tasks: nothing happens before the page is looked at.
GATED = """\
id: sales
name: Sales
params: {gate: {type: string}, broken: {type: string}}
tasks:
  fetch:
    type: shell
    command: |
      until [ -e {{ params.gate }} ]; do sleep 0.05; done
      for n in $(seq 1 400); do echo "INFO row $n"; done
  clean: {type: shell, command: "echo cleaned", depends_on: [fetch]}
  score:
    type: shell
    command: |
      printf 'INFO \\033[32mscoring\\033[0m\\n'
      if [ -e {{ params.broken }} ]; then echo "ERROR no model for it" >&2; exit 3; fi
    depends_on: [fetch]
  report: {type: shell, command: "echo reported", depends_on: [clean, score]}
"""


def start(tmp_path: Path, **more: Any) -> DagRun:
    params = {"gate": str(tmp_path / "gate"), "broken": str(tmp_path / "broken")}
    return launch.launch(publish.publish(GATED), params=params, **more)


def open_run(page: Page, run: DagRun, query: str = "") -> None:
    base = page.url.partition("/admin/")[0]
    page.goto(f"{base}/admin/workflows/dagrun/{run.pk}/change/{query}")
    page.locator(".run-head").wait_for()


def wait_task(page: Page, task: str, state: str) -> None:
    page.locator(f'.graph-node[data-task="{task}"] [data-state="{state}"]').wait_for(timeout=40_000)


def wait_run(page: Page, state: str) -> None:
    page.locator(f'[data-testid="run-state"] > [data-state="{state}"]').wait_for(timeout=40_000)


def choose(page: Page, task: str) -> None:
    page.locator(f'.graph-node[data-task="{task}"]').click()
    page.locator(".task-panel").get_by_role("heading", name=task).wait_for()


def test_a_run_turns_green_while_one_looks(visits: Visits, tmp_path: Path) -> None:
    visit = visits(workers=1)
    page = visit.log_in("root")
    run = start(tmp_path)
    with page.expect_response(re.compile("/events")) as stream:
        open_run(page, run)
    assert stream.value.headers["content-type"].startswith("text/event-stream")
    wait_task(page, "fetch", "running")
    wait_task(page, "report", "pending")
    assert visit.barriers(page) == []
    (tmp_path / "gate").touch()
    wait_run(page, "success")
    for task in ("fetch", "clean", "score", "report"):
        wait_task(page, task, "success")
    page.get_by_text("4 of 4 tasks").wait_for()

    choose(page, "fetch")
    page.locator(".log-text", has_text="INFO row 400").wait_for()
    assert page.evaluate("getSelection().selectAllChildren(document.querySelector('.log-box')) ?? 0") == 0
    assert "INFO row 399\nINFO row 400" in page.evaluate("String(getSelection())")
    views = {
        "Gantt": '[data-testid="gantt"]',
        "Grid": '[data-testid="grid"] .grid-cell',
        "Details and events": "#run-plain.is-shown table",
        "Graph": '.graph-node[data-task="fetch"]',
    }
    for view, shown in views.items():
        page.get_by_role("tab", name=view, exact=True).click()
        page.locator(shown).first.wait_for()
        assert visit.barriers(page) == []


def test_a_failure_is_found_in_its_log_and_run_again_from_there(visits: Visits, tmp_path: Path) -> None:
    visit = visits(workers=1)
    page = visit.log_in("root")
    (tmp_path / "gate").touch()
    (tmp_path / "broken").touch()
    run = start(tmp_path)
    open_run(page, run)
    wait_run(page, "failed")
    wait_task(page, "score", "failed")
    wait_task(page, "report", "upstream_failed")
    choose(page, "score")
    page.locator(".task-message", has_text="exit code 3").wait_for()
    page.locator(".log-line.is-stderr", has_text="ERROR no model for it").wait_for()
    page.locator(".ansi-fg-2", has_text="scoring").wait_for()

    page.get_by_label("Any level").select_option("error")
    page.get_by_text("1 line found").wait_for()
    page.locator(".log-hit", has_text="no model").click()
    page.locator(".log-line.is-marked", has_text="ERROR no model for it").wait_for()
    assert "line=" in page.url
    page.reload()
    page.locator(".log-line.is-marked", has_text="ERROR no model for it").wait_for()
    assert visit.barriers(page) == []

    (tmp_path / "broken").unlink()
    page.get_by_role("button", name="Run again from here").click()
    page.get_by_test_id("touches").get_by_text("2 tasks are touched. 2 stay as they are.").wait_for()
    assert visit.barriers(page) == []
    page.get_by_test_id("do-it").click()
    wait_run(page, "success")
    wait_task(page, "score", "success")
    page.get_by_role("tab", name="Inputs").click()
    page.locator(".task-inputs", has_text=f"if [ -e {tmp_path / 'broken'} ]").wait_for()
    page.get_by_role("tab", name="Attempts").click()
    page.locator(".attempts li").nth(1).wait_for()
    assert page.locator(".attempts [data-state]").evaluate_all("all => all.map(e => e.dataset.state)") == [
        "success",
        "failed",
    ]


def test_pause_why_resume_and_cancel_by_keyboard(visits: Visits, tmp_path: Path) -> None:
    visit = visits(workers=1)
    page = visit.log_in("root")
    run = start(tmp_path)
    open_run(page, run)
    wait_task(page, "fetch", "running")

    def press(name: str) -> None:
        page.get_by_role("button", name=name, exact=True).first.focus()
        page.keyboard.press("Enter")

    def confirm(says: str) -> None:
        page.get_by_test_id("touches").get_by_text(says).wait_for()
        page.get_by_test_id("do-it").focus()
        page.keyboard.press("Enter")
        page.locator("dialog").wait_for(state="detached")

    press("Pause")
    confirm("No further task starts (3 wait). What runs now (1) goes on.")
    page.get_by_text("paused", exact=True).wait_for()
    press("Why is it not running?")
    page.get_by_test_id("says").wait_for()
    page.keyboard.press("Escape")
    page.get_by_test_id("says").wait_for(state="detached")
    press("Resume")
    confirm("Tasks may start again")
    press("Cancel the run")
    confirm("Tasks that run now (1) are killed")
    wait_run(page, "cancelled")
    page.get_by_role("tab", name="Graph").focus()
    page.keyboard.press("ArrowRight")
    row = page.locator('.gantt-row[data-task="fetch"]')
    row.focus()
    page.keyboard.press("Enter")
    page.locator(".task-panel").wait_for()
    page.keyboard.press("Escape")
    page.locator(".task-panel").wait_for(state="detached")


def test_what_happens_while_the_line_is_cut_is_there_afterwards(visits: Visits, tmp_path: Path) -> None:
    visit = visits(workers=1)
    visit.context.add_init_script("delete window.EventSource")  # chromium cuts no stream that is open already
    page = visit.log_in("root")
    run = start(tmp_path)
    open_run(page, run)
    wait_task(page, "fetch", "running")
    visit.context.set_offline(True)
    (tmp_path / "gate").touch()
    other = visits().log_in("root")
    open_run(other, run)
    wait_run(other, "success")
    assert page.locator('[data-testid="run-state"] > [data-state="running"]').count() == 1
    visit.context.set_offline(False)
    wait_run(page, "success")
    wait_task(page, "report", "success")
    visit.complaints[:] = [text for text in visit.complaints if "ERR_INTERNET_DISCONNECTED" not in text]


def test_a_viewer_is_offered_nothing_that_changes(visits: Visits, tmp_path: Path) -> None:
    visit = visits()
    viewer = person("viewer", *ALL_VIEWS)
    viewer.password = password_hash()
    viewer.save()
    page = visit.log_in("viewer")
    run = start(tmp_path)
    open_run(page, run, "?task=fetch")
    page.locator(".task-panel").wait_for()
    page.get_by_role("button", name="Why is it not running?").wait_for()
    for name in ("Pause", "Cancel the run", "Mark as success", "Mark as failed"):
        assert page.get_by_role("button", name=name).count() == 0


def test_in_chinese_and_dark_two_runs_are_compared(visits: Visits, tmp_path: Path) -> None:
    visit = visits(workers=1, language="zh", dark=True)
    page = visit.log_in("root")
    (tmp_path / "gate").touch()
    first = start(tmp_path)
    open_run(page, first)
    wait_run(page, "success")
    (tmp_path / "broken").touch()
    second = start(tmp_path)
    open_run(page, second)
    wait_run(page, "failed")
    page.get_by_role("tab", name="比较").click()
    page.get_by_test_id("compare").get_by_role("button", name="score").wait_for()
    assert visit.barriers(page) == []
    page.get_by_role("tab", name="网格").click()
    page.get_by_test_id("grid").get_by_role("link", name=f"score, 运行 {first.pk}: 成功").wait_for()
    assert visit.barriers(page) == []
    assert TaskExecution.objects.get(run=second, task_id="score").state == "failed"
