"""The list of DAGs: what it says of the last runs, and what it lets people do."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.test import Client
from django.urls import reverse
from pytest_django.fixtures import DjangoAssertNumQueries

from tests.integration.admin.conftest import ALL_VIEWS, Story, logged_in, person, succeed
from tests.support import hands
from workflows.admin import dag_list
from workflows.engine.publish import publish
from workflows.models import Dag, DagRun

LIST = "admin:workflows_dag_changelist"


def text_of(client: Client, **query: str) -> str:
    return client.get(reverse(LIST, query=query or None)).content.decode()


def test_it_shows_the_last_runs_their_rate_and_their_durations(
    root: Client, dag: Dag, start: Callable[..., DagRun]
) -> None:
    for _ in range(3):
        run = start()
        for position in range(3):
            succeed(run, position)
    DagRun.objects.update(state="success", ended_at="2026-01-01 10:00:08+00:00", started_at="2026-01-01 10:00:00+00:00")
    text = text_of(root)
    assert text.count("dot st-success") == 3
    assert "100 %" in text
    assert "p95 8.0 s" in text
    assert "<polyline" in text


@pytest.mark.parametrize(("share", "is_"), [(0.5, 2.0), (0.95, 4.0), (0.25, 1.0), (1.0, 4.0)])
def test_quantiles_are_values_that_were_measured(share: float, is_: float) -> None:
    assert dag_list.quantile([4.0, 1.0, 3.0, 2.0], share) == is_


def test_the_switch_comes_back_to_the_list_as_it_was_filtered(root: Client, dag: Dag) -> None:
    text = text_of(root, owner="data-team")
    address = reverse("admin:workflows_dag_pause", args=[dag.pk]) + "?list=owner%3Ddata-team"
    assert f'formaction="{address}"' in text
    sent = root.post(address)
    assert sent.headers["Location"] == reverse(LIST) + "?owner=data-team"
    dag.refresh_from_db()
    assert dag.paused_at is not None
    assert 'aria-checked="false"' in text_of(root)


def test_the_next_run_is_told_to_who_may_see_schedules(root: Client) -> None:
    publish(dag_document())
    assert "0 2 * * * Asia/Shanghai" in text_of(root)
    blind = logged_in(person("blind", *(set(ALL_VIEWS) - {"view_schedule", "view_dagrun"})))
    text = text_of(blind)
    assert "Asia/Shanghai" not in text
    assert "column-last_runs" not in text


def dag_document() -> dict[str, object]:
    return hands.dag("dated", a={}) | {"schedule": {"cron": "0 2 * * *", "timezone": "Asia/Shanghai"}}


def test_what_one_may_not_do_is_not_offered(viewer: Client, story: Story) -> None:
    text = text_of(viewer)
    assert 'role="switch"' not in text
    assert reverse("admin:workflows_dag_run", args=[story.run.dag_id]) not in text
    assert reverse("admin:workflows_dag_add") not in text


def test_more_dags_ask_no_more_queries(root: Client, django_assert_max_num_queries: DjangoAssertNumQueries) -> None:
    for number in range(5):
        publish(hands.dag(f"dag_{number}", a={}))
    with django_assert_max_num_queries(10):
        text_of(root)
