"""What docs/how-to/back-up-and-restore.md says of events whose numbers come from another server."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from django.db import connection

from workflows.engine import control, queries
from workflows.engine.launch import launch
from workflows.engine.publish import publish
from workflows.models import NodePool

PAGE = Path(__file__).resolve().parents[2] / "docs/how-to/back-up-and-restore.md"


@pytest.mark.django_db(transaction=True)
def test_the_statement_of_the_page_brings_events_back(broker: str) -> None:
    NodePool.objects.get_or_create(name="default")
    run = launch(publish({"id": "d", "tasks": {"a": {"type": "shell", "command": "true"}}}))
    before = [event.id for event in queries.events_since(run.pk)]
    with connection.cursor() as cursor:
        cursor.execute("UPDATE workflows_event SET seq = seq + 1000000000")  # as from a server that is further on
        assert queries.events_since(run.pk) == []
        cursor.execute(re.findall(r"^UPDATE workflows_event .*;$", PAGE.read_text(), re.MULTILINE)[0])
    assert [event.id for event in queries.events_since(run.pk)] == before

    control.cancel_run(run.pk)
    assert [(event.task_id, event.new) for event in queries.events_since(run.pk)] == [
        ("", "running"),
        ("a", "queued"),
        ("", "cancelled"),
        ("a", "cancelled"),
    ]
