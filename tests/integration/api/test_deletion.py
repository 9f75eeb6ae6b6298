"""Deleting and restoring DAGs and runs, and pruning, over HTTP and on the command line."""

from __future__ import annotations

import json
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from rest_framework.test import APIClient

from workflows.engine import control
from workflows.engine.launch import launch
from workflows.models import DagRun, DagVersion

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("broker", "version")]


def manage(name: str, *words: Any) -> str:
    out = StringIO()
    call_command(name, *words, stdout=out)
    return out.getvalue()


def over() -> int:
    run = launch("sales").pk
    control.cancel_run(run)
    return int(run)


def test_a_dag_goes_and_comes_back(author: APIClient, version: DagVersion) -> None:
    run = launch("sales").pk
    shown = author.get("/api/v1/dags/sales/deletion").json()
    assert shown == {
        "dag_id": "sales",
        "runs": 1,
        "unfinished": [run],
        "backfills": [],
        "has_schedule": False,
        "used_by": [],
    }
    refused = author.delete("/api/v1/dags/sales")
    assert (refused.status_code, refused.json()["code"]) == (409, "dag_has_runs")
    assert author.delete("/api/v1/dags/sales?cancel_runs=true").status_code == 204
    assert DagRun.objects.get().state == "cancelled"
    assert author.get("/api/v1/dags/sales").status_code == 404
    assert author.delete("/api/v1/dags/sales").json()["code"] == "unknown_dag"
    assert author.post("/api/v1/dags/sales/restore").json()["last_run"] == {"id": run, "state": "cancelled"}
    assert author.post("/api/v1/dags/nothing/restore").json()["code"] == "unknown_dag"


def test_a_run_goes_and_comes_back(author: APIClient) -> None:
    going, run = launch("sales").pk, over()
    assert author.delete(f"/api/v1/runs/{going}").json()["code"] == "run_goes_on"
    assert author.get(f"/api/v1/runs/{run}/deletion").json() == {"run_id": run, "children": [], "tasks": 3}
    assert author.delete(f"/api/v1/runs/{run}").status_code == 204
    assert [row["id"] for row in author.get("/api/v1/runs").json()["results"]] == [going]
    assert author.get(f"/api/v1/runs/{run}").json()["deleted_at"] is not None
    assert author.get("/api/v1/dags/sales").json()["last_run"]["id"] == going
    assert author.post(f"/api/v1/runs/{run}/restore").json()["deleted_at"] is None
    assert author.delete("/api/v1/runs/999").json()["code"] == "unknown_run"


def test_deleting_needs_its_permission(client_of: Any) -> None:
    run = over()
    some = client_of("view_dag", "view_dagrun", "change_dag", "change_dagrun")
    assert some.get("/api/v1/dags/sales/deletion").status_code == 200
    for answer in (
        some.delete("/api/v1/dags/sales"),
        some.post("/api/v1/dags/sales/restore"),
        some.delete(f"/api/v1/runs/{run}"),
        some.post(f"/api/v1/runs/{run}/restore"),
        client_of("delete_dag").delete("/api/v1/dags/sales?cancel_runs=true"),
    ):
        assert answer.status_code == 403


def test_the_commands_do_the_same() -> None:
    run = over()
    assert manage("run_delete", run, "--preview") == f"run {run} with 3 tasks would be deleted\n"
    assert manage("run_delete", run) == f"run {run} with 3 tasks is deleted\n"
    assert manage("run_delete", run) == f"run {run} was deleted already\n"
    assert manage("run_list") == ""
    assert manage("run_restore", run) == f"run {run} is back\n"
    assert manage("run_restore", run) == f"run {run} was not deleted\n"
    assert f"{run}" in manage("run_list")
    launch("sales")
    assert manage("dag_delete", "sales", "--preview").startswith("2 runs kept until pruned\nunfinished runs")
    with pytest.raises(CommandError, match="have not ended"):
        manage("dag_delete", "sales")
    assert manage("dag_delete", "sales", "--cancel-runs").startswith("sales is deleted; ")
    assert manage("dag_list") == ""
    assert manage("dag_restore", "sales") == "sales is back\n"
    assert manage("dag_restore", "sales") == "sales was not deleted\n"
    assert json.loads(manage("dag_delete", "sales", "--json"))["deleted"] is True


def test_prune_counts_first() -> None:
    run = over()
    DagRun.objects.filter(pk=run).update(ended_at="2020-01-01T00:00:00Z")
    assert manage("prune", "--dry-run") == "would delete nothing\n"
    told = manage("prune", "--older-than", "30d", "--dry-run")
    assert told == "would delete 1 runs, 3 tasks, 6 events\n"
    assert json.loads(manage("prune", "--older-than", "30d", "--keep-last", "1", "--json"))["runs"] == 0
    assert json.loads(manage("prune", "--older-than", "30d", "--dag", "sales", "--json"))["runs"] == 1
    assert manage("prune", "--older-than", "30d", "-v2") == "deleted nothing\n"
    for words in (("--older-than", "soon"), ("--batch", "0"), ("--keep-last", "-1"), ("--dag", "nothing")):
        with pytest.raises(CommandError):
            manage("prune", *words)
