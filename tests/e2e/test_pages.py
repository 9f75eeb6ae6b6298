"""Every page of the admin, light and dark, in both languages: no complaint of the console, no barrier that axe finds.

With CELERIAC_SCREENSHOTS it leaves a picture of each in that directory (`make screenshots`).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from django.urls import reverse

from tests.e2e import stage
from tests.e2e.conftest import Visits
from workflows.models import Approval, Dag, DagRun, DagTemplate, DagVersion, Node, NodePool, Schedule, TaskExecution

if TYPE_CHECKING:
    from playwright.sync_api import Page

PICTURES = os.environ.get("CELERIAC_SCREENSHOTS", "")
_LISTS = (
    *("dag", "dagrun", "schedule", "approval", "backfill", "dagtemplate", "nodepool", "node", "dagversion"),
    *("taskexecution", "taskattempt", "event", "logchunk", "callback", "backfilldate", "brokermark", "eventcursor"),
)
_LOOKS = {"en-light": ("en", False), "en-dark": ("en", True), "zh-light": ("zh", False), "zh-dark": ("zh", True)}
_LOOKED_INTO = ("en-light", "zh-dark")  # both languages and both themes
# What the front end draws is there: it has begun, and nothing is awaited.
_DRAWN = """() => {
  const app = document.getElementById("celeriac-app");
  return !app || (app.childElementCount > 0 && !app.querySelector(".ui-spinner, [data-checked=false]"));
}"""


def addresses() -> Iterator[tuple[str, str]]:
    """Each page with its name."""
    admin: Callable[..., str] = lambda name, *args: reverse(f"admin:{name}", args=args)  # noqa: E731
    yield "overview", admin("index")
    for model in _LISTS:
        yield f"list-{model}", admin(f"workflows_{model}_changelist")
    sales = Dag.objects.get(dag_id="daily_sales")
    yield "dag", admin("workflows_dag_change", sales.pk)
    for place in ("new_version", "run", "backfill", "delete_softly", "hook", "designer"):
        yield f"dag-{place.replace('_', '-')}", admin(f"workflows_dag_{place}", sales.pk)
    yield "dag-add", admin("workflows_dag_add")
    yield from _rows(admin)
    for name in ("auth_user", "auth_group", "authtoken_tokenproxy", "django_celery_beat_periodictask"):
        yield f"list-{name.replace('_', '-')}", admin(f"{name}_changelist")
    yield "pool-add", admin("workflows_nodepool_add")
    yield "user", admin("auth_user_change", 1)
    yield "periodic-task-add", admin("django_celery_beat_periodictask_add")
    yield "password", admin("password_change")


def _rows(admin: Callable[..., str]) -> Iterator[tuple[str, str]]:
    failed = DagRun.objects.filter(state="failed").order_by("-id")[0]
    going = DagRun.objects.get(dag__dag_id="slow_walk")
    broken = TaskExecution.objects.get(run=failed, task_id="check")
    version = DagVersion.objects.get(dag__dag_id="daily_sales", number=2)
    template = DagTemplate.objects.get()
    pages = (
        ("version", "dagversion_change", version.pk),
        ("version-changes", "dagversion_changes", version.pk),
        ("run-failed", "dagrun_change", failed.pk),
        ("run-going", "dagrun_change", going.pk),
        ("run-cancel", "dagrun_cancel", going.pk),
        ("run-retry", "dagrun_retry", failed.pk),
        ("task-failed", "taskexecution_change", broken.pk),
        ("task-asks", "taskexecution_change", TaskExecution.objects.get(task_id="ask").pk),
        ("approval", "approval_change", Approval.objects.get().pk),
        ("schedule", "schedule_change", Schedule.objects.get(dag__dag_id="daily_sales").pk),
        ("template", "dagtemplate_change", template.pk),
        ("template-edit", "dagtemplate_edit", template.pk),
        ("template-generate", "dagtemplate_generate", template.pk),
        ("template-regenerate", "dagtemplate_regenerate", template.pk),
        ("pool", "nodepool_change", NodePool.objects.get().pk),
        ("node", "node_change", Node.objects.filter(stopped_at__isnull=True)[0].pk),
    )
    for name, view, pk in pages:
        yield name, admin(f"workflows_{view}", pk)
    run, designer = admin("workflows_dagrun_change", failed.pk), admin("workflows_dag_designer", version.dag_id)
    yield "run-task", f"{run}?task=check"
    yield "run-live", f"{admin('workflows_dagrun_change', going.pk)}?task=walk"
    for tab in ("gantt", "grid", "compare", "table"):
        yield f"run-{tab}", f"{run}?view={tab}"
    yield "designer-task", f"{designer}?task=check"
    for tab in ("list", "text"):
        yield f"designer-{tab}", f"{designer}?view={tab}"


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_every_page(visits: Visits) -> None:
    found: list[str] = []
    first = visits(workers=1)
    stage.set_up()
    pages = list(addresses())
    first.context.close()
    for look, (language, dark) in _LOOKS.items():
        visit = visits(language=language, dark=dark)
        logging_in = visit.page()
        logging_in.goto(f"{visit.url}/admin/login/")
        picture(logging_in, look, "login")
        logging_in.close()
        page = visit.log_in("root")
        for name, address in pages:
            page.goto(visit.url + address, timeout=60_000)
            page.wait_for_function(_DRAWN)
            assert page.locator("html").get_attribute("lang") == {"en": "en", "zh": "zh-hans"}[language]
            picture(page, look, name)
            if look in _LOOKED_INTO:
                found += [f"{look} {name}: {barrier}" for barrier in visit.barriers(page)]
        filters(page, visit.url, look)
        visit.context.close()
    assert found == [], "\n".join(found)


def filters(page: Page, url: str, look: str) -> None:
    """The drawer opens by its button and closes by Escape."""
    page.goto(url + reverse("admin:workflows_dagrun_changelist", query={"state__exact": "failed"}))
    page.locator("[popovertarget=filter-drawer]").first.click()
    page.locator("#filter-drawer").wait_for(state="visible")
    picture(page, look, "filters")
    page.keyboard.press("Escape")
    page.locator("#filter-drawer").wait_for(state="hidden")


def picture(page: Page, look: str, name: str) -> None:
    """Keep a picture, where pictures are wanted."""
    if PICTURES:
        page.screenshot(path=Path(PICTURES, look, f"{name}.png"), animations="disabled")


def test_the_list_of_dags_is_worked_by_keyboard(visits: Visits) -> None:
    visit = visits()
    from workflows.engine import publish

    publish.publish("id: one\ntasks: {a: {type: shell, command: 'true'}}\n")
    page = visit.log_in("root")
    page.goto(visit.url + reverse("admin:workflows_dag_changelist"))
    switch = page.get_by_role("switch")
    switch.focus()
    with page.expect_navigation():
        page.keyboard.press("Space")
    assert Dag.objects.get().paused_at is not None
    assert page.get_by_role("switch").get_attribute("aria-checked") == "false"


def test_the_language_is_switched_and_kept(visits: Visits) -> None:
    visit = visits()
    page = visit.log_in("root")
    page.get_by_role("button", name="简体中文").click()
    page.wait_for_function("document.documentElement.lang === 'zh-hans'")
    page.goto(visit.url + reverse("admin:workflows_dagrun_changelist"))
    assert page.locator("h1").inner_text() == "DAG 运行"
    page.get_by_role("button", name="English").click()
    page.wait_for_function("document.documentElement.lang === 'en'")
    assert page.locator("h1").inner_text() == "DAG runs"


def test_the_sidebar_is_hidden_and_stays_so(visits: Visits) -> None:
    visit = visits()
    page = visit.log_in("root")
    page.get_by_role("button", name="Toggle navigation").click()
    assert not page.locator("#side").is_visible()
    page.reload()
    assert not page.locator("#side").is_visible()
    page.get_by_role("button", name="Toggle navigation").click()
    assert page.locator("#side").is_visible()
    page.set_viewport_size({"width": 600, "height": 800})
    page.locator("#side").wait_for(state="hidden")
    page.get_by_role("button", name="Toggle navigation").click()
    page.locator("#side").wait_for(state="visible")
    page.keyboard.press("Escape")
    page.locator("#side").wait_for(state="hidden")
