"""The page of shared memory on which a worker's children say what they are at."""

from __future__ import annotations

import os

import pytest

from workflows.worker.board import Board

ROOT, NOW, NEXT = (7, 0, -1, 1), (7, 1, -1, 1), (7, 2, 5, 3)


@pytest.fixture
def board() -> Board:
    """A page that this process has joined."""
    board = Board()
    board.open()
    board.join()
    return board


def test_a_child_is_seen_by_its_process(board: Board) -> None:
    assert board.of(os.getpid()) is None
    for now in (NOW, NEXT, None):
        board.write(ROOT, now)
        entry = board.of(os.getpid())
        assert entry is not None
        assert (entry.root, entry.now) == (ROOT, now)


def test_without_a_page_nobody_joins() -> None:
    board = Board()
    board.join()
    assert not board.joined
    assert board.of(os.getpid()) is None
    assert board.after(ROOT) is None
    assert not board.stopping
    assert not board.watched


def test_what_the_main_process_tells_is_read(board: Board) -> None:
    board.tell(stopping=False, watched=True, children=3)
    assert (board.stopping, board.watched, board.children) == (False, True, 3)
    board.tell(stopping=True, watched=False, children=70_000)
    assert (board.stopping, board.watched, board.children) == (True, False, 65_535)


def test_who_has_nothing_to_do_is_counted(board: Board) -> None:
    assert board.idle == 1, "a child that has joined has nothing to do yet"
    board.work()
    assert board.idle == 0
    board.rest()
    assert board.idle == 1


def test_that_tasks_are_withheld_is_told(board: Board) -> None:
    assert not board.withheld
    board.withhold(True)
    assert board.withheld
    board.withhold(False)
    assert not board.withheld


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")  # only the page is used after it
def test_only_a_dead_child_left_something(board: Board) -> None:
    board.write(ROOT, NOW)
    assert board.after(ROOT) is None, "it lives"
    assert _left_behind(board) == NOW


def _left_behind(board: Board) -> object:
    """What a child that has died was at."""
    pid = os.fork()
    if pid == 0:
        board.join()
        board.write((8, 0, -1, 1), NOW)
        os._exit(0)
    os.waitpid(pid, 0)
    assert board.after((8, 1, -1, 1)) is None
    return board.after((8, 0, -1, 1))


def test_two_children_whose_numbers_meet_have_two_lines(board: Board, monkeypatch: pytest.MonkeyPatch) -> None:
    mine = os.getpid()
    other = mine + 2048
    board.write(ROOT, NOW)
    monkeypatch.setattr(os, "getpid", lambda: other)
    board.join()
    board.write(NEXT, None)
    found = [board.of(pid) for pid in (mine, other)]
    assert [entry and (entry.pid, entry.root) for entry in found] == [(mine, ROOT), (other, NEXT)]


def test_a_line_that_was_never_finished_is_not_read(board: Board) -> None:
    board.write(ROOT, NOW)
    page, at = board._page, 64 + 2048 + (board._slot or 0) * 128
    assert page is not None
    page[at] += 1  # as when the writer died between its two revisions
    assert board.of(os.getpid()) is None
