"""Schedules by the API: what a DAG's says, and when any would run."""

from __future__ import annotations

from typing import Any

import pytest
from rest_framework.test import APIClient

from tests.support.hands import dag
from workflows.engine.publish import publish
from workflows.models import DagVersion

pytestmark = pytest.mark.django_db


def preview(client: APIClient, schedule: Any, **more: Any) -> Any:
    answer = client.post("/api/v1/schedules/preview", {"schedule": schedule, **more})
    assert answer.status_code == 200, answer.content
    return answer.json()


def test_the_schedule_of_a_dag(author: APIClient, version: DagVersion) -> None:
    assert author.get("/api/v1/dags/sales/schedule").json()["code"] == "no_schedule"
    assert author.get("/api/v1/dags/nothing/schedule").status_code == 404
    publish(dag("sales", a={}) | {"schedule": {"cron": "0 2 * * *", "timezone": "Asia/Shanghai"}})
    shown = author.get("/api/v1/dags/sales/schedule?count=2").json()
    assert (shown["words"], shown["paused"], shown["message"]) == ("0 2 * * * Asia/Shanghai", False, "")
    assert len(shown["upcoming"]) == 2
    assert shown["upcoming"][0]["logical_date"] == shown["next_at"]
    assert shown["upcoming"][0]["logical_date"].endswith("T18:00:00Z")
    assert shown["upcoming"][0]["local"].endswith("T02:00:00+08:00")
    assert author.get("/api/v1/dags/sales/schedule?count=1000").status_code == 400


def test_a_preview_shows_both_clocks(author: APIClient) -> None:
    shown = preview(author, {"cron": "30 2 * * *", "timezone": "Europe/Berlin"}, count=3, after="2025-03-29T00:00:00Z")
    assert [each["logical_date"][5:16] for each in shown["upcoming"]] == ["03-29T01:30", "03-30T01:00", "03-31T00:30"]
    assert [each["local"][11:] for each in shown["upcoming"]] == ["02:30:00+01:00", "03:00:00+02:00", "02:30:00+02:00"]
    assert preview(author, "@hourly", count=1)["valid"] is True


@pytest.mark.parametrize(
    ("schedule", "code"),
    [
        ({"cron": "61 * * * *"}, "bad_schedule"),
        ({"cron": "* * * * *", "timezone": "Mars"}, "bad_schedule"),
        ({}, "bad_schedule"),
        (None, "missing_field"),
        ([], "wrong_type"),
        (3, "wrong_type"),
        ({"intervall": 3}, "unknown_field"),
    ],
)
def test_what_is_wrong_is_said(author: APIClient, schedule: Any, code: str) -> None:
    shown = preview(author, schedule)
    assert (shown["valid"], shown["upcoming"]) == (False, [])
    assert code in [each["code"] for each in shown["problems"]]


def test_a_run_says_what_it_is_about(author: APIClient) -> None:
    publish(dag("sales", a={}) | {"schedule": "@daily"})
    answer = author.post("/api/v1/dags/sales/runs", {"logical_date": "2025-01-02T12:00:00Z"})
    assert answer.json()["interval_start"] == "2025-01-02T00:00:00Z"
    assert answer.json()["cause_id"] is None
