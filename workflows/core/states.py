"""The words for where a run or a task stands, and who moves it in and out.

docs/states.md draws the same table; a test keeps the two equal.
"""

from __future__ import annotations

from enum import StrEnum


class RunState(StrEnum):
    """Where a DAG run stands."""

    PENDING = "pending"  # rows exist, nothing may start yet (waits for its turn)
    RUNNING = "running"  # set by launch; tasks may be claimed
    SUCCESS = "success"  # set when every task has settled and no leaf failed
    FAILED = "failed"  # set when every task has settled and a leaf failed without being allowed to
    CANCELLED = "cancelled"  # set by a person or a deadline

    @property
    def is_final(self) -> bool:
        """Whether the run can never move again (except by an operator's rerun)."""
        return self in RUN_FINAL


class TaskState(StrEnum):
    """Where a task execution stands."""

    PENDING = "pending"  # waits for its upstreams
    QUEUED = "queued"  # ready: set in the transaction that settled the last upstream; a message follows
    RUNNING = "running"  # claimed by a worker, which holds the lease and the fencing token
    DEFERRED = "deferred"  # waits for a child run without holding a worker
    RETRYING = "retrying"  # failed with tries left; the reconciler queues it at next_attempt_at
    SUCCESS = "success"
    FAILED = "failed"
    SKIPPED = "skipped"  # a branch, a condition or a trigger rule said no
    UPSTREAM_FAILED = "upstream_failed"  # never ran: its trigger rule can no longer be met
    CANCELLED = "cancelled"

    @property
    def is_final(self) -> bool:
        """Whether the task has settled."""
        return self in TASK_FINAL


RUN_FINAL = frozenset({RunState.SUCCESS, RunState.FAILED, RunState.CANCELLED})
TASK_FINAL = frozenset(
    {
        TaskState.SUCCESS,
        TaskState.FAILED,
        TaskState.SKIPPED,
        TaskState.UPSTREAM_FAILED,
        TaskState.CANCELLED,
    }
)

_T = TaskState
TASK_MOVES: frozenset[tuple[TaskState, TaskState]] = frozenset(
    {
        (_T.PENDING, _T.QUEUED),
        (_T.PENDING, _T.SKIPPED),
        (_T.PENDING, _T.UPSTREAM_FAILED),
        (_T.PENDING, _T.CANCELLED),
        (_T.QUEUED, _T.RUNNING),
        (_T.QUEUED, _T.CANCELLED),
        (_T.RUNNING, _T.SUCCESS),
        (_T.RUNNING, _T.FAILED),
        (_T.RUNNING, _T.SKIPPED),
        (_T.RUNNING, _T.RETRYING),
        (_T.RUNNING, _T.QUEUED),  # handed back by a stopping worker, or rescued after a lost one
        (_T.RUNNING, _T.DEFERRED),
        (_T.RUNNING, _T.CANCELLED),
        (_T.DEFERRED, _T.SUCCESS),
        (_T.DEFERRED, _T.FAILED),
        (_T.DEFERRED, _T.SKIPPED),  # a wait that ran out of time, or an approval that was refused, if it asks for that
        (_T.DEFERRED, _T.RETRYING),
        (_T.DEFERRED, _T.CANCELLED),
        (_T.DEFERRED, _T.QUEUED),  # woken: it looks again whether what it waits for has come
        (_T.RETRYING, _T.QUEUED),
        (_T.RETRYING, _T.CANCELLED),
        (_T.PENDING, _T.DEFERRED),  # a mapped task that was reopened for some of its items
    }
    # An operator marks what has not settled by itself.
    | {(old, new) for old in (_T.PENDING, _T.QUEUED, _T.RETRYING) for new in (_T.SUCCESS, _T.FAILED)}
    # An operator's surgery reopens what has settled; nothing else leaves a final state.
    | {(old, _T.PENDING) for old in TASK_FINAL}
)

_R = RunState
RUN_MOVES: frozenset[tuple[RunState, RunState]] = frozenset(
    {
        (_R.PENDING, _R.RUNNING),
        (_R.PENDING, _R.CANCELLED),
        (_R.RUNNING, _R.SUCCESS),
        (_R.RUNNING, _R.FAILED),
        (_R.RUNNING, _R.CANCELLED),
    }
    | {(old, _R.RUNNING) for old in RUN_FINAL}  # reopened by an operator
)


class Reason(StrEnum):
    """Why a state was entered: the whole vocabulary, stored beside the state."""

    NONE = ""
    BRANCH_NOT_TAKEN = "branch_not_taken"
    CONDITION_FALSE = "condition_false"
    UPSTREAM_FAILED = "upstream_failed"
    UPSTREAM_SKIPPED = "upstream_skipped"
    RULE_NOT_MET = "rule_not_met"
    ERROR = "error"  # the task's own failure: exception, exit code, refused answer
    BAD_INPUT = "bad_input"  # parameters could not be rendered or validated
    TIMED_OUT = "timed_out"
    RUN_TIMED_OUT = "run_timed_out"
    LOST = "lost"  # the worker stopped renewing the lease
    KILLED = "killed"  # the worker saw its child process die
    HANDED_BACK = "handed_back"  # a stopping worker gave the task back
    POISONED = "poisoned"  # the task took too many workers down with it
    OUTPUT_TOO_LARGE = "output_too_large"
    CHILD_RUN_FAILED = "child_run_failed"
    RECURSION = "recursion"  # a sub-DAG that is among its own ancestors
    UNKNOWN_TASK = "unknown_task"  # no worker knows the registered Celery task
    CANCELLED_BY_USER = "cancelled_by_user"
    PARENT_ENDED = "parent_ended"
    ITEMS_FAILED = "items_failed"  # a mapped task of which some items failed
    ITEM_GONE = "item_gone"  # the list has become shorter since the item ran first
    REJECTED = "rejected"  # an approval was answered with no
    AWAITED = "awaited"  # a deferred task is looked at again
    MARKED_BY_USER = "marked_by_user"
    CLEARED_BY_USER = "cleared_by_user"
    LATE = "late"  # told of a run that has not ended by `late_after`; it stays where it is
    OVERLAP = "overlap"  # the next scheduled run took its place
