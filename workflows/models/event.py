"""What happened: one row for each transition, written in the transaction that made it."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from workflows.models.run import DagRun


class CurrentTransaction(models.Func):
    """The id of the writing transaction: the sequence that readers follow (docs/decisions/0005)."""

    template = "(pg_current_xact_id()::text::bigint)"
    output_field = models.BigIntegerField()
    arity = 0


class Event(models.Model):
    """One transition of a run or of a task (then `task_id` is set).

    `seq` is the writing transaction's id. A reader that takes only events below the oldest running transaction sees
    each event once and misses none, which a plain serial number cannot promise: commits overtake each other.
    No foreign key in the database, for the reason given at TaskAttempt.
    """

    seq = models.BigIntegerField(_("sequence"), db_default=CurrentTransaction(), editable=False)
    run = models.ForeignKey(
        DagRun,
        models.CASCADE,
        verbose_name=_("run"),
        related_name="events",
        db_constraint=False,
        db_index=False,
    )
    task_execution_id = models.BigIntegerField(_("task execution"), null=True, blank=True)
    task_id = models.CharField(_("task id"), max_length=200, blank=True, default="", db_default="")
    attempt = models.IntegerField(_("attempt"), default=0, db_default=0)
    old = models.CharField(_("from"), max_length=16, blank=True, default="", db_default="")
    new = models.CharField(_("to"), max_length=16)
    reason = models.CharField(_("reason"), max_length=32, blank=True, default="", db_default="")
    message = models.CharField(_("message"), max_length=500, blank=True, default="", db_default="")
    node = models.CharField(_("node"), max_length=200, blank=True, default="", db_default="")
    at = models.DateTimeField(_("at"), db_default=Now())

    class Meta:
        verbose_name = _("event")
        verbose_name_plural = _("events")
        ordering = ["seq", "id"]
        indexes = [
            models.Index(fields=["run", "seq", "id"], name="event_of_run"),
            models.Index(
                fields=["seq", "id"], condition=models.Q(task_execution_id=None, new="success"), name="event_of_success"
            ),
            # For readers that follow all runs: few of the events that the hot statements write are in it.
            models.Index(
                fields=["seq", "id"],
                condition=Q(task_execution_id__isnull=True) | Q(new__in=["failed", "retrying"]),
                name="event_told",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.task_id or 'run'}: {self.old} → {self.new}"
