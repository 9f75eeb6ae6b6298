"""News for many readers in one question: the same as each would read alone."""

from __future__ import annotations

import pytest

from tests.support.hands import dag, do, start
from workflows.engine.following import news
from workflows.engine.queries import events_since

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("broker")]


def test_each_reader_gets_what_it_would_read_alone() -> None:
    one, two = start(dag("one", a={}, b={})), start(dag("two", a={}))
    middle = events_since(one.pk)[-1].seq
    do(one, "a")
    places = [(one.pk, 0), (one.pk, middle), (two.pk, 0)]
    found = {(page.run_id, page.since): page for page in news(places)}
    assert {place: list(page.events) for place, page in found.items()} == {
        place: events_since(*place) for place in places
    }
    assert {page.run_state for page in found.values()} == {"running"}


def test_who_has_read_all_is_left_out() -> None:
    run = start(dag(a={}))
    assert news([(run.pk, events_since(run.pk)[-1].seq), (10**9, 0)]) == []


def test_pages_join_without_gap_or_repetition() -> None:
    run = start(dag(**{f"t{i}": {} for i in range(5)}))
    for i in range(5):
        do(run, f"t{i}")
    paged, since = [], 0
    while found := news([(run.pk, since)], limit=2):
        paged += [event.id for event in found[0].events]
        since = found[0].next_since
    assert paged == [event.id for event in events_since(run.pk)]
