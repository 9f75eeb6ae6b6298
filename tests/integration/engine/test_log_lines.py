"""Lines of a log, put together from chunks: found the same however the log was cut into them."""

from __future__ import annotations

import time
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from workflows.engine import log_lines
from workflows.engine.log_lines import Place, Wanted, find, level_of
from workflows.models import LogChunk

pytestmark = pytest.mark.django_db

TASK = 7


def store(*texts: str, stream: str = "stdout") -> None:
    LogChunk.objects.filter(task_execution_id=TASK).delete()
    LogChunk.objects.bulk_create(
        LogChunk(task_execution_id=TASK, attempt=1, seq=seq, stream=stream, text=text) for seq, text in enumerate(texts)
    )


def found(wanted: Wanted, *, limit: int = 3) -> list[tuple[int, str]]:
    """(number, text) of every line that matches, read page by page."""
    lines: list[tuple[int, str]] = []
    after: Place | None = None
    while True:
        page = find(TASK, 1, wanted, after=after, limit=limit)
        lines += [(line.place.number, line.text) for line in page.lines]
        if page.exhausted:
            return lines
        assert page.last != after, "no progress"
        after = page.last


def test_a_line_over_several_chunks_is_one_line() -> None:
    store("one\ntw", "o and ", "a half\nthree")
    assert found(Wanted(text="TWO AND A")) == [(2, "two and a half")]
    assert found(Wanted()) == [(1, "one"), (2, "two and a half"), (3, "three")]


def test_levels_are_read_near_the_beginning_of_a_line() -> None:
    assert level_of("2026-01-01 10:00:00,123 ERROR shop: no stock") == "error"
    assert level_of("[warn] INFO is a word here") == "info"
    assert level_of("WARNING: INFO later") == "warning"
    assert level_of("ValueError: no such thing") == "error"
    assert level_of("the terror of INFOrmation") == ""
    assert level_of("x" * 200 + " ERROR") == ""


def test_a_long_run_of_word_characters_is_looked_through_once() -> None:
    digits = "0123456789abcdef" * 65_536
    began = time.process_time()
    assert not Wanted(levels=frozenset({"error"})).may_be_in(digits)
    assert level_of(digits) == ""
    assert time.process_time() - began < 2
    assert level_of("shop.stock.NoStockError: none left") == "error"
    assert Wanted(levels=frozenset({"error"})).may_be_in(f"{digits}Exception: no")


def test_streams_and_levels_narrow() -> None:
    store("ERROR a\nINFO b\n", "ERROR c\n")
    LogChunk.objects.filter(task_execution_id=TASK, seq=1).update(stream="stderr")
    assert found(Wanted(levels=frozenset({"error"}))) == [(1, "ERROR a"), (3, "ERROR c")]
    assert found(Wanted(streams=frozenset({"stderr"}))) == [(3, "ERROR c")]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    text=st.text(alphabet="ab\n", max_size=60),
    cuts=st.lists(st.integers(0, 60), max_size=6),
    limit=st.integers(1, 4),
    word=st.sampled_from(["", "a", "ab", "bb"]),
    scan=st.sampled_from([1, 5, 1000]),
)
def test_cuts_change_nothing(text: str, cuts: list[int], limit: int, word: str, scan: int) -> None:
    edges = sorted({0, len(text), *(min(cut, len(text)) for cut in cuts)})
    store(*(text[start:end] for start, end in pairwise(edges)))
    lines = text.split("\n")
    if lines[-1] == "":
        lines.pop()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(log_lines, "SCAN_CHARS", scan)
        assert found(Wanted(text=word), limit=limit) == [
            (number, line) for number, line in enumerate(lines, 1) if word in line
        ]


def test_windows_from_both_ends_and_their_first_lines() -> None:
    store("a\n", "b\nb\n", "c\n", "d\n")
    whole = {"after": -1, "before": None, "limit": 500, "chars": 10**6}

    def window(**how: int) -> list[int]:
        return [chunk.seq for chunk in log_lines.window(TASK, 1, **{**whole, **how})]  # type: ignore[arg-type]

    assert window() == [0, 1, 2, 3]
    assert window(after=0, limit=2) == [1, 2]
    assert window(before=99, limit=2) == [2, 3]
    assert window(before=3, chars=3) == [2]
    assert window(chars=1) == [0]
    assert window(after=3) == []
    assert [log_lines.lines_before(TASK, 1, seq) for seq in range(4)] == [0, 1, 3, 4]
    assert log_lines.any_from(TASK, 1, 3)
    assert not log_lines.any_from(TASK, 1, 4)
