"""Surgery, mapped tasks and the limits of pools in the admin: preview first, through the engine, only if one may."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.messages import get_messages
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from tests.integration.admin.conftest import ALL_VIEWS, logged_in, person
from tests.support.hands import Done, Expand, Fail, admitted, dag, do, held, start, state, states
from workflows.engine.launch import launch
from workflows.engine.publish import publish
from workflows.models import DagRun, Event, NodePool, TaskExecution

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("broker")]
BAD = Fail(message="no", permanent=True)
RUNS = "/admin/workflows/dagrun/"
CUTS = ("retry", "clear", "mark_success", "mark_failed")


@pytest.fixture
def operator(db: None) -> Client:
    """Somebody who may operate on runs and edit pools."""
    return logged_in(person("operator", *ALL_VIEWS, "change_dagrun", "add_nodepool", "change_nodepool"))


def page(name: str, *args: int, **query: Any) -> str:
    """An address of our admin."""
    return reverse(f"admin:workflows_{name}", args=args) + (f"?{urlencode(query, doseq=True)}" if query else "")


def said(answer: Any) -> str:
    """What the reader is told."""
    return " ".join(str(message) for message in get_messages(answer.wsgi_request))


def text_of(client: Client, address: str) -> str:
    """What a page shows."""
    answer = client.get(address)
    assert answer.status_code == 200, address
    return answer.content.decode()


def failed(dag_id: str = "d") -> DagRun:
    """a succeeded, b failed, c below it never ran."""
    run = start(dag(dag_id, a={}, b={"depends_on": ["a"]}, c={"depends_on": ["b"]}))
    do(run, "a")
    do(run, "b", BAD)
    assert state(run) == "failed"
    return run


def mapped(count: int, limit: int | None = None) -> DagRun:
    """A run of a mapped task with so many items, of which none has begun."""
    run = start(dag(each={"foreach": [0], "foreach_concurrency": limit}, last={"depends_on": ["each"]}))
    do(run, "each", Expand(items=tuple({"name": f"item-{index}"} for index in range(count))))
    return run


# Surgery


def test_retry_shows_what_it_touches_and_then_does_it(operator: Client) -> None:
    run = failed()
    assert page("dagrun_retry", run.pk) in text_of(operator, page("dagrun_change", run.pk))
    for asked in (operator.get(page("dagrun_retry", run.pk)), operator.post(page("dagrun_retry", run.pk))):
        shown = asked.content.decode()
        assert "2 tasks will be touched" in shown
        assert [(line.name, line.then) for line in asked.context["plans"][0].lines] == [
            ("b", "runs again"),
            ("c", "runs again"),
        ]
        assert "1 other task stays as it is" in shown
        assert state(run) == "failed"
    done = operator.post(page("dagrun_retry", run.pk), {"confirmed": "1"})
    assert done.headers["Location"] == page("dagrun_change", run.pk)
    assert "2 tasks touched" in said(done)
    assert (state(run), states(run)["b"]) == ("running", "queued")
    assert Event.objects.get(run=run, task_id="b", new="pending").message == "by operator"
    assert LogEntry.objects.get().get_change_message() == "retried what failed"


def test_what_was_mended_is_offered_and_runs(operator: Client) -> None:
    run = failed()
    assert operator.get(page("dagrun_retry", run.pk)).context["versions"] == []
    publish(dag(a={}, b={"depends_on": ["a"], "timeout": 5}, c={"depends_on": ["b"]}))
    asked = operator.get(page("dagrun_retry", run.pk))
    assert [(url, chosen) for url, _, chosen in asked.context["versions"]] == [("?", True), ("?version=2", False)]
    operator.post(page("dagrun_retry", run.pk, version=2), {"confirmed": "1"})
    run.refresh_from_db()
    assert (run.state, run.version.number) == ("running", 2)
    assert operator.get(page("dagrun_clear", run.pk, task="a")).context["versions"] == []


def test_run_again_from_here_reaches_as_far_as_is_chosen(operator: Client) -> None:
    run = failed()
    address = page("dagrun_clear", run.pk, task="a")
    assert address in text_of(operator, page("dagrun_change", run.pk))
    asked = operator.get(address)
    assert [line.name for line in asked.context["plans"][0].lines] == ["a", "b", "c"]
    reach = [(url, chosen) for url, _, chosen in asked.context["choices"]]
    assert reach == [("?task=a", True), ("?task=a&alone=1", False), ("?task=a&above=1", False)]
    alone = page("dagrun_clear", run.pk, task="a", alone=1)
    assert [line.name for line in operator.get(alone).context["plans"][0].lines] == ["a"]
    above = page("dagrun_clear", run.pk, task="b", above=1)
    assert [line.name for line in operator.get(above).context["plans"][0].lines] == ["a", "b", "c"]
    operator.post(alone, {"confirmed": "1"})
    assert states(run) == {"a": "queued", "b": "failed", "c": "upstream_failed"}


def test_tasks_are_marked(operator: Client) -> None:
    run = failed()
    address = page("dagrun_mark_success", run.pk, task="b")
    task = TaskExecution.objects.get(run=run, task_id="b")
    assert address in text_of(operator, page("taskexecution_change", task.pk))
    assert [(line.name, line.then) for line in operator.get(address).context["plans"][0].lines] == [
        ("b", "is marked"),
        ("c", "runs again"),
    ]
    operator.post(address, {"confirmed": "1"})
    assert states(run) == {"a": "success", "b": "success", "c": "queued"}
    operator.post(page("dagrun_mark_failed", run.pk, task="c"), {"confirmed": "1"})
    assert (states(run)["c"], state(run)) == ("failed", "failed")


def test_refusals_are_shown_and_change_nothing(operator: Client) -> None:
    run = failed()
    for address, told in {
        page("dagrun_clear", run.pk, task="nope"): "has no task",
        page("dagrun_clear", run.pk): "No task was named.",
        page("dagrun_mark_success", run.pk, task="a"): "nothing to do",
    }.items():
        shown = operator.get(address).content.decode()
        assert told in shown
        assert "Yes," not in shown
        assert told in said(operator.post(address, {"confirmed": "1"}))
    assert operator.get(page("dagrun_retry", 999_999)).status_code == 404
    assert state(run) == "failed"


def test_chosen_runs_are_retried_together(operator: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    one, two, well = failed("one"), failed("two"), start(dag("well", a={}))
    do(well, "a")
    chosen = {"action": "retry_runs", "_selected_action": [one.pk, two.pk, well.pk]}
    asked = operator.post(RUNS, chosen).content.decode()
    assert "4 tasks will be touched, in 2 runs" in asked
    assert "There is nothing to do in run" in asked
    assert (state(one), state(two)) == ("failed", "failed")
    done = operator.post(RUNS, {**chosen, "confirmed": "1"})
    assert "4 tasks touched in 2 run(s)" in said(done)
    assert (state(one), state(two), state(well)) == ("running", "running", "success")
    monkeypatch.setattr("workflows.admin.surgery_pages.MOST", 2)
    assert "at most 2" in said(operator.post(RUNS, {**chosen, "confirmed": "1"}))


def test_who_may_not_is_offered_nothing_and_refused(viewer: Client) -> None:
    run = failed()
    shown = text_of(viewer, page("dagrun_change", run.pk)) + text_of(viewer, RUNS)
    assert not [cut for cut in CUTS if page(f"dagrun_{cut}", run.pk) in shown]
    assert "retry_runs" not in shown
    for cut in CUTS:
        address = page(f"dagrun_{cut}", run.pk, task="a")
        assert viewer.get(address).status_code == 403
        assert viewer.post(address, {"confirmed": "1"}).status_code == 403
    viewer.post(RUNS, {"action": "retry_runs", "_selected_action": [run.pk], "confirmed": "1"})
    assert state(run) == "failed"


def test_surgery_needs_the_forms_token() -> None:
    run = failed()
    client = Client(enforce_csrf_checks=True)
    client.force_login(person("careless", *ALL_VIEWS, "change_dagrun"))
    assert client.post(page("dagrun_retry", run.pk), {"confirmed": "1"}).status_code == 403
    assert state(run) == "failed"


# Mapped tasks


def test_a_mapped_task_is_one_row_that_leads_to_its_items(operator: Client) -> None:
    run = mapped(3, limit=2)
    do(run, "each", Done(output=1), item=0)
    whole = operator.get(page("dagrun_change", run.pk))
    lines = whole.context["lines"]
    assert [line.name for line in lines] == ["each", "last"]
    assert lines[0].item_count == 3
    assert lines[0].items_url == "?items=each#tasks"
    assert whole.context["total"] == 2
    shown = operator.get(page("dagrun_change", run.pk, items="each"))
    assert [(line.name, line.item, line.held) for line in shown.context["lines"]] == [
        ("each[0]", '{"name": "item-0"}', False),
        ("each[1]", '{"name": "item-1"}', False),
        ("each[2]", '{"name": "item-2"}', False),
    ]
    assert [chip.url for chip in shown.context["chips"]] == [
        "?items=each&state=queued#tasks",
        "?items=each&state=success#tasks",
    ]
    queued = operator.get(page("dagrun_change", run.pk, items="each", state="queued"))
    assert [line.name for line in queued.context["lines"]] == ["each[1]", "each[2]"]
    assert operator.get(page("dagrun_change", run.pk, items="<b>")).context["page"].items == ""


def test_many_items_are_paged_and_cost_no_more_queries(operator: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("workflows.admin.run_page.PER_PAGE", 100)

    def queries(run: DagRun, **query: Any) -> int:
        operator.get(page("dagrun_change", run.pk, **query))
        with CaptureQueriesContext(connection) as seen:
            assert operator.get(page("dagrun_change", run.pk, **query)).status_code == 200
        return len(seen)

    few, many = mapped(1), mapped(450)
    assert queries(few) == queries(many)
    assert queries(few, items="each") == queries(many, items="each") <= 18
    last = operator.get(page("dagrun_change", many.pk, items="each", p=5))
    assert (last.context["page"].number, last.context["page"].count, len(last.context["lines"])) == (5, 5, 50)
    assert (last.context["page"].before, last.context["page"].after) == ("?items=each&p=4#tasks", "")


def test_the_pages_of_an_item_and_of_its_mapped_task(operator: Client) -> None:
    run = mapped(2, limit=1)
    item = TaskExecution.objects.get(run=run, task_id="each", map_index=1)
    shown = text_of(operator, page("taskexecution_change", item.pk))
    assert "&quot;name&quot;: &quot;item-1&quot;" in shown
    assert "room within a limit" in shown
    assert "foreach_concurrency" in shown
    assert page("dagrun_clear", run.pk) not in shown
    group = TaskExecution.objects.get(run=run, task_id="each", map_index=-1)
    shown = text_of(operator, page("taskexecution_change", group.pk))
    assert f"{page('dagrun_change', run.pk)}?items=each#tasks" in shown
    last = TaskExecution.objects.get(run=run, task_id="last")
    above = operator.get(page("taskexecution_change", last.pk)).context["neighbours"][0]
    assert [line.name for line in above.lines] == ["each"]


def test_a_run_that_waits_for_its_turn_says_so(operator: Client) -> None:
    version = publish({**dag(a={}), "config": {"max_active_runs": 1}})
    launch(version)
    waiting = launch(version)
    shown = text_of(operator, page("dagrun_change", waiting.pk))
    assert "waits for its turn" in shown
    assert not [cut for cut in CUTS if page(f"dagrun_{cut}", waiting.pk) in shown]


# Pools


def test_the_limit_of_a_pool_goes_through_the_engine(operator: Client) -> None:
    operator.post(page("nodepool_add"), {"name": "db", "description": "small", "slots": "1"})
    pool = NodePool.objects.get(name="db")
    assert (pool.slots, pool.description) == (1, "small")
    run = start(dag(a={"pool": "db"}, b={"pool": "db"}, c={"pool": "db"}))
    held(run, "a")
    assert "1 of 1 slots in use; 1 running, 0 queued, 2 waiting for room" in text_of(
        operator, page("nodepool_change", pool.pk)
    )
    operator.post(page("nodepool_change", pool.pk), {"description": "small", "slots": "2"})
    assert admitted(run) == ["b"]
    operator.post(page("nodepool_change", pool.pk), {"description": "larger", "slots": ""})
    pool.refresh_from_db()
    assert (pool.slots, pool.description, admitted(run)) == (None, "larger", ["b", "c"])
    operator.post(page("nodepool_change", pool.pk), {"description": "", "slots": "1"})
    assert TaskExecution.objects.filter(run=run, gated=True).count() == 3


def test_the_list_of_pools_asks_once_what_they_have(operator: Client) -> None:
    def queries() -> int:
        operator.get(page("nodepool_changelist"))
        with CaptureQueriesContext(connection) as seen:
            assert operator.get(page("nodepool_changelist")).status_code == 200
        return len(seen)

    NodePool.objects.create(name="one", slots=3)
    one = queries()
    for index in range(10):
        NodePool.objects.create(name=f"p{index}", slots=index)
    assert queries() == one <= 10
    start(dag(a={"pool": "one", "pool_slots": 2}))
    assert 'class="field-shown">2</td>' in text_of(operator, page("nodepool_changelist"))
