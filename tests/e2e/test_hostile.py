"""Names, notes, parameters, messages and logs full of markup: each page shows them as text, and nothing happens."""

from __future__ import annotations

from typing import TYPE_CHECKING

import yaml

from tests.e2e.conftest import Visits
from tests.e2e.test_designer import open_designer
from tests.e2e.test_runs import open_run, wait_run, wait_task
from workflows.engine import launch, publish

if TYPE_CHECKING:
    from playwright.sync_api import Page

MARKUP = """<img src=x onerror="alert(1)"><script>alert(2)</script><svg/onload=alert(3)>"""
BREAKOUT = """"'></script></textarea></style><b id=planted>]]>--><a href="javascript:alert(4)">go</a>"""
LINK = "javascript:alert(5)"
NASTY = f"{MARKUP} {BREAKOUT} {LINK}"
# A link and a title by escapes, a cleared screen, a moved cursor, a right-to-left override.
ANSI = "\\033]8;;javascript:alert(6)\\033\\\\click\\033]8;;\\033\\\\\\033]0;owned\\007\\033[2J\\033[1;1H\\033[31m"
SCRIPT = f"""printf '{ANSI}coloured\\n'
cat <<'END'
{NASTY}
END
cat >&2 <<'END'
ERROR {NASTY}
END
exit 3
"""
DOCUMENT = {
    "id": "hostile",
    "name": NASTY,
    "description": NASTY,
    "config": {"owner": MARKUP[:60]},
    "params": {"given": {"type": "string", "title": MARKUP, "description": NASTY, "default": NASTY}},
    "tasks": {
        "bad": {"type": "shell", "name": f"first {MARKUP}", "parameters": {"script": SCRIPT}},
        "told": {"type": "python", "parameters": {"script": f"raise ValueError({NASTY!r})"}},
        "after": {"type": "shell", "command": "echo {{ params.given }}", "depends_on": ["bad"]},
    },
}


def listen(page: Page) -> list[str]:
    """Every dialog that opens; a planted script would open one."""
    opened: list[str] = []

    def heard(dialog: object) -> None:
        opened.append(str(dialog))
        dialog.dismiss()  # type: ignore[attr-defined]

    page.on("dialog", heard)
    return opened


def planted(page: Page) -> int:
    """How many elements stand in the page that only the texts could have put there."""
    return page.locator('#planted, img[src="x"], [onerror], [onload], a[href^="javascript:"]').count()


def test_a_run_shows_markup_as_text(visits: Visits) -> None:
    visit = visits(workers=1)
    page = visit.log_in("root")
    dialogs = listen(page)
    run = launch.launch(publish.publish(DOCUMENT), params={"given": NASTY})
    open_run(page, run)
    wait_run(page, "failed")
    wait_task(page, "told", "failed")
    page.locator(".graph-name", has_text="first <img src=x onerror=").wait_for()
    choose_by_id(page, "told")
    page.locator(".task-message", has_text="<script>alert(2)</script>").wait_for()
    choose_by_id(page, "bad")
    page.locator(".log-line .ansi-fg-1", has_text="coloured").wait_for()
    page.locator(".log-line.is-stderr", has_text=NASTY).wait_for()
    assert "click" in page.locator(".log-box").inner_text()
    page.get_by_label("Any level").select_option("error")
    page.locator(".log-hit", has_text=MARKUP).wait_for()
    page.get_by_role("tab", name="Inputs").click()
    page.locator(".task-inputs", has_text=BREAKOUT).wait_for()
    views = {"Gantt": "[data-testid=gantt]", "Grid": "[data-testid=grid]", "Details and events": "#run-plain table"}
    for view, shown in views.items():
        page.get_by_role("tab", name=view, exact=True).click()
        page.locator(shown).first.wait_for()
        assert planted(page) == 0
    assert page.title() != "owned"
    assert dialogs == []


def test_the_designer_shows_markup_as_text(visits: Visits) -> None:
    visit = visits()
    publish.publish(yaml.safe_dump(DOCUMENT), note=NASTY)
    page = visit.log_in("root")
    dialogs = listen(page)
    open_designer(page, "hostile")
    page.locator(".graph-name", has_text="first <img src=x onerror=").wait_for()
    page.locator('.graph-node[data-task="told"]').click()
    page.locator(".workbench-panel").wait_for()
    for view in ("List", "YAML", "Graph"):
        page.get_by_role("button", name=view, exact=True).click()
        assert planted(page) == 0
    assert dialogs == []


def choose_by_id(page: Page, task: str) -> None:
    page.locator(f'.graph-node[data-task="{task}"]').click()
    page.locator(".task-panel").wait_for()
    page.wait_for_url(f"**task={task}**")
