"""Backfills over HTTP and on the command line."""

from __future__ import annotations

import json
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from rest_framework.test import APIClient

from tests.support.hands import do
from workflows.engine.reconcile import sweep
from workflows.models import Backfill, DagRun, DagVersion

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("broker", "version")]
URL = "/api/v1/backfills"
WANTED = {"dag_id": "sales", "start": "2025-01-01", "end": "2025-01-03", "every": "1d", "params": {"limit": 7}}
WORDS = ("sales", "--from", "2025-01-01", "--to", "2025-01-03", "--every", "1d", "--param", "limit=7")


def manage(name: str, *words: Any) -> str:
    out = StringIO()
    call_command(name, *words, stdout=out)
    return out.getvalue()


def test_preview_then_start_then_follow(author: APIClient) -> None:
    shown = author.post(f"{URL}/preview", WANTED, format="json").json()
    assert (shown["in_range"], shown["stands"], shown["chosen"]) == (3, {"missing": 3}, 3)
    assert shown["first"][0] == "2025-01-01T00:00:00Z"
    assert not Backfill.objects.exists()
    answer = author.post(URL, WANTED, format="json")
    assert answer.status_code == 201, answer.json()
    row = answer.json()
    assert (row["state"], row["progress"]["waiting"], row["created_by"][:4]) == ("running", 3, "user")
    assert row["end"] == "2025-01-03T23:59:59.999999Z"
    sweep()
    run = DagRun.objects.get()
    assert (run.trigger, run.params) == ("backfill", {"day": "2025-01-01", "limit": 7})
    for task in ("fetch", "clean", "report"):
        do(run, task)
    assert author.get(answer["Location"]).json()["progress"] == {
        **dict.fromkeys(("running", "failed", "cancelled", "refused", "skipped"), 0),
        **{"success": 1, "waiting": 2, "total": 3},
    }
    dates = author.get(f"{answer['Location']}/dates?limit=2").json()
    assert [each["run_id"] for each in dates["results"]] == [None, None]
    last = author.get(dates["next"]).json()["results"]
    assert [(each["run_id"], each["run_state"]) for each in last] == [(run.pk, "success")]
    assert [each["id"] for each in author.get(f"{URL}?dag=sales&state=running").json()["results"]] == [row["id"]]


def test_pause_resume_cancel_retry(author: APIClient) -> None:
    place = f"{URL}/{author.post(URL, WANTED, format='json').json()['id']}"
    assert author.post(f"{place}/pause").json()["state"] == "paused"
    assert author.post(f"{place}/resume").json()["state"] == "running"
    sweep()
    assert author.post(f"{place}/cancel", {"runs": True}, format="json").json()["progress"]["cancelled"] == 3
    assert DagRun.objects.get().state == "cancelled"
    again = author.post(f"{place}/retry").json()
    assert (again["retried"], again["state"], again["progress"]["waiting"]) == (3, "running", 3)


def test_refusals_have_their_codes(author: APIClient) -> None:
    def code(**more: Any) -> str:
        return str(author.post(URL, {**WANTED, **more}, format="json").json()["code"])

    assert code(dag_id="nothing") == "unknown_dag"
    assert code(every=None) == "no_dates"
    assert code(every="1s") == "too_many_dates"
    assert code(every="often") == "invalid"
    assert code(end="2024-01-01") == "bad_backfill"
    assert code(start="soon") == "bad_backfill"
    assert code(params={"limit": 0}) == "bad_params"
    assert author.get(f"{URL}/99").json()["code"] == "unknown_backfill"
    assert author.get(f"{URL}/99/dates").json()["code"] == "unknown_backfill"
    assert author.post(f"{URL}/99/retry").json()["code"] == "unknown_backfill"


def test_each_deed_needs_its_permission(client_of: Any) -> None:
    viewer = client_of("view_backfill", "view_dagrun")
    assert viewer.get(URL).status_code == 200
    assert viewer.post(f"{URL}/preview", WANTED, format="json").status_code == 200
    assert viewer.post(URL, WANTED, format="json").status_code == 403
    assert client_of("add_backfill").post(URL, WANTED, format="json").status_code == 403
    for verb in ("pause", "resume", "cancel", "retry"):
        assert viewer.post(f"{URL}/1/{verb}").status_code == 403


def test_the_commands_do_the_same() -> None:
    shown = manage("backfill_start", *WORDS, "--preview").splitlines()
    assert shown[:3] == ["3 dates in the range: 3 missing", "3 to be run:", "  2025-01-01 00:00:00"]
    assert json.loads(manage("backfill_start", *WORDS, "--preview", "--json"))["chosen"] == 3
    started = manage("backfill_start", *WORDS, "--newest-first", "--concurrency", "2")
    pk = Backfill.objects.get().pk
    assert started.startswith(f"backfill {pk} of sales: running; 3 waiting\n")
    assert "newest first, 2 runs at one time, dates: missing" in started
    sweep()
    listed = manage("backfill_list", "--dag", "sales", "--state", "running").splitlines()[1]
    assert listed.split()[:3] == [str(pk), "sales", "running"]
    table = manage("backfill_show", pk).splitlines()
    assert [line.split()[2] for line in table[4:]] == ["running", "running", "waiting"]
    assert json.loads(manage("backfill_show", pk, "--json"))["progress"] == {"total": 3, "waiting": 1, "running": 2}
    assert manage("backfill_pause", pk) == f"backfill {pk} is paused\n"
    assert manage("backfill_pause", pk) == f"backfill {pk} was not running\n"
    assert manage("backfill_resume", pk) == f"backfill {pk} goes on\n"
    assert manage("backfill_cancel", pk, "--runs") == f"backfill {pk} is cancelled\n"
    assert manage("backfill_cancel", pk) == f"backfill {pk} was over already\n"
    assert manage("backfill_retry", pk) == "3 dates to be run again\n"
    assert json.loads(manage("backfill_list", "--json"))[0]["state"] == "running"
    with pytest.raises(CommandError, match="no backfill 99"):
        manage("backfill_show", 99)
    with pytest.raises(CommandError, match="--every often"):
        manage("backfill_start", "sales", "--from", "2025-01-01", "--to", "2025-01-02", "--every", "often")


def test_which_dates_by_words(version: DagVersion) -> None:
    manage("backfill_start", *WORDS, "--all")
    assert Backfill.objects.get().which == "all"
    with pytest.raises(CommandError, match="no date of the range"):
        manage("backfill_start", *WORDS, "--failed")
