"""A DAG of five tasks with a branch, drawn, saved and run by nothing but keys, in Chinese."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.e2e.conftest import Visits
from tests.support.waiting import eventually
from workflows.engine import publish
from workflows.models import DagRun, DagVersion, TaskExecution

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

MOST_STEPS = 120


def go_to(page: Page, wanted: Locator, *, back: bool = False) -> None:
    """Press Tab until the focus is there."""
    wanted.wait_for()
    for _ in range(MOST_STEPS):
        if wanted.evaluate("element => element === document.activeElement"):
            return
        page.keyboard.press("Shift+Tab" if back else "Tab")
    raise AssertionError(f"no way by Tab to {wanted}")


def field(page: Page, name: str) -> Locator:
    return page.locator(".workbench-panel").get_by_role("textbox", name=name, exact=True)


def write(page: Page, name: str, text: str) -> None:
    """Replace the text of a field of the panel."""
    go_to(page, field(page, name))
    page.keyboard.press("Control+a")
    page.keyboard.insert_text(text)


def add(page: Page, kind: str, task: str, *, connected: bool = True) -> None:
    """Add a task from the palette, behind the chosen one, and give it its id."""
    go_to(page, page.get_by_role("searchbox", name="查找类型"), back=True)
    page.keyboard.press("Control+a")
    page.keyboard.insert_text(kind)
    page.keyboard.press("Shift+Enter" if connected else "Enter")
    write(page, "ID", task)
    page.keyboard.press("Enter")
    page.locator(f'[data-task="{task}"].is-selected').wait_for()


def choose(page: Page, task: str) -> None:
    """Go to a task on the canvas and choose it."""
    node = page.locator(f'.react-flow__node[data-id="{task}"]')
    go_to(page, node, back=True)
    page.keyboard.press("Enter")
    page.locator(f'[data-task="{task}"].is-selected').wait_for()


def test_five_tasks_with_a_branch(visits: Visits) -> None:
    visit = visits(workers=1, language="zh")
    page = visit.log_in("root")
    page.goto(f"{visit.url}/admin/workflows/dag/designer/")
    write(page, "ID", "by_keys")
    add(page, "shell", "start", connected=False)
    write(page, "命令", "echo 7")
    add(page, "conditional", "large")
    write(page, "条件", "tasks.start.output.exit_code == 0")
    add(page, "shell", "yes")
    write(page, "命令", "echo yes")
    choose(page, "large")
    add(page, "shell", "no")
    write(page, "命令", "echo no")
    add(page, "shell", "end")
    write(page, "命令", "echo end")
    go_to(page, page.locator(".workbench-panel").get_by_role("combobox", name="依赖"))
    page.keyboard.insert_text("yes")
    page.keyboard.press("Enter")
    page.get_by_role("button", name="断开与 yes 的连接").wait_for()
    go_to(page, page.locator("summary", has_text="运行时机与位置"))
    page.keyboard.press("Enter")
    go_to(page, page.locator(".workbench-panel").get_by_role("combobox", name="触发规则"))
    page.keyboard.type("none_failed_min")
    page.locator('[data-testid="standing"][data-checked="true"]').get_by_text("有效").wait_for()
    page.keyboard.press("Control+s")
    page.keyboard.insert_text("只用键盘")
    page.keyboard.press("Enter")
    page.get_by_text("版本 1 已保存").wait_for()
    assert DagVersion.objects.get().note == "只用键盘"
    tasks = publish.document_of(DagVersion.objects.get())["tasks"]
    assert (tasks["large"]["true_task"], tasks["large"]["false_task"]) == ("yes", "no")
    assert sorted(tasks["end"]["depends_on"]) == ["no", "yes"]
    go_to(page, page.get_by_role("button", name="运行…"), back=True)
    page.keyboard.press("Enter")
    go_to(page, page.get_by_role("button", name="开始运行"))
    page.keyboard.press("Enter")
    page.wait_for_url("**/dagrun/**")
    eventually(lambda: DagRun.objects.get().state == "success", 40)
    states = dict(TaskExecution.objects.values_list("task_id", "state"))
    assert states == {"start": "success", "large": "success", "yes": "success", "no": "skipped", "end": "success"}
