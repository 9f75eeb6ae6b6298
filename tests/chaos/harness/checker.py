"""What came of a round: the ledger of effects, the database, the faults and the scripts, laid side by side."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from itertools import pairwise

from tests.chaos.harness import effects
from tests.chaos.harness.effects import Executions, Place
from tests.chaos.harness.history import History
from tests.chaos.harness.installation import TIMES
from tests.chaos.harness.stored import Attempt, Stored, Task
from tests.chaos.harness.workload import MAPPED, SILENT, Script, Work
from tests.support import oracle

FINAL = ("success", "failed", "skipped", "upstream_failed", "cancelled")
AGAIN = ("lost", "handed_back", "retrying", "deferred")  # ends of attempts that another attempt may follow
# A loss may be noticed so long after its fault: a lease, a frozen or restarted reconciler, a busy machine.
WINDOW = float(str(TIMES["LEASE_SECONDS"])) + 10.0
LATE = 6.0  # seconds after the end of an attempt, from which on nothing of it may be heard


@dataclass(slots=True)
class Counts:
    """The figures of a round. Those of `WRONG` must be zero."""

    enqueued: int = 0
    terminal: int = 0
    lost: int = 0
    stuck: int = 0
    dup_terminal: int = 0
    stale_accepted: int = 0
    executions: int = 0
    repeated: int = 0
    rescues: int = 0
    retries: int = 0
    unexplained_executions: int = 0
    wrong_ends: int = 0
    late_effects: int = 0
    broken_invariants: int = 0
    left_processes: int = 0
    faults: int = 0
    kinds: int = 0
    runs: int = 0


WRONG = (
    *("lost", "stuck", "dup_terminal", "stale_accepted", "unexplained_executions"),
    *("wrong_ends", "late_effects", "broken_invariants", "left_processes"),
)


@dataclass(slots=True)
class Verdict:
    """The figures, and samples of what is wrong.

    `recovery` are the seconds from a fault until a task that it hit was queued again; `restart` those until it ran
    again, which counts the others in the queue, too.
    """

    counts: Counts = field(default_factory=Counts)
    problems: list[str] = field(default_factory=list)
    recovery: list[float] = field(default_factory=list)
    restart: list[float] = field(default_factory=list)
    by_kind: Counter[str] = field(default_factory=Counter)

    @property
    def clean(self) -> bool:
        """Whether nothing is wrong."""
        return not any(getattr(self.counts, name) for name in WRONG)

    def wrong(self, what: str, problem: str) -> None:
        """Count one thing that is wrong."""
        setattr(self.counts, what, getattr(self.counts, what) + 1)
        if len(self.problems) < 400:
            self.problems.append(f"{what}: {problem}")

    def figures(self) -> dict[str, int | float]:
        """Everything for a ledger line."""
        times = {**_percentiles("recovery", self.recovery), **_percentiles("restart", self.restart)}
        return {**asdict(self.counts), **times}


def _percentiles(name: str, values: list[float]) -> dict[str, float]:
    found = sorted(values) or [0.0]
    shares = {"p50": 0.5, "p95": 0.95, "max": 1.0}
    return {f"{name}_{p}": round(found[min(len(found) - 1, int(share * len(found)))], 2) for p, share in shares.items()}


class Checker:
    """One round's account."""

    def __init__(
        self, stored: Stored, ran: Executions, history: History, scripts: dict[str, Script], accepted: dict[str, str]
    ) -> None:
        self.stored, self.ran, self.history = stored, ran, history
        self.scripts, self.accepted = scripts, accepted
        self.verdict = Verdict()

    def check(self) -> Verdict:
        """Look at everything."""
        self._runs()
        for place, task in self.stored.tasks.items():
            self._task(place, task)
        self._ledger()
        for what in self.stored.twice_ended:
            self.verdict.wrong("dup_terminal", what)
        counts = self.verdict.counts
        counts.executions = self.ran.count
        counts.faults = len(self.history.faults)
        self.verdict.by_kind = Counter(fault.kind for fault in self.history.faults)
        counts.kinds = len(self.verdict.by_kind)
        return self.verdict

    def _runs(self) -> None:
        """Every run that a door accepted is there, once, and has ended."""
        by_key = {run.external_id: run for run in self.stored.runs.values() if run.external_id}
        for key, dag in self.accepted.items():
            if key not in by_key:
                self.verdict.counts.lost += len(self.scripts[dag]) - 1
                self.verdict.wrong("lost", f"run {key} of {dag} was accepted and is not there")
        self.verdict.counts.runs = len(self.stored.runs)
        for number, run in self.stored.runs.items():
            if run.state not in FINAL:
                self.verdict.problems.append(f"run {number} of {run.dag} is {run.state}")
            missing = len(self.scripts[run.dag]) - self.stored.sizes[number]
            if missing and run.state != "pending":
                self.verdict.wrong("lost", f"run {number} has {missing} tasks too few")

    def _task(self, place: Place, task: Task) -> None:
        counts = self.verdict.counts
        counts.enqueued += 1
        attempts = self.stored.attempts.get(place, [])
        counts.rescues += sum(a.end in ("lost", "handed_back") for a in attempts)
        counts.retries += sum(a.end == "retrying" for a in attempts)
        if task.state not in FINAL:
            queued = task.state == "queued"
            self.verdict.wrong("lost" if queued else "stuck", f"{place} is {task.state}, attempt {task.attempt}")
            return
        counts.terminal += 1
        run = self.stored.runs[place[0]]
        work = self.scripts[run.dag][place[1]]
        if task.state == "success":
            self._accepted(place, task, work)
        for problem in self._executed(place, task, work, attempts):
            self.verdict.wrong("unexplained_executions", f"{place} {problem}")
        if run.state != "cancelled":
            for problem in self._ended(place, task, work, attempts):
                self.verdict.wrong("wrong_ends", f"{place} {problem}")
        self._recovered(attempts)

    def _accepted(self, place: Place, task: Task, work: Work) -> None:
        """The output is that of an execution of the attempt that succeeded."""
        if work.items and place[2] < 0:
            items = [at for at in range(work.items) if (*place[:2], at) in self.stored.tasks]
            if len(items) != work.items:
                self.verdict.wrong("lost", f"{place} succeeded with {len(items)} of {work.items} items")
            return
        if work.task.branches is not None or work.kind in SILENT:
            return
        told = task.output.get("json", task.output) if isinstance(task.output, dict) else {}
        attempt, mark = told.get("attempt"), told.get("mark")
        if attempt != task.attempt:
            self.verdict.wrong("stale_accepted", f"{place} has the output of attempt {attempt}, not {task.attempt}")
        elif (place, attempt, mark) not in self.ran.ends:
            self.verdict.wrong("lost", f"{place} has an output that no execution made: {told}")

    def _executed(self, place: Place, task: Task, work: Work, attempts: list[Attempt]) -> Iterator[str]:
        """Each execution has an attempt of its own, and each attempt after the first a cause."""
        starts = self.ran.starts.get(place, {})
        self.verdict.counts.repeated += max(0, len(starts) - 1)
        known = {attempt.number for attempt in attempts}
        for number, marks in starts.items():
            if number not in known:
                yield f"ran as attempt {number}, which was never claimed"
            if len(marks) > 1:
                yield f"ran {len(marks)} times as attempt {number}"
        for attempt in attempts[:-1]:
            if attempt.end not in AGAIN:
                yield f"was tried again after attempt {attempt.number} had ended as {attempt.end!r}"
        if work.at_most_once and len(starts) > 1:
            yield f"may run once, and ran {len(starts)} times"
        if starts and task.state in ("skipped", "upstream_failed"):
            yield f"ran and is {task.state}"
        for attempt in attempts:
            if attempt.end == "lost" and not self.history.explains(attempt.node, attempt.ended, WINDOW):
                yield f"lost attempt {attempt.number} at {attempt.ended:.1f} without a fault"

    def _ended(self, place: Place, task: Task, work: Work, attempts: list[Attempt]) -> Iterator[str]:
        """The end follows from the upstreams' ends and from what the attempts came to."""
        if place[2] >= 0:
            yield from _own_end(task, work, attempts)
            return
        script = self.scripts[self.stored.runs[place[0]].dag]
        by_id = {task_id: each.task for task_id, each in script.items()}
        states = {up: self.stored.tasks[(place[0], up, -1)].state for up in work.task.upstream}
        # The oracle's own verdict, from what the upstreams really came to.
        fate, executions = oracle.settle(work.task, by_id, states)
        if not executions and work.task.branches is None:
            if task.state != fate:
                yield f"is {task.state}, not {fate}: {states}"
            return
        if work.task.branches is not None:
            if task.state != fate:
                yield f"chose: is {task.state}, not {fate}: {states}"
            return
        if work.kind in (*SILENT, MAPPED):
            wanted = "success" if work.task.acts[0] == "ok" else "failed"
            if task.state != wanted:
                yield f"is {task.state}, and the {work.kind} was to end as {wanted}: {[a.end for a in attempts]}"
            return
        yield from _own_end(task, work, attempts)

    def _recovered(self, attempts: list[Attempt]) -> None:
        for lost, after in pairwise(attempts):
            cause = self.history.explains(lost.node, lost.ended, WINDOW) if lost.end == "lost" else None
            if cause:
                self.verdict.recovery.append(max(0.0, lost.ended - cause.began))
                self.verdict.restart.append(max(0.0, after.started - cause.began))

    def _ledger(self) -> None:
        for place, number, at in self.ran.late:
            attempt = next((a for a in self.stored.attempts.get(place, []) if a.number == number), None)
            if attempt is None or at > attempt.ended + LATE:
                self.verdict.wrong("late_effects", f"a descendant of {place} attempt {number} lived on")
        for place in self.ran.starts:
            if place not in self.stored.tasks:
                self.verdict.wrong("unexplained_executions", f"{place} ran and is not there")


def _own_end(task: Task, work: Work, attempts: list[Attempt]) -> Iterator[str]:
    acts = work.task.acts
    for attempt in attempts:
        act = acts[min(attempt.number, len(acts)) - 1]
        if attempt.end in ("retrying", "failed") and act != "fail":
            yield f"attempt {attempt.number} ended as {attempt.end}/{attempt.reason}, and was to succeed"
        if attempt.end == "success" and act != "ok":
            yield f"attempt {attempt.number} succeeded, and was to fail"
    ends = [attempt.end for attempt in attempts]
    failures = ends.count("failed") + ends.count("retrying")
    if task.state == "failed":
        lost = work.at_most_once and ends == ["lost"]
        if not lost and failures != (1 if work.at_most_once else work.task.tries):
            yield f"failed after {failures} of {work.task.tries} tries: {ends}"
    elif task.state != "success" or ends[-1:] != ["success"]:
        yield f"is {task.state} after {ends}"


def verdict_of(
    stored: Stored, ledger: Executions, history: History, scripts: dict[str, Script], accepted: dict[str, str]
) -> Verdict:
    """Check a round."""
    return Checker(stored, ledger, history, scripts, accepted).check()


__all__ = ["WRONG", "Counts", "Verdict", "effects", "verdict_of"]
