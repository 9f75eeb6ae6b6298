"""What a task writes, stored in chunks while it runs, with a cap that keeps the head and the tail."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from contextvars import ContextVar
from typing import IO, cast

from celery.exceptions import SoftTimeLimitExceeded

from workflows.conf import conf
from workflows.engine import sql

log = logging.getLogger(__name__)

_INSERT = """
WITH dropped AS (
    DELETE FROM workflows_logchunk
     WHERE task_execution_id = %(id)s AND attempt = %(attempt)s AND seq = ANY(%(drop)s::int[])
)
INSERT INTO workflows_logchunk (task_execution_id, attempt, seq, stream, text)
SELECT %(id)s, %(attempt)s, v.seq, v.stream, v.text FROM unnest(%(seqs)s::int[], %(streams)s::text[], %(texts)s::text[])
       AS v(seq, stream, text)
ON CONFLICT DO NOTHING
"""


class TaskLog:
    """The log of one attempt. Writing is cheap and thread-safe; a background thread stores what was written."""

    def __init__(self, execution_id: int, attempt: int) -> None:
        self.execution_id = execution_id
        self.attempt = attempt
        self._lock = threading.Lock()
        self._buffer: list[tuple[str, str]] = []
        self._buffered = 0
        self._seq = 0
        self._head_left = conf.LOG_MAX_BYTES // 2
        self._tail: deque[tuple[int, int]] = deque()  # (seq, size) of the stored chunks that may still be dropped
        self._tail_size = 0
        self._omitted = 0
        self._gap_seq: int | None = None

    def write(self, text: str, *, stream: str = "stdout") -> None:
        """Append text of any size."""
        if not text:
            return
        for start in range(0, len(text), conf.LOG_CHUNK_BYTES):
            piece = text[start : start + conf.LOG_CHUNK_BYTES]
            with self._lock:
                self._buffer.append((stream, piece.replace("\x00", "�")))
                self._buffered += len(piece)
                full = self._buffered >= conf.LOG_CHUNK_BYTES
            if full:
                self.flush()
        _flusher.wake(self)

    def flush(self) -> None:
        """Store what was written so far; what cannot be stored is counted as omitted, never raised into the task."""
        with self._lock:
            pieces, self._buffer, self._buffered = self._buffer, [], 0
            rows, drop = self._place(_joined(pieces))
            if rows:
                self._store(rows, drop)

    def close(self) -> None:
        """Store the rest, and say how much was left out."""
        self.flush()
        with self._lock:
            if self._omitted and self._gap_seq is not None:
                note = f"\n… {self._omitted} characters were left out here (LOG_MAX_BYTES) …\n"
                self._store([(self._gap_seq, "system", note)], [])
                self._omitted = 0

    def _place(self, pieces: Iterator[tuple[str, str]]) -> tuple[list[tuple[int, str, str]], list[int]]:
        rows: list[tuple[int, str, str]] = []
        drop: list[int] = []
        for stream, text in pieces:
            size = len(text.encode("utf-8", "replace"))
            if self._head_left > 0:
                self._head_left -= size
            else:
                if self._gap_seq is None:
                    self._gap_seq = self._seq
                    self._seq += 1
                self._tail.append((self._seq, size))
                self._tail_size += size
            rows.append((self._seq, stream, text))
            self._seq += 1
        while self._tail_size > conf.LOG_MAX_BYTES // 2 and len(self._tail) > 1:
            seq, size = self._tail.popleft()
            self._tail_size -= size
            self._omitted += size
            drop.append(seq)
        dropped = set(drop)
        return [row for row in rows if row[0] not in dropped], drop

    def _store(self, rows: list[tuple[int, str, str]], drop: list[int]) -> None:
        values = {
            "id": self.execution_id,
            "attempt": self.attempt,
            "drop": drop,
            "seqs": [row[0] for row in rows],
            "streams": [row[1] for row in rows],
            "texts": [row[2].encode("utf-8", "replace").decode() for row in rows],
        }
        try:
            sql.persist(lambda: sql.run(_INSERT, values))
        except SoftTimeLimitExceeded:
            raise  # the worker's, not ours
        except Exception:
            self._omitted += sum(len(row[2]) for row in rows)
            log.exception("could not store %d log chunks of task execution %d", len(rows), self.execution_id)


def _joined(pieces: list[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    """Neighbours of the same stream as one piece, up to the size of a chunk."""
    stream, texts, size = "", list[str](), 0
    for next_stream, text in pieces:
        if texts and (next_stream != stream or size + len(text) > conf.LOG_CHUNK_BYTES):
            yield stream, "".join(texts)
            texts, size = [], 0
        stream = next_stream
        texts.append(text)
        size += len(text)
    if texts:
        yield stream, "".join(texts)


class _Flusher:
    """One thread in each process, started by the first line that any task writes."""

    def __init__(self) -> None:
        self._written = threading.Event()
        self._target: TaskLog | None = None
        self._thread: threading.Thread | None = None

    def wake(self, target: TaskLog) -> None:
        self._target = target
        if self._thread is None or not self._thread.is_alive():
            self._thread = threading.Thread(target=self._loop, name="celeriac-logs", daemon=True)
            self._thread.start()
        self._written.set()

    def _loop(self) -> None:
        pause = threading.Event()
        while True:
            self._written.wait()
            pause.wait(conf.LOG_FLUSH_SECONDS)
            self._written.clear()
            if self._target is not None:
                self._target.flush()


_flusher = _Flusher()
_current: ContextVar[TaskLog | None] = ContextVar("celeriac_task_log", default=None)


class _Stream:
    """Stands in for sys.stdout and sys.stderr while a task runs."""

    encoding = "utf-8"
    errors = "replace"

    def __init__(self, target: TaskLog, stream: str) -> None:
        self._target = target
        self._stream = stream

    def write(self, text: str) -> int:
        self._target.write(text, stream=self._stream)
        return len(text)

    def writelines(self, lines: list[str]) -> None:
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        """Nothing to do: the flusher stores what was written."""

    def isatty(self) -> bool:
        return False

    def writable(self) -> bool:
        return True


class _Handler(logging.Handler):
    """Copies log records of a task's code into the task's log."""

    def emit(self, record: logging.LogRecord) -> None:
        target = _current.get()
        if target is not None and not record.name.startswith(("celery.", "workflows.", "kombu.")):
            target.write(self.format(record) + "\n", stream="log")


def install() -> None:
    """Add the handler to the root logger of this process, once."""
    root = logging.getLogger()
    if not any(isinstance(h, _Handler) for h in root.handlers):
        handler = _Handler()
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
        root.addHandler(handler)


@contextmanager
def captured(target: TaskLog) -> Iterator[None]:
    """Send what the code inside prints and logs to the task's log."""
    token = _current.set(target)
    out, err = _Stream(target, "stdout"), _Stream(target, "stderr")
    try:
        with redirect_stdout(cast(IO[str], out)), redirect_stderr(cast(IO[str], err)):
            yield
    finally:
        _current.reset(token)
        target.close()
