"""Messages that differ in what changes from run to run have one signature."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workflows.core.signature import LONGEST, signature


@pytest.mark.parametrize(
    ("message", "is_"),
    [
        ("", ""),
        ("\n  it broke\nsecond line", "it broke"),
        ("No file '/tmp/a/b.csv'", "No file …"),
        ("cannot open /var/lib/x/17.csv", "cannot open …"),
        ("row 17 of 2300 is bad", "row … of … is bad"),
        ("took 12.5 s at 2026-11-22 13:40:58,745", "took … s at …,…"),
        ("job 3a1d3438-04af-47e1-b2dd-a002972100ac is gone", "job … is gone"),
        ("The command ended: exit code 3: bad row 17", "The command ended: exit code 3: bad row …"),
        ("HTTP 503 from https://x.example/a/b/7", "HTTP 503 from https:/…"),
        ("python3.11 and utf8 stay", "python3.11 and utf8 stay"),
    ],
)
def test_what_changes_is_left_out(message: str, is_: str) -> None:
    assert signature(message) == is_


@given(st.text(max_size=2000))
def test_it_is_short_and_on_one_line(message: str) -> None:
    found = signature(message)
    assert len(found) <= LONGEST
    assert "\n" not in found


def test_two_runs_fail_alike() -> None:
    assert signature("exit code 1: no row 12 in 'a'") == signature("exit code 1: no row 99 in 'b'")
    assert signature("exit code 1") != signature("exit code 2")
