"""What each pool child runs at this moment, where the worker's main process can see it: a page of shared memory.

The main process knows which message a child took. A child that goes on with further tasks without a message writes
here which one it is at, so that its lease is renewed, a cancel kills it, and its death costs that attempt and no other.
"""

from __future__ import annotations

import mmap
import os
import struct
from dataclasses import dataclass

Key = tuple[int, int, int, int]
_NOBODY: Key = (0, 0, 0, 0)

_SLOTS = 2048
_STOPPING, _WATCHED, _WITHHELD = range(3)  # bytes of the head
_CHILDREN = struct.Struct("<H")  # how many there are
_CHILDREN_AT = 4
_IDLE = 64  # here begins a byte for each line: whether its child has nothing to do
_LINES = _IDLE + _SLOTS
_REVISION = struct.Struct("<Q")  # odd while the line is being written
_LINE = struct.Struct("<i qiii qiii")  # process, the message's attempt, the present attempt
_SLOT_SIZE = 128
_READS = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A child's line: the attempt whose message it took, and the one that it is at, None between two."""

    pid: int
    root: Key
    now: Key | None


class Board:
    """The page. Made by the main process before it has children; each child writes its own line and no other."""

    def __init__(self) -> None:
        self._page: mmap.mmap | None = None
        self._slot: int | None = None
        self._revision = 0

    def open(self) -> None:
        """In the main process, before the pool is forked."""
        self._page = mmap.mmap(-1, _LINES + _SLOTS * _SLOT_SIZE)

    def join(self) -> None:
        """In a child: find its line. Without a page (threads, a pool of another kind) nothing is written or read.

        The line of a process that has died stays until another needs its place: the main process may still ask.
        """
        if self._page is None:
            return
        pid = os.getpid()
        for step in range(_SLOTS):
            slot = (pid + step) % _SLOTS
            entry = self._read(slot)
            if entry is None or entry.pid == pid or not _lives(entry.pid):
                self._slot, self._revision = slot, 0
                self.rest()
                return

    @property
    def joined(self) -> bool:
        """Whether this process has a line."""
        return self._slot is not None

    def write(self, root: Key, now: Key | None) -> None:
        """In a child: whose message it took, and what it is at."""
        assert self._page is not None, "only a child that has joined writes"
        assert self._slot is not None, "only a child that has joined writes"
        at = _LINES + self._slot * _SLOT_SIZE
        _REVISION.pack_into(self._page, at, self._revision + 1)
        _LINE.pack_into(self._page, at + _REVISION.size, os.getpid(), *root, *(now or _NOBODY))
        self._revision += 2
        _REVISION.pack_into(self._page, at, self._revision)

    def rest(self) -> None:
        """In a child: it has nothing to do. One that is killed at work counts as busy until its line is another's."""
        self._mark(1)

    def work(self) -> None:
        """In a child: it has taken a message."""
        self._mark(0)

    def _mark(self, idle: int) -> None:
        if self._page is not None and self._slot is not None:
            self._page[_IDLE + self._slot] = idle

    @property
    def idle(self) -> int:
        """How many children have nothing to do."""
        return 0 if self._page is None else self._page[_IDLE:_LINES].count(1)

    @property
    def withheld(self) -> bool:
        """Whether a child of this worker has withheld tasks, which may still be there."""
        return self._page is not None and self._page[_WITHHELD] == 1

    def withhold(self, some: bool) -> None:
        """Tasks were withheld; or there are none any more."""
        if self._page is not None:
            self._page[_WITHHELD] = some

    @property
    def children(self) -> int:
        """How many children the worker has."""
        return 0 if self._page is None else int(_CHILDREN.unpack_from(self._page, _CHILDREN_AT)[0])

    def of(self, pid: int) -> Entry | None:
        """In the main process: a child's line, if it has written one."""
        for step in range(_SLOTS if self._page is not None else 0):
            entry = self._read((pid + step) % _SLOTS)
            if entry is None:
                return None
            if entry.pid == pid:
                return entry
        return None

    def after(self, root: Key) -> Key | None:
        """In the main process: what the child that took this message was at when it died; None if only at that."""
        for slot in range(_SLOTS if self._page is not None else 0):
            entry = self._read(slot)
            if entry is not None and entry.root == root and entry.now is not None and not _lives(entry.pid):
                return entry.now
        return None

    @property
    def stopping(self) -> bool:
        """Whether the worker has been asked to end: its children take on nothing more."""
        return self._page is not None and self._page[_STOPPING] == 1

    @property
    def watched(self) -> bool:
        """Whether somebody watches the worker's events, such as Flower."""
        return self._page is not None and self._page[_WATCHED] == 1

    def tell(self, *, stopping: bool, watched: bool, children: int) -> None:
        """In the main process: what the children are to know."""
        if self._page is not None:
            self._page[_STOPPING], self._page[_WATCHED] = stopping, watched
            _CHILDREN.pack_into(self._page, _CHILDREN_AT, min(children, 65535))

    def _read(self, slot: int) -> Entry | None:
        """A line as it was at one moment; None for one that nobody has written, or whose writer died over it."""
        assert self._page is not None
        at = _LINES + slot * _SLOT_SIZE
        for _ in range(_READS):
            (before,) = _REVISION.unpack_from(self._page, at)
            pid, *numbers = _LINE.unpack_from(self._page, at + _REVISION.size)
            if before % 2 == 0 and _REVISION.unpack_from(self._page, at) == (before,):
                break
        else:
            return None
        if not pid:
            return None
        root, now = tuple(numbers[:4]), tuple(numbers[4:])
        return Entry(pid=pid, root=root, now=None if now == _NOBODY else now)


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True  # somebody else's process has the number by now: not our child, but not ours to overwrite either
    return True


BOARD = Board()
