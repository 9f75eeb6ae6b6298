"""Trigger rules: from how the upstreams of a task settled to what becomes of the task. Pure.

A rule sees counts, never rows: the engine keeps the counts on the task's own row (rule 3 of the design).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from workflows.core.states import Reason, TaskState


class TriggerRule(StrEnum):
    """When a task may start, in terms of its upstreams."""

    ALL_SUCCESS = "all_success"
    ALL_FAILED = "all_failed"
    ALL_DONE = "all_done"
    ONE_SUCCESS = "one_success"
    ONE_FAILED = "one_failed"
    NONE_FAILED = "none_failed"
    NONE_SKIPPED = "none_skipped"
    NONE_FAILED_MIN_ONE_SUCCESS = "none_failed_min_one_success"
    ALWAYS = "always"


EAGER_RULES = frozenset({TriggerRule.ONE_SUCCESS, TriggerRule.ONE_FAILED})  # may start before all have settled


@dataclass(frozen=True, slots=True, kw_only=True)
class Upstreams:
    """How many upstreams a task has, and how those that settled did. `failed` counts upstream_failed too."""

    total: int
    waiting: int
    failed: int
    skipped: int

    @property
    def succeeded(self) -> int:
        """Upstreams that succeeded, or failed and were allowed to."""
        return self.total - self.waiting - self.failed - self.skipped


@dataclass(frozen=True, slots=True)
class Verdict:
    """What becomes of a task: QUEUED, SKIPPED or UPSTREAM_FAILED, and why."""

    state: TaskState
    reason: Reason = Reason.NONE


RUN_IT = Verdict(TaskState.QUEUED)
_FAILED = Verdict(TaskState.UPSTREAM_FAILED, Reason.UPSTREAM_FAILED)
_SKIPPED = Verdict(TaskState.SKIPPED, Reason.UPSTREAM_SKIPPED)
_NOT_MET = Verdict(TaskState.SKIPPED, Reason.RULE_NOT_MET)


def verdict(rule: TriggerRule, ups: Upstreams) -> Verdict | None:
    """Say what becomes of a task, or None while that is open.

    `one_success` and `one_failed` speak as soon as they are met; all other rules once every upstream has settled.
    """
    if ups.total == 0:
        return RUN_IT
    if rule is TriggerRule.ONE_SUCCESS and ups.succeeded:
        return RUN_IT
    if rule is TriggerRule.ONE_FAILED and ups.failed:
        return RUN_IT
    if ups.waiting:
        return None
    return _settled(rule, ups)


def _settled(rule: TriggerRule, ups: Upstreams) -> Verdict:
    match rule:
        case TriggerRule.ALL_SUCCESS | TriggerRule.ONE_SUCCESS:
            if ups.failed:
                return _FAILED
            if ups.skipped:
                return _SKIPPED
            return RUN_IT
        case TriggerRule.ALL_FAILED:
            return RUN_IT if ups.failed == ups.total else _NOT_MET
        case TriggerRule.ONE_FAILED:
            return _NOT_MET
        case TriggerRule.NONE_FAILED:
            return _FAILED if ups.failed else RUN_IT
        case TriggerRule.NONE_SKIPPED:
            return _SKIPPED if ups.skipped else RUN_IT
        case TriggerRule.NONE_FAILED_MIN_ONE_SUCCESS:
            if ups.failed:
                return _FAILED
            return RUN_IT if ups.succeeded else _SKIPPED
        case TriggerRule.ALL_DONE | TriggerRule.ALWAYS:
            return RUN_IT
