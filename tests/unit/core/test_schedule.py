"""Logical dates: cron lines in every zone against the oracle, intervals, bounds, jitter, data intervals."""

from __future__ import annotations

import random
import time
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.clocks import Change, changes, watched, zones
from workflows.core import cron, schedule
from workflows.core.spec import ScheduleSpec

FIRST_YEAR, LAST_YEAR = 2017, 2026
LINES = (
    "30 2 * * *",
    "0 0 * * *",
    "*/15 * * * *",
    "5 * * * *",
    "0 */2 * * *",
    "*/20 0-3,23 * * *",
    "45 1,2 * * sun",
    "*/30 * * mar-apr,9-11 mon,7",
    "10 23,0 1-7 * 0,6",
    "*/10 * */2 * ?",
)
MORE = timedelta(hours=30)


def spec_of(**fields: Any) -> ScheduleSpec:
    return ScheduleSpec.model_validate(fields)


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def due(after: str, until: str, **fields: Any) -> list[str]:
    """The logical dates in a span, as UTC text without the date's zone."""
    found = schedule.between(spec_of(**fields), utc(after), utc(until), 1000)
    return [f"{moment:%m-%d %H:%M:%S}".removesuffix(":00") for moment in found]


def check_around(change: Change, lines: Iterable[str]) -> None:
    """The days around a change of the clock, against the oracle."""
    after, until = change.at - MORE, change.at + MORE
    for line in lines:
        found = schedule.between(spec_of(cron=line, timezone=change.zone), after, until, 10_000)
        assert found == watched(line, change.zone, after, until), (line, change)


def test_an_oracle_watches_single_changes_in_every_kind_of_zone() -> None:
    """A sample; all of them are in the slow test below."""
    kinds: dict[tuple[Any, ...], Change] = {}
    for zone in zones()[:: max(1, len(zones()) // 60)]:
        for change in changes(zone, 2025, 2026):
            kinds.setdefault((change.at.hour, change.before, change.after), change)
    assert len(kinds) > 10
    chosen = random.Random(7)
    for change in kinds.values():
        check_around(change, chosen.sample(LINES, 3))


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_an_oracle_watches_ten_years_of_every_zone() -> None:
    """Every change of every zone's clock in ten years. Zones whose clocks are the same are watched once."""
    kinds: dict[tuple[Any, ...], Change] = {}
    for zone in zones():
        for change in changes(zone, FIRST_YEAR, LAST_YEAR):
            kinds.setdefault((change.at, change.before, change.after), change)
    assert len(kinds) > 300
    for change in kinds.values():
        check_around(change, LINES)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_every_zone_has_a_run_a_day_and_one_an_hour() -> None:
    """Ten years of a daily line: once for each date of the zone's calendar. A year of an hourly one: each real hour."""
    after, until = datetime(FIRST_YEAR, 1, 1, tzinfo=UTC), datetime(LAST_YEAR + 1, 1, 1, tzinfo=UTC)
    for zone in zones():
        daily = list(schedule.dates(spec_of(cron="30 2 * * *", timezone=zone), after, until))
        assert abs(len(daily) - (until - after).days) <= 1, zone
        assert all(timedelta(hours=20) < b - a < timedelta(hours=28) for a, b in pairwise(daily)), zone
        hourly = list(schedule.dates(spec_of(cron="0 * * * *", timezone=zone), until - timedelta(days=365), until))
        odd = [b - a for a, b in pairwise(hourly) if b - a != timedelta(hours=1)]
        halves = [c for c in changes(zone, LAST_YEAR, LAST_YEAR) if (c.after - c.before).seconds % 3600]
        assert len(odd) <= len(halves), zone
        assert set(odd) <= {timedelta(minutes=30), timedelta(minutes=90)}, zone


@pytest.mark.parametrize(
    ("after", "until", "zone", "line", "expected"),
    [
        # Forward, 2:00 → 3:00: what is skipped is due once, when the clock goes on.
        ("2025-03-30", "2025-03-31", "Europe/Berlin", "30 2 * * *", ["03-30 01:00"]),
        ("2025-03-30", "2025-03-30T04", "Europe/Berlin", "*/20 2 * * *", ["03-30 01:00"]),
        ("2025-03-30", "2025-03-30T04", "Europe/Berlin", "0 2,3 * * *", ["03-30 01:00"]),
        ("2025-03-30", "2025-03-30T03", "Europe/Berlin", "30 * * * *", ["03-30 00:30", "03-30 01:30", "03-30 02:30"]),
        # Back, 3:00 → 2:00: what is shown twice is due once, the first time; a line of every hour goes on.
        ("2025-10-26", "2025-10-26T06", "Europe/Berlin", "30 2 * * *", ["10-26 00:30"]),
        ("2025-10-26", "2025-10-26T02", "Europe/Berlin", "30 * * * *", ["10-26 00:30", "10-26 01:30"]),
        ("2025-10-26T00:59", "2025-10-26T04", "Europe/Berlin", "30 2,3 * * *", ["10-26 02:30"]),
        # A clock that is set at midnight.
        ("2025-03-09", "2025-03-09T12", "America/Havana", "0 0 * * *", ["03-09 05:00"]),
        ("2025-11-02", "2025-11-02T12", "America/Havana", "0 0 * * *", ["11-02 04:00"]),
        ("2025-11-02T03:59", "2025-11-02T06", "America/Havana", "0 * 2 11 *",
         ["11-02 04:00", "11-02 05:00", "11-02 06:00"]),
        # Half an hour.
        ("2025-10-04T15", "2025-10-04T17", "Australia/Lord_Howe", "15 2 * * *", ["10-04 15:30"]),
        # Two hours.
        ("2025-03-30", "2025-03-30T03", "Antarctica/Troll", "30 1,2 * * *", ["03-30 01:00"]),
        # A day that was left out.
        ("2011-12-29T12", "2011-12-31T12", "Pacific/Apia", "0 9 * * *", ["12-29 19:00", "12-30 10:00", "12-30 19:00"]),
        ("2011-12-29T12", "2011-12-31T09", "Pacific/Apia", "0 */6 30 * *", ["12-30 10:00"]),
    ],
)  # fmt: skip
def test_where_the_clock_is_set(after: str, until: str, zone: str, line: str, expected: list[str]) -> None:
    assert due(after, until, cron=line, timezone=zone) == expected


@pytest.mark.parametrize(
    ("after", "line", "expected"),
    [
        ("2025-01-31T10:00:00", "0 0 31 * *", "2025-03-31T00:00:00"),
        ("2025-01-01T00:00:00", "0 0 29 2 *", "2028-02-29T00:00:00"),
        ("2096-03-01T00:00:00", "0 0 29 2 *", "2104-02-29T00:00:00"),
        ("2025-01-01T00:00:00", "0 0 13 * fri", "2025-01-03T00:00:00"),
        ("2025-01-01T00:00:00", "*/20 * * * * *", "2025-01-01T00:00:20"),
        ("2025-01-01T00:00:40.5", "*/20 * * * * *", "2025-01-01T00:01:00"),
        ("2024-12-31T23:59:59", "@yearly", "2025-01-01T00:00:00"),
        ("2025-01-01T00:00:00", "@weekly", "2025-01-05T00:00:00"),
        ("2025-01-01T08:59:59", "0 9-17/4 * * 1-5", "2025-01-01T09:00:00"),
        ("2025-01-01T12:59:00", "58,59 12 * * *", "2025-01-02T12:58:00"),
    ],
)
def test_the_next_date_of_a_line(after: str, line: str, expected: str) -> None:
    assert schedule.next_after(spec_of(cron=line), utc(after)) == utc(expected)


def test_rare_dates_are_found_at_once() -> None:
    """Neither direction looks at every second of the years between."""
    began = time.perf_counter()
    for zone in ("America/New_York", "Pacific/Apia"):
        rare = spec_of(cron="* * * 29 2 ?", timezone=zone)
        found = schedule.next_after(rare, utc("2097-01-01T00:00:00"))
        assert found is not None
        assert schedule.previous_before(rare, found) is not None
    assert schedule.next_after(spec_of(cron="0 0 29 2 *"), utc("9988-03-01T00:00:00")) is None
    assert time.perf_counter() - began < 1


def test_intervals_are_counted_from_the_epoch_or_the_start() -> None:
    assert due("2025-01-01T00:07", "2025-01-01T00:45", interval="15m") == ["01-01 00:15", "01-01 00:30", "01-01 00:45"]
    berlin = {"timezone": "Europe/Berlin", "interval": "12h", "start": "2025-03-29T18:00"}
    assert due("2025-03-01", "2025-03-31", **berlin) == ["03-29 17:00", "03-30 05:00", "03-30 17:00"]
    found = schedule.between(spec_of(interval=1.5), utc("2025-01-01"), utc("2025-01-01T00:00:04"), 9)
    assert [moment.timestamp() % 60 for moment in found] == [1.5, 3.0]


def test_start_is_in_and_end_is_out() -> None:
    fields = {"cron": "0 0 * * *", "start": "2025-01-02", "end": "2025-01-05T00:00Z"}
    assert due("2024-12-01", "2025-02-01", **fields) == ["01-02 00:00", "01-03 00:00", "01-04 00:00"]
    spec = spec_of(**fields)
    assert schedule.previous_before(spec, utc("2026-01-01")) == utc("2025-01-04")
    assert schedule.previous_before(spec, utc("2025-01-02")) is None


def test_a_time_is_due_once() -> None:
    spec = spec_of(at="2025-10-26T02:30", timezone="Europe/Berlin")
    assert schedule.next_after(spec, utc("2025-01-01")) == utc("2025-10-26T00:30")
    assert schedule.next_after(spec, utc("2025-10-26T00:30")) is None
    skipped = spec_of(at="2025-03-30T02:30", timezone="Europe/Berlin")
    assert schedule.next_after(skipped, utc("2025-01-01")) == utc("2025-03-30T01:00")
    assert schedule.next_after(spec_of(at="2025-03-30T02:30+05:30"), utc("2025-01-01")) == utc("2025-03-29T21:00")


def test_an_after_has_no_times() -> None:
    spec = spec_of(after="other")
    assert spec.after == ("other",)
    assert schedule.next_after(spec, utc("2025-01-01")) is None
    assert schedule.interval_start(spec, utc("2025-01-01")) == utc("2025-01-01")


def test_the_data_interval_ends_with_the_logical_date() -> None:
    daily = spec_of(cron="0 2 * * *", timezone="Europe/Berlin", start="2025-10-26")
    assert schedule.interval_start(daily, utc("2025-10-27T01:00")) == utc("2025-10-26T00:00")
    assert schedule.interval_start(daily, utc("2025-10-26T00:00")) == utc("2025-10-25T00:00")
    assert schedule.interval_start(daily, utc("2025-10-27T12:00")) == utc("2025-10-27T01:00")
    assert schedule.interval_start(spec_of(at="2025-01-01"), utc("2025-01-01")) == utc("2025-01-01")


def test_jitter_is_the_same_for_the_same_date() -> None:
    spec = spec_of(cron="@hourly", jitter="10m")
    dates = schedule.between(spec, utc("2025-01-01"), utc("2025-02-01"), 1000)
    delays = [schedule.delay_of(spec, "d", date) for date in dates]
    assert delays == [schedule.delay_of(spec, "d", date) for date in dates]
    assert all(timedelta() <= delay < timedelta(minutes=10) for delay in delays)
    assert len({delay.seconds // 60 for delay in delays}) == 10
    assert delays != [schedule.delay_of(spec, "e", date) for date in dates]
    assert schedule.delay_of(spec_of(cron="@hourly"), "d", dates[0]) == timedelta()


@st.composite
def lines(draw: st.DrawFn) -> str:
    def field(low: int, high: int) -> str:
        one = st.integers(low, high)
        pair = st.tuples(one, one).map(lambda two: f"{min(two)}-{max(two)}")
        return draw(st.one_of(st.just("*"), one.map(str), pair, st.integers(2, 30).map(lambda step: f"*/{step}")))

    return " ".join(field(*bounds) for bounds in ((0, 59), (0, 59), (0, 23), (1, 28), (1, 12), (0, 7)))


MOMENTS = st.datetimes(datetime(2000, 1, 1), datetime(2040, 1, 1), timezones=st.just(UTC))


@given(lines(), st.sampled_from(zones()[::9]), MOMENTS)
def test_forward_and_back_agree(line: str, zone: str, moment: datetime) -> None:
    assert cron.problem(line) is None
    spec = spec_of(cron=line, timezone=zone)
    found = schedule.next_after(spec, moment)
    assert found is not None
    assert found > moment
    before = schedule.previous_before(spec, moment)
    assert before is not None
    assert before < moment
    following = schedule.next_after(spec, before)
    assert following in (found, moment)
    assert schedule.previous_before(spec, found) in (before, moment)


@given(st.floats(1, 1e7), MOMENTS, st.none() | st.datetimes(datetime(2010, 1, 1), datetime(2020, 1, 1)))
def test_intervals_forward_and_back_agree(seconds: float, moment: datetime, start: datetime | None) -> None:
    spec = spec_of(interval=seconds, start=start)
    found = schedule.next_after(spec, moment)
    assert found is not None
    before = schedule.previous_before(spec, found)
    assert before is None or before <= moment < found
    assert before is None or found - before == timedelta(seconds=seconds)
