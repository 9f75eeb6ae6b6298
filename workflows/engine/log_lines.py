"""Lines in an attempt's log: found by text, level and stream, without reading more of the log than is asked for.

A line is named by its place: the chunk that it begins in, and how many line ends of that chunk come before it. A line
may go on in the chunks that follow.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from django.db.models.functions import Length

from workflows.engine import queries, sql
from workflows.models import LogChunk

SCAN_CHARS = 16_000_000  # read for one answer; then the reader is told where to go on
LINE_SHOWN = 2000
_LINE_KEPT = 65_536  # of a line without an end
_PAGE = 64

LEVELS: dict[str, str] = {
    "error": r"ERROR|CRITICAL|FATAL|Traceback \(most recent call last\)",
    "warning": r"WARN(?:ING)?",
    "info": r"INFO|NOTICE",
    "debug": r"DEBUG|TRACE",
}
# The end of an exception's name is looked for, never the name: tried from each of many characters, that takes for ever.
_NAMES = {"error": r"|(?:Error|Exception)(?=:)"}
_OF_LEVEL = {
    level: re.compile(rf"(?<![A-Za-z])(?:{words})(?![a-z]){_NAMES.get(level, '')}") for level, words in LEVELS.items()
}
_LEVEL_WITHIN = 160  # characters from a line's beginning


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A line: the chunk that it begins in, the line ends before it there, and its number in the whole log, from 1."""

    seq: int
    line: int
    number: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A line that was found."""

    place: Place
    stream: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What a line must have: the text in any case, one of the levels, one of the streams. Empty: anything."""

    text: str = ""
    levels: frozenset[str] = frozenset()
    streams: frozenset[str] = frozenset()

    def may_be_in(self, chunk: str) -> bool:
        """Whether a line inside the text can match: asked once for thousands of lines."""
        if self.text and self.text.casefold() not in chunk.casefold():
            return False
        return not self.levels or any(_OF_LEVEL[level].search(chunk) for level in self.levels)

    def matches(self, line: str, stream: str) -> bool:
        """Whether one line matches."""
        if self.streams and stream not in self.streams:
            return False
        if self.levels and level_of(line) not in self.levels:
            return False
        return self.text.casefold() in line.casefold()


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """Lines that match, the last line that was looked at (None: none was), and whether that was the log's end."""

    lines: list[Line]
    last: Place | None
    exhausted: bool


def level_of(line: str) -> str:
    """The level that a line says of itself near its beginning; "" when it says none."""
    head = line[:_LEVEL_WITHIN]
    places = ((found.start(), level) for level, words in _OF_LEVEL.items() if (found := words.search(head)))
    return min(places, default=(0, ""))[1]


def find(execution_id: int, attempt: int, wanted: Wanted, *, after: Place | None = None, limit: int = 200) -> Found:
    """Lines that match, in order, after a place; stops at `limit` lines or SCAN_CHARS read characters.

    The log's last line counts as one though its end may still be to come.
    """
    lines: list[Line] = []
    last = after
    for line in _lines(execution_id, attempt, wanted, after):
        if line is None:
            return Found(lines=lines, last=last, exhausted=False)
        last = line.place
        if wanted.matches(line.text, line.stream):
            lines.append(replace(line, text=line.text[:LINE_SHOWN]))
            if len(lines) == limit:
                return Found(lines=lines, last=last, exhausted=False)
    return Found(lines=lines, last=last, exhausted=True)


def lines_before(execution_id: int, attempt: int, seq: int) -> int:
    """How many lines end before a chunk. PostgreSQL counts: the text stays there."""
    rows = sql.run(_LINES_BEFORE, (execution_id, attempt, seq))
    return int(rows[0][0])


def window(
    execution_id: int, attempt: int, *, after: int, before: int | None, limit: int, chars: int
) -> list[LogChunk]:
    """Chunks between two sequence numbers, of about `chars` characters and at least one: the first ones after `after`,
    or the last ones before `before`, if that is given; in order."""
    rows = LogChunk.objects.filter(task_execution_id=execution_id, attempt=attempt, seq__gt=after)
    rows = rows.order_by("seq") if before is None else rows.filter(seq__lt=before).order_by("-seq")
    seqs: list[int] = []
    for seq, size in rows.annotate(size=Length("text")).values_list("seq", "size")[:limit]:
        if seqs and chars < size:
            break
        seqs.append(seq)
        chars -= size
    if not seqs:
        return []
    return list(rows.filter(seq__gte=min(seqs), seq__lte=max(seqs)).order_by("seq"))


def any_from(execution_id: int, attempt: int, seq: int) -> bool:
    """Whether there is a chunk with this sequence number or a later one."""
    return LogChunk.objects.filter(task_execution_id=execution_id, attempt=attempt, seq__gte=seq).exists()


_LINES_BEFORE = """
SELECT COALESCE(sum(octet_length(text) - octet_length(replace(text, E'\\n', ''))), 0) FROM workflows_logchunk
 WHERE task_execution_id = %s AND attempt = %s AND seq < %s
"""


def _lines(execution_id: int, attempt: int, wanted: Wanted, after: Place | None) -> Iterator[Line | None]:
    """Each line after a place that may match, and at least the last one of each chunk; None when enough was read."""
    reader = _Reader(after)
    read, told = 0, False
    for chunk in _chunks(execution_id, attempt, after.seq - 1 if after else -1):
        if told and read >= SCAN_CHARS:
            yield None
            return
        read += len(chunk.text)
        for line in reader.read(chunk, wanted):
            told = True
            yield line
    if rest := reader.rest:
        yield rest


def _chunks(execution_id: int, attempt: int, after: int) -> Iterator[LogChunk]:
    while page := queries.log_chunks(execution_id, attempt, after=after, limit=_PAGE):
        yield from page
        after = page[-1].seq


class _Reader:
    """Puts lines together from chunks."""

    def __init__(self, after: Place | None) -> None:
        self._skip = after.line + 1 if after else 0  # line ends to pass before the first line that is asked for
        self._number = after.number + 1 if after else 1
        self.rest: Line | None = None  # begun, and not ended yet

    def read(self, chunk: LogChunk, wanted: Wanted) -> Iterator[Line]:
        """The lines that end in a chunk; of a chunk in which nothing can match, only the last one."""
        start, line = self._passed(chunk.text)
        if start < 0:
            return
        if self.rest is not None:
            end = chunk.text.find("\n", start)
            self._lengthen(chunk.text[start : end if end >= 0 else None])
            if end < 0:
                return
            yield self.rest
            self.rest, self._number, start, line = None, self._number + 1, end + 1, line + 1
        yield from self._whole_lines(chunk, start, line, wanted)

    def _passed(self, text: str) -> tuple[int, int]:
        """Where to begin in a chunk, and the line ends before that; -1 when all of it is to be passed."""
        start, line = 0, 0
        while self._skip:
            end = text.find("\n", start)
            if end < 0:
                return -1, line
            start, line, self._skip = end + 1, line + 1, self._skip - 1
        return start, line

    def _lengthen(self, text: str) -> None:
        if self.rest is not None and len(self.rest.text) < _LINE_KEPT:
            self.rest = replace(self.rest, text=self.rest.text + text)

    def _whole_lines(self, chunk: LogChunk, start: int, line: int, wanted: Wanted) -> Iterator[Line]:
        end = chunk.text.rfind("\n") + 1
        if end > start:
            pieces = chunk.text[start : end - 1].split("\n")
            looked = pieces if wanted.may_be_in(chunk.text[start:end]) else pieces[-1:]
            first = len(pieces) - len(looked)
            for index, piece in enumerate(looked, first):
                yield self._line(chunk, line + index, self._number + index, piece)
            self._number += len(pieces)
            line += len(pieces)
        start = max(start, end)
        if start < len(chunk.text):
            self.rest = self._line(chunk, line, self._number, chunk.text[start:])

    def _line(self, chunk: LogChunk, line: int, number: int, text: str) -> Line:
        return Line(place=Place(seq=chunk.seq, line=line, number=number), stream=chunk.stream, text=text[:_LINE_KEPT])
