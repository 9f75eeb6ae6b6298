"""What the stored words are called by people, in their language: states, reasons, triggers, and the like."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

WORDS: Mapping[str, Promise] = MappingProxyType(
    {
        # States, ends of attempts, marks.
        "pending": _("pending"),
        "queued": _("queued"),
        "running": _("running"),
        "deferred": _("deferred"),
        "retrying": _("retrying"),
        "success": _("success"),
        "failed": _("failed"),
        "skipped": _("skipped"),
        "upstream_failed": _("upstream failed"),
        "cancelled": _("cancelled"),
        "paused": _("paused"),
        "deleted": _("deleted"),
        "waiting": _("waiting"),
        "started": _("started"),
        "done": _("done"),
        "refused": _("refused"),
        "sent": _("sent"),
        "lost": _("lost"),
        "handed_back": _("handed back"),
        # Reasons.
        "branch_not_taken": _("branch not taken"),
        "condition_false": _("condition false"),
        "upstream_skipped": _("upstream skipped"),
        "rule_not_met": _("rule not met"),
        "error": _("error"),
        "bad_input": _("bad input"),
        "timed_out": _("timed out"),
        "run_timed_out": _("run timed out"),
        "killed": _("killed"),
        "poisoned": _("poisoned"),
        "output_too_large": _("output too large"),
        "child_run_failed": _("child run failed"),
        "recursion": _("recursion"),
        "unknown_task": _("unknown task"),
        "cancelled_by_user": _("cancelled by user"),
        "parent_ended": _("parent ended"),
        "items_failed": _("items failed"),
        "item_gone": _("item gone"),
        "rejected": _("rejected"),
        "awaited": _("awaited"),
        "marked_by_user": _("marked by user"),
        "cleared_by_user": _("cleared by user"),
        "late": _("late"),
        "overlap": _("overlap"),
        # What starts runs.
        "manual": _("manual"),
        "api": _("api"),
        "schedule": _("schedule"),
        "backfill": _("backfill"),
        "subdag": _("subdag"),
        "code": _("code"),
        "after": _("after"),
        "webhook": _("webhook"),
        # What becomes of a question that nobody answers, or that is refused.
        "fail": _("fail"),
        "skip": _("skip"),
        "approve": _("approve"),
        # Where a piece of a log comes from.
        "stdout": _("stdout"),
        "stderr": _("stderr"),
        "log": _("log"),
        "system": _("system"),
    }
)


def of(word: str) -> str | Promise:
    """What a stored word is called; a word that is not among ours is read as it is written."""
    return WORDS.get(word, word.replace("_", " "))


def choices(values: Iterable[str]) -> list[tuple[str, str | Promise]]:
    """Choices of a field: the stored words with what they are called."""
    return [(str(value), of(value)) for value in values if value]
