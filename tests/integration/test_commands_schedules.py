"""The commands about schedules and webhooks."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from tests.support.hands import dag
from workflows.engine import control
from workflows.engine.publish import publish
from workflows.models import Dag

pytestmark = pytest.mark.django_db
BERLIN = {"cron": "30 2 * * *", "timezone": "Europe/Berlin", "jitter": "1m"}


def said(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    call_command(*arguments)
    return capsys.readouterr().out


def test_schedules_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert said(capsys, "schedule_list") == ""
    publish(dag("one", a={}) | {"schedule": BERLIN})
    publish(dag("two", a={}) | {"schedule": {"after": "one"}})
    publish(dag("three", a={}) | {"schedule": {"interval": "90m"}})
    control.pause_dag("three")
    lines = said(capsys, "schedule_list").splitlines()
    assert [line.split("  ")[0] for line in lines] == ["dag", "one", "three", "two"]
    assert "30 2 * * * Europe/Berlin" in lines[1]
    assert "every 1h30m" in lines[2]
    assert "paused" in lines[2]
    assert "after one" in lines[3]
    found: list[dict[str, Any]] = json.loads(said(capsys, "schedule_list", "--json"))
    assert [each["dag_id"] for each in found] == ["one", "three", "two"]


def test_the_next_runs_are_shown_on_both_clocks(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    publish(dag("one", a={}) | {"schedule": BERLIN})
    lines = said(capsys, "schedule_preview", "one", "--count", "3").splitlines()
    assert len(lines) == 4
    assert lines[0].startswith("Europe/Berlin")
    assert all(" 02:30:00  +0" in line for line in lines[1:])
    path = tmp_path / "other.yaml"
    path.write_text('id: other\nschedule: "0 0 29 2 *"\ntasks: {a: {type: shell, command: "true"}}\n')
    assert "-02-29 00:00:00" in said(capsys, "schedule_preview", str(path))
    found = json.loads(said(capsys, "schedule_preview", str(path), "--json", "--count", "2"))
    assert len(found) == 2
    for wrong in ("nothing", "two"):
        publish(dag("two", a={}))
        with pytest.raises(CommandError, match="no"):
            call_command("schedule_preview", wrong)


def test_the_secret_of_a_webhook_is_shown_once(capsys: pytest.CaptureFixture[str]) -> None:
    publish(dag("one", a={}))
    secret = said(capsys, "dag_hook", "one").strip()
    assert secret.startswith("chook_")
    assert secret not in Dag.objects.get().hook_nonce
    assert said(capsys, "dag_hook", "one", "--keep").strip() != secret
    assert len(Dag.objects.get().hook_nonce.split(" ")) == 2
    assert "has no webhook now" in said(capsys, "dag_hook", "one", "--close")
    assert "had no webhook" in said(capsys, "dag_hook", "one", "--close")


def test_documents_are_imported_after_those_that_they_run_after(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    task = "tasks: {a: {type: shell, command: 'true'}}\n"
    (tmp_path / "a.yaml").write_text(f"id: last\nschedule: {{after: [middle, first]}}\n{task}")
    (tmp_path / "b.yaml").write_text(f"id: middle\nschedule: {{after: first}}\n{task}")
    (tmp_path / "c.yaml").write_text(f"id: first\n{task}")
    assert "3 files" not in said(capsys, "dag_import", "--check", str(tmp_path))
    lines = said(capsys, "dag_import", str(tmp_path)).splitlines()
    assert [line.split()[0] for line in lines] == ["first", "middle", "last"]
