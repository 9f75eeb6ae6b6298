"""One log for every process: each line carries the name of the one that wrote it."""

from __future__ import annotations

import contextlib
import os
import threading
from collections import defaultdict, deque
from typing import TextIO

_COLOURS = ("36", "33", "32", "35", "34", "96", "93")
_WIDTH = 10
_OWN = "celeriac"
_KEPT_LINES = 12


class Console:
    """Writes prefixed lines to a stream, coloured on a terminal; safe to use from several threads."""

    def __init__(self, stream: TextIO) -> None:
        self._stream: TextIO | None = stream
        self._lock = threading.Lock()
        self._colour = stream.isatty() and not os.environ.get("NO_COLOR")
        self._seen: dict[str, str] = {_OWN: "1"}
        self._recent: dict[str, deque[str]] = defaultdict(lambda: deque(maxlen=_KEPT_LINES))

    def line(self, name: str, text: str) -> None:
        """One line of the process `name`."""
        with self._lock:
            prefix = f"{name:<{_WIDTH}}|"
            self._recent[name].append(f"{prefix} {text}")
            if self._colour:
                number = self._seen.setdefault(name, _COLOURS[(len(self._seen) - 1) % len(_COLOURS)])
                prefix = f"\x1b[{number}m{prefix}\x1b[0m"
            self._write(f"{prefix} {text}\n")

    def say(self, text: str) -> None:
        """One line of the supervisor's own."""
        self.line(_OWN, text)

    def plain(self, text: str) -> None:
        """A block without a prefix, for what a person is to read first."""
        with self._lock:
            self._write(f"{text}\n")

    def recent(self, name: str) -> list[str]:
        """The last lines of one process."""
        with self._lock:
            return list(self._recent[name])

    def _write(self, text: str) -> None:
        if self._stream is None:
            return
        try:
            self._stream.write(text)
            self._stream.flush()
        except (OSError, ValueError):  # the reader of our output has gone; the work goes on
            with contextlib.suppress(OSError, ValueError):
                self._stream.close()
            self._stream = None
