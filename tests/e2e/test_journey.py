"""The whole way: five tasks with a branch drawn from nothing, run, broken, seen red, mended, run on from there.

By mouse and by nothing but keys, in both languages, with a real worker.
"""

from __future__ import annotations

import re

import pytest

from tests.e2e.conftest import Visits
from tests.e2e.hands import Hand, Keys, Mouse
from workflows.engine import publish
from workflows.models import Dag, DagRun, DagVersion, TaskAttempt, TaskExecution

BROKEN = "echo 'ERROR no such word' >&2; exit 3"


def draw(hand: Hand) -> None:
    """start > large > (yes | no) > end."""
    page = hand.page
    hand.write(hand.field("field.id"), "journey")
    hand.touch(hand.panel.locator("summary", has_text=hand.says("field.params")))
    hand.write(hand.panel.get_by_role("textbox", name=hand.says("designer.new_param")), "word")
    page.keyboard.press("Enter")
    hand.add("shell", "start")
    hand.write(hand.field("field.command"), "echo {{ params.word }}")
    hand.add("conditional", "large", after="start")
    hand.write(hand.field("field.condition"), "tasks.start.output.exit_code == 0")
    hand.add("shell", "yes", after="large", row=-1)
    hand.write(hand.field("field.command"), "echo yes")
    hand.add("shell", "no", after="large", row=1)
    hand.write(hand.field("field.command"), "echo no")
    hand.add("shell", "end", after="yes", row=1)
    hand.write(hand.field("field.command"), "echo end")
    hand.connect("no", "end")
    hand.touch(hand.node("end"))
    hand.chosen("end")
    hand.touch(hand.panel.locator("summary", has_text=hand.says("designer.when_and_where")))
    hand.option(hand.panel.get_by_role("combobox", name=hand.says("field.trigger_rule")), "none_failed_min_one_success")
    hand.saw_valid()


def run(hand: Hand, word: str) -> None:
    """By the launch form, with a parameter."""
    page = hand.page
    hand.press("designer.run")
    hand.write(page.get_by_role("dialog").get_by_role("textbox", name="word"), word)
    hand.press("designer.start_run", within="dialog")
    page.wait_for_url(re.compile(r"/dagrun/\d+/"))


def turns(hand: Hand, state: str, **tasks: str) -> None:
    """The run comes to a state, and its tasks to theirs, on the screen."""
    hand.page.locator(f'[data-testid="run-state"] > [data-state="{state}"]').wait_for(timeout=40_000)
    hand.press("graph.fit")  # beside an open panel there is less room
    for task, each in tasks.items():
        hand.page.locator(f'.graph-node[data-task="{task}"] [data-state="{each}"]').wait_for()


def rewrite(hand: Hand, task: str, command: str, number: int) -> None:
    """From the run to the task in the designer; another command; a new version."""
    page = hand.page
    hand.touch(hand.node(task))
    hand.touch(page.locator(".task-panel").get_by_role("link", name=hand.says("run.to_designer")))
    hand.chosen(task)
    hand.write(hand.field("field.command"), command)
    hand.saw_valid()
    hand.save(f"number {number}")
    page.get_by_text(hand.says("designer.saved", number=number)).wait_for()


@pytest.mark.timeout(240)
@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("by", [Mouse, Keys])
def test_draw_run_break_mend_and_run_on(visits: Visits, by: type[Hand], language: str) -> None:
    visit = visits(workers=1, language=language, dark=language == "zh")
    page = visit.log_in("root")
    hand = by(page, language)
    page.goto(f"{visit.url}/admin/workflows/dag/designer/")
    draw(hand)
    assert visit.barriers(page) == []
    hand.save("drawn")
    page.get_by_text(hand.says("designer.saved", number=1)).wait_for()
    tasks = publish.document_of(DagVersion.objects.get())["tasks"]
    assert (tasks["large"]["true_task"], tasks["large"]["false_task"]) == ("yes", "no")
    assert sorted(tasks["end"]["depends_on"]) == ["no", "yes"]

    run(hand, "hello")
    turns(hand, "success", start="success", large="success", yes="success", no="skipped", end="success")
    assert DagRun.objects.get().params == {"word": "hello"}
    assert visit.barriers(page) == []

    rewrite(hand, "yes", BROKEN, 2)
    run(hand, "again")
    turns(hand, "failed", start="success", large="success", yes="failed", no="skipped", end="upstream_failed")
    hand.touch(hand.node("yes"))
    page.locator(".log-line.is-stderr", has_text="ERROR no such word").wait_for()
    assert visit.barriers(page) == []

    broken = page.url
    rewrite(hand, "yes", "echo mended", 3)
    page.goto(broken)
    hand.press("run.clear", within=".task-panel")
    hand.pick(page.get_by_role("radio", name=hand.says("run.by_current", number=3)))
    page.get_by_test_id("touches").wait_for()
    assert visit.barriers(page) == []
    hand.touch(page.get_by_test_id("do-it"))
    turns(hand, "success", start="success", large="success", yes="success", no="skipped", end="success")
    page.locator(".log-line", has_text="mended").wait_for()
    mended = DagRun.objects.get(params={"word": "again"})
    assert (mended.version.number, mended.state, DagRun.objects.count()) == (3, "success", 2)
    attempts = TaskAttempt.objects.filter(task_execution__run=mended).values_list("task_execution__task_id", "end")
    assert sorted(attempts) == [
        ("end", "success"),
        ("large", "success"),
        ("start", "success"),
        ("yes", "failed"),
        ("yes", "success"),
    ]
    assert TaskExecution.objects.filter(run=mended, task_id="no").get().state == "skipped"
    assert Dag.objects.count() == 1
