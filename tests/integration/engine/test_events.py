"""The order of events, for readers that must miss none."""

from __future__ import annotations

import psycopg
import pytest
from django.db import connection

from tests.support.hands import Fail, dag, do, start
from workflows.engine.queries import events_since

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("broker")]


def test_events_tell_the_story_in_order() -> None:
    run = start(dag(a={}, b={"depends_on": ["a"]}))
    do(run, "a", Fail(message="broken"))
    story = [(e.task_id, e.old, e.new) for e in events_since(run.pk)]
    assert story == [
        ("", "pending", "running"),
        ("a", "pending", "queued"),
        ("a", "queued", "running"),
        ("a", "running", "failed"),
        ("b", "pending", "upstream_failed"),
        ("", "running", "failed"),
    ]


def test_pages_join_without_gap_or_repetition() -> None:
    run = start(dag(**{f"t{i}": {} for i in range(7)}))
    for i in range(7):
        do(run, f"t{i}")
    everything = [e.id for e in events_since(run.pk)]
    paged, since = [], 0
    while page := events_since(run.pk, since, limit=3):
        paged += [e.id for e in page]
        since = page[-1].seq
    assert paged == everything


def test_a_commit_that_is_overtaken_is_not_missed() -> None:
    run = start(dag(a={}, b={}))
    settings = connection.settings_dict
    slow = psycopg.connect(
        host=settings["HOST"],
        port=settings["PORT"],
        user=settings["USER"],
        password=settings["PASSWORD"],
        dbname=settings["NAME"],
    )
    seen = [e.id for e in events_since(run.pk)]
    since = events_since(run.pk)[-1].seq
    slow.execute("INSERT INTO workflows_event (run_id, task_id, old, new) VALUES (%s, 'slow', 'x', 'y')", (run.pk,))
    do(run, "a")  # commits before the slow one, with a later number
    assert events_since(run.pk, since) == []  # nothing is told while an earlier one may still come
    slow.commit()
    slow.close()
    rest = events_since(run.pk, since)
    assert rest[0].task_id == "slow"
    assert not set(seen) & {e.id for e in rest}
