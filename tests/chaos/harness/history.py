"""What was done to the installation, and when: one JSON line each, and in memory for the checker."""

from __future__ import annotations

import json
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(slots=True)
class Fault:
    """One fault: from when to when it lasted, and which node it hit ("" for all)."""

    number: int
    kind: str
    began: float
    ended: float
    node: str = ""
    drawn: dict[str, Any] = field(default_factory=dict)


class History:
    """The record of one round."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.faults: list[Fault] = []
        self._lock = threading.Lock()

    def note(self, kind: str, **facts: Any) -> None:
        """Write one line."""
        with self._lock, self.path.open("a") as file:
            file.write(json.dumps({"at": round(time.time(), 3), "kind": kind, **facts}) + "\n")

    def fault(self, fault: Fault) -> None:
        """A fault has been done."""
        with self._lock:
            self.faults.append(fault)
        took = round(fault.ended - fault.began, 3)
        self.note("fault", number=fault.number, fault=fault.kind, took=took, node=fault.node, drawn=fault.drawn)

    def explains(self, node: str, at: float, window: float) -> Fault | None:
        """The last fault that may have cost `node` an attempt that was given up at `at`; None when there is none."""
        name = node.partition("@")[0]
        near = [f for f in self.faults if f.began <= at and f.ended >= at - window and f.node in ("", name)]
        return max(near, key=lambda fault: fault.began, default=None)
