"""Every table can be read by who may read it, and by nobody else."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from django.contrib import admin
from django.contrib.admin.utils import quote
from django.core.cache import cache
from django.test import Client
from django.urls import reverse
from pytest_django.fixtures import DjangoAssertNumQueries

from tests.integration.admin.conftest import Story, succeed
from workflows.conf import read
from workflows.engine import overview, publish
from workflows.models import BrokerMark, DagRun, DagVersion, Event, LogChunk, Node, NodePool, TaskAttempt

MODELS = (
    *("dag", "dagversion", "dagrun", "taskexecution", "taskattempt"),
    *("event", "logchunk", "nodepool", "node", "brokermark", "approval", "callback", "eventcursor"),
    *("backfill", "backfilldate", "schedule"),
)


def list_page(model: str) -> str:
    return reverse(f"admin:workflows_{model}_changelist")


def row_pages(story: Story) -> list[str]:
    BrokerMark.objects.create(name="epoch/1 2", value="x")
    rows = [
        ("dag", story.run.dag_id),
        ("dagversion", story.run.version_id),
        ("dagrun", story.run.pk),
        ("taskexecution", story.fetch.pk),
        ("taskattempt", TaskAttempt.objects.values_list("pk", flat=True)[0]),
        ("event", Event.objects.values_list("pk", flat=True)[0]),
        ("logchunk", LogChunk.objects.values_list("pk", flat=True)[0]),
        ("nodepool", NodePool.objects.values_list("pk", flat=True)[0]),
        ("node", Node.objects.values_list("pk", flat=True)[0]),
    ]
    pages = [reverse(f"admin:workflows_{model}_change", args=[pk]) for model, pk in rows]
    return [*pages, reverse("admin:workflows_brokermark_change", args=[quote("epoch/1 2")])]


def test_every_model_is_registered() -> None:
    from django.apps import apps

    assert {m.__name__ for m in apps.get_app_config("workflows").get_models()} == {
        m.__name__ for m in admin.site._registry if m._meta.app_label == "workflows"
    }


@pytest.mark.parametrize("who", ["root", "viewer"])
def test_lists_and_pages_show_their_rows(who: str, story: Story, request: pytest.FixtureRequest) -> None:
    client: Client = request.getfixturevalue(who)
    for page in [*map(list_page, MODELS), *row_pages(story), reverse("admin:index")]:
        answer = client.get(page)
        assert answer.status_code == 200, page
        assert "<script>alert" not in answer.content.decode(), page


def test_a_stranger_reads_nothing(stranger: Client, story: Story) -> None:
    task, run = story.fetch.pk, story.run.pk
    own = [
        reverse("admin:workflows_dagrun_fragment", args=[run]),
        reverse("admin:workflows_taskexecution_fragment", args=[task]),
        reverse("admin:workflows_taskexecution_log", args=[task, 1]),
        reverse("admin:workflows_dagversion_source", args=[story.run.version_id]),
    ]
    for page in [*map(list_page, MODELS), *row_pages(story), *own]:
        assert stranger.get(page).status_code == 403, page
    index = stranger.get(reverse("admin:index"))
    assert index.status_code == 200
    assert "sales" not in index.content.decode()


def test_nobody_is_let_in_without_logging_in(story: Story) -> None:
    for page in [*map(list_page, MODELS), *row_pages(story)]:
        assert Client().get(page).status_code == 302


@pytest.mark.parametrize(
    ("model", "query", "found"),
    [
        ("dag", "q=daily", "sales"),
        ("dag", "switch=active", "sales"),
        ("dag", "switch=paused", None),
        ("dag", "switch=deleted", None),
        ("dag", "tag=nightly", "sales"),
        ("dag", "owner=data-team", "sales"),
        ("dagversion", "q=first", "sales v1"),
        ("dagversion", "source_format__exact=json", None),
        ("dagrun", "q=sales", "sales"),
        ("dagrun", "state__exact=running", "sales"),
        ("dagrun", "state__exact=failed", None),
        ("dagrun", "progress=unfinished", "sales"),
        ("dagrun", "progress=over", None),
        ("dagrun", "trigger__exact=manual", "sales"),
        ("dagrun", "reason__exact=lost", None),
        ("taskexecution", "q=clean", "clean"),
        ("taskexecution", "state__exact=failed", "clean"),
        ("taskexecution", "reason__exact=lost", None),
        ("taskattempt", "q=clean", "clean"),
        ("taskattempt", "end__exact=failed", "clean"),
        ("event", "q=clean", "clean"),
        ("event", "new=failed", "clean"),
        ("event", "reason=lost", None),
        ("logchunk", "stream__exact=stderr", "stderr"),
        ("logchunk", "q=not+a+number", None),
        ("nodepool", "q=default", "default"),
        ("node", "q=w1", "w1@host"),
        ("node", "state=alive", "w1@host"),
        ("node", "state=silent", None),
        ("node", "state=stopped", None),
        ("brokermark", "q=nothing", None),
    ],
)
def test_searches_and_filters(viewer: Client, story: Story, model: str, query: str, found: str | None) -> None:
    answer = viewer.get(f"{list_page(model)}?{query}")
    assert answer.status_code == 200
    shown = answer.context["cl"].result_list
    if found is None:
        assert list(shown) == []
    else:
        assert len(shown) >= 1
        assert found in answer.content.decode()


def test_numbers_are_searched_exactly(viewer: Client, story: Story) -> None:
    for model, number in (("dagrun", story.run.pk), ("taskexecution", story.run.pk), ("event", story.run.pk)):
        assert len(viewer.get(f"{list_page(model)}?q={number}").context["cl"].result_list) >= 1
    chunks = viewer.get(f"{list_page('logchunk')}?q={story.fetch.pk}").context["cl"].result_list
    assert len(chunks) == 2


def test_the_engines_tables_cannot_be_written(root: Client, story: Story) -> None:
    for model in set(MODELS) - {"nodepool", "dag"}:
        assert root.get(reverse(f"admin:workflows_{model}_add")).status_code == 403, model
    for page in row_pages(story):
        if "nodepool" in page:
            continue
        assert root.post(page.replace("/change/", "/delete/"), {"post": "yes"}).status_code == 403, page
        before = list(DagRun.objects.values_list("state", flat=True))
        root.post(page, {"state": "success", "name": "x", "dag_id": "y"})
        assert list(DagRun.objects.values_list("state", flat=True)) == before


def test_pools_are_edited_and_the_default_one_stays(root: Client, db: None) -> None:
    root.post(reverse("admin:workflows_nodepool_add"), {"name": "gpu", "description": "cards"})
    pool = NodePool.objects.get(name="gpu")
    page = reverse("admin:workflows_nodepool_change", args=[pool.pk])
    assert "celeriac.gpu" in root.get(page).content.decode()
    root.post(page, {"name": "renamed", "description": "two cards"})
    pool.refresh_from_db()
    assert (pool.name, pool.description) == ("gpu", "two cards")
    default = NodePool.objects.get(name="default")
    assert root.post(reverse("admin:workflows_nodepool_delete", args=[default.pk]), {"post": "yes"}).status_code == 403
    data = {"action": "delete_selected", "_selected_action": [default.pk, pool.pk], "post": "yes"}
    root.post(list_page("nodepool"), data)
    assert NodePool.objects.filter(name="default").exists()


def test_lists_ask_few_questions_and_leave_plans_alone(
    viewer: Client,
    story: Story,
    start: Callable[..., DagRun],
    django_assert_max_num_queries: DjangoAssertNumQueries,
) -> None:
    for number in range(12):
        publish.publish(f"id: other{number}\ntasks: {{a: {{type: shell, command: 'true'}}}}")
        succeed(start(f"other{number}"), 0)
    for model in MODELS:
        with django_assert_max_num_queries(10) as asked:
            viewer.get(list_page(model))
        text = " ".join(query["sql"] for query in asked.captured_queries)
        for column in ('"plan"', '"document"', '"source"', '."output"'):
            assert column not in text, (model, column)


def test_a_large_table_is_counted_only_so_far(viewer: Client, story: Story, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("workflows.admin.bases.COUNT_LIMIT", 2)
    changelist = viewer.get(list_page("event")).context["cl"]
    assert changelist.result_count == 2


def test_the_page_of_a_version_shows_document_and_plan(viewer: Client, version: DagVersion) -> None:
    page = viewer.get(reverse("admin:workflows_dagversion_change", args=[version.pk]))
    text = page.content.decode()
    assert "command: &quot;echo fetch&quot;" in text
    assert page.context["plan"].levels == ((0,), (1,), (2,))
    source = viewer.get(reverse("admin:workflows_dagversion_source", args=[version.pk]))
    assert source["Content-Type"] == "text/plain; charset=utf-8"
    assert source.content.decode() == version.source


def test_a_plan_of_another_release_does_not_hide_the_page(
    viewer: Client, story: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(version_id: int) -> None:
        raise ValueError("plan format 0")

    monkeypatch.setattr("workflows.engine.plans.plan_of", refuse)
    version = reverse("admin:workflows_dagversion_change", args=[story.run.version_id])
    assert "another release" in viewer.get(version).content.decode()
    task = reverse("admin:workflows_taskexecution_change", args=[story.fetch.pk])
    assert viewer.get(task).status_code == 200


def test_the_first_page_shows_runs_nodes_and_the_way_to_flower(
    viewer: Client, story: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    index = reverse("admin:index")
    text = viewer.get(index).content.decode()
    assert reverse("admin:workflows_dagrun_change", args=[story.run.pk]) in text
    assert "w1@host" in text
    assert "Flower" not in text
    monkeypatch.setattr("workflows.admin.dashboard.conf", replace(read({}), FLOWER_URL="http://flower.example/"))
    assert 'href="http://flower.example/"' in viewer.get(index).content.decode()


def test_our_tables_come_first_in_the_sidebar(root: Client, story: Story) -> None:
    apps = root.get(reverse("admin:index")).context["available_apps"]
    assert apps[0]["app_label"] == "workflows"
    assert [model["object_name"] for model in apps[0]["models"]][:3] == ["Dag", "DagRun", "Schedule"]


def test_the_bare_address_leads_to_the_admin() -> None:
    answer = Client().get("/")
    assert (answer.status_code, answer.headers["Location"]) == (302, "/admin/")


def test_what_is_not_there_is_not_found(viewer: Client, db: None) -> None:
    for model in ("dag", "dagversion", "dagrun", "taskexecution", "event"):
        assert viewer.get(reverse(f"admin:workflows_{model}_change", args=[987_654])).status_code == 404
        assert viewer.get(reverse(f"admin:workflows_{model}_change", args=["nonsense"])).status_code == 404


def test_the_calendar_is_counted_once_a_minute(root: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    counted: list[str] = []
    monkeypatch.setattr(overview, "calendar", lambda zone: counted.append(zone) or {})  # type: ignore[func-returns-value]
    cache.clear()
    for _ in range(2):
        assert root.get(reverse("admin:index")).status_code == 200
    cache.clear()
    assert len(counted) == 1
