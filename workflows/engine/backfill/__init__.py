"""Runs of a DAG for a range of past dates, as an object: previewed, started, advanced, paused, cancelled, retried.

A date has no state machine of its own beside that of its run: it waits, has a run, or never gets one. The reconciler
advances every running backfill; the row of a backfill is locked while one of its dates is started, and the date learns
its run in the transaction that makes the run. So any number of reconcilers may run, and die, at any moment.
"""

from __future__ import annotations

from workflows.engine.backfill.advance import advance
from workflows.engine.backfill.control import cancel, pause, resume, retry
from workflows.engine.backfill.dates import moment_of
from workflows.engine.backfill.progress import Progress, progress_of
from workflows.engine.backfill.start import Preview, Wanted, preview, start

__all__ = [
    "Preview",
    "Progress",
    "Wanted",
    "advance",
    "cancel",
    "moment_of",
    "pause",
    "preview",
    "progress_of",
    "resume",
    "retry",
    "start",
]
