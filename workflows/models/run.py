"""What ran: runs, task executions and their attempts.

States are written by `engine.transitions` alone; the constraints here refuse rows that no sequence of legal moves
makes.
"""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from workflows.core.states import RUN_FINAL, Reason, RunState, TaskState
from workflows.models import words
from workflows.models.definition import Dag, DagVersion

_RUN_FINAL = sorted(s.value for s in RUN_FINAL)
_ADMITTED = Q(gated=True, held=False, state__in=[TaskState.QUEUED, TaskState.RUNNING])
_HELD = Q(held=True)
_TASK_ACTIVE = [TaskState.DEFERRED, TaskState.QUEUED, TaskState.RETRYING, TaskState.RUNNING]


class DagRunQuerySet(models.QuerySet["DagRun"]):
    """Sets of runs."""

    def live(self) -> DagRunQuerySet:
        """Without the deleted ones: what lists show."""
        return self.filter(deleted_at__isnull=True)

    def unfinished(self) -> DagRunQuerySet:
        """Pending and running runs."""
        return self.filter(ended_at__isnull=True)


class DagRun(models.Model):
    """One run of one version of a DAG."""

    TRIGGERS = words.choices(("manual", "api", "schedule", "backfill", "subdag", "code", "after", "webhook"))

    dag = models.ForeignKey(Dag, models.CASCADE, verbose_name=_("DAG"), related_name="runs")
    version = models.ForeignKey(DagVersion, models.PROTECT, verbose_name=_("version"), related_name="runs")
    state = models.CharField(_("state"), max_length=16, choices=words.choices(RunState), default=RunState.PENDING)
    reason = models.CharField(_("reason"), max_length=32, choices=words.choices(Reason), blank=True, default="")
    trigger = models.CharField(_("trigger"), max_length=16, choices=TRIGGERS, default="manual")
    triggered_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.SET_NULL,
        verbose_name=_("triggered by"),
        null=True,
        blank=True,
        related_name="+",
    )
    logical_date = models.DateTimeField(_("logical date"), null=True, blank=True)
    # The span of time that a run is about: from the scheduled time before its logical date to the logical date.
    interval_start = models.DateTimeField(_("start of data interval"), null=True, blank=True)
    priority = models.SmallIntegerField(
        _("priority"),
        null=True,
        blank=True,
        help_text=_("0 to 9, 9 first: that of its tasks, where they have none of their own."),
    )
    backfill = models.ForeignKey(
        "Backfill", models.SET_NULL, verbose_name=_("backfill"), null=True, blank=True, related_name="runs"
    )
    cause = models.ForeignKey(
        "self",
        models.SET_NULL,
        verbose_name=_("cause"),
        null=True,
        blank=True,
        related_name="+",
        help_text=_("The run of another DAG whose success started this one."),
    )
    external_id = models.CharField(_("external id"), max_length=250, null=True, blank=True)
    params = models.JSONField(_("parameters"), default=dict, blank=True)
    parent = models.ForeignKey(
        "TaskExecution",
        models.CASCADE,
        verbose_name=_("parent task"),
        null=True,
        blank=True,
        related_name="child_runs",
    )
    depth = models.PositiveSmallIntegerField(_("sub-DAG depth"), default=0)
    created_at = models.DateTimeField(_("created at"), db_default=Now())
    started_at = models.DateTimeField(_("started at"), null=True, blank=True)
    ended_at = models.DateTimeField(_("ended at"), null=True, blank=True)
    deadline_at = models.DateTimeField(_("deadline"), null=True, blank=True)
    paused_at = models.DateTimeField(_("paused at"), null=True, blank=True)
    late_at = models.DateTimeField(
        _("late at"), null=True, blank=True, help_text=_("When it is late; empty once that was told.")
    )
    deleted_at = models.DateTimeField(_("deleted at"), null=True, blank=True)

    objects = DagRunQuerySet.as_manager()

    class Meta:
        verbose_name = _("DAG run")
        verbose_name_plural = _("DAG runs")
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(condition=Q(state__in=[s.value for s in RunState]), name="dagrun_state_known"),
            models.CheckConstraint(
                condition=Q(state__in=_RUN_FINAL, ended_at__isnull=False)
                | (~Q(state__in=_RUN_FINAL) & Q(ended_at__isnull=True)),
                name="dagrun_ended_iff_final",
            ),
            models.CheckConstraint(
                condition=~Q(state=RunState.RUNNING) | Q(started_at__isnull=False),
                name="dagrun_running_has_start",
            ),
            models.UniqueConstraint(
                fields=["dag", "external_id"],
                condition=Q(external_id__isnull=False),
                name="dagrun_external_id",
            ),
            models.UniqueConstraint(
                fields=["dag", "logical_date", "trigger"],
                condition=Q(trigger__in=["schedule", "after"]),
                name="dagrun_logical_date",
            ),
        ]
        indexes = [
            models.Index(fields=["state"], condition=Q(ended_at__isnull=True), name="dagrun_unfinished"),
            models.Index(fields=["dag", "-id"], name="dagrun_of_dag"),
            models.Index(fields=["dag", "logical_date"], name="dagrun_date"),
            models.Index(fields=["parent"], condition=Q(parent__isnull=False), name="dagrun_child"),
            models.Index(fields=["dag", "id"], condition=Q(state="pending"), name="dagrun_waiting"),
            models.Index(fields=["late_at"], condition=Q(late_at__isnull=False), name="dagrun_late"),
            # What went through by the hour and by the day, and what failed lately.
            models.Index(fields=["ended_at"], condition=Q(ended_at__isnull=False), name="dagrun_ended"),
        ]

    def __str__(self) -> str:
        return f"run {self.pk}"


class TaskExecution(models.Model):
    """One task in one run. `position` is its place in the plan: the plan's edges are between positions."""

    run = models.ForeignKey(DagRun, models.CASCADE, verbose_name=_("run"), related_name="tasks", db_index=False)
    position = models.IntegerField(_("position"))
    map_index = models.IntegerField(_("map index"), default=-1, db_default=-1)
    task_id = models.CharField(_("task id"), max_length=200)
    state = models.CharField(_("state"), max_length=16, choices=words.choices(TaskState), default=TaskState.PENDING)
    reason = models.CharField(
        _("reason"), max_length=32, choices=words.choices(Reason), blank=True, db_default="", default=""
    )
    message = models.TextField(_("message"), blank=True, db_default="", default="")
    # Counters, never scans: how many upstreams have not settled, and how those that have did not succeed.
    waiting_on = models.IntegerField(_("waiting on"), default=0, db_default=0)
    # A column, and not a condition of the index on the count: a row whose count goes down 500 times would be written to
    # every index 500 times.
    undecided = models.GeneratedField(
        expression=Q(state=TaskState.PENDING, waiting_on=0),  # type: ignore[arg-type]  # a condition is one
        output_field=models.BooleanField(),
        db_persist=True,
        verbose_name=_("undecided"),
    )
    upstreams_failed = models.IntegerField(_("upstreams failed"), default=0, db_default=0)
    upstreams_skipped = models.IntegerField(_("upstreams skipped"), default=0, db_default=0)
    attempt = models.IntegerField(
        _("attempt"),
        default=0,
        db_default=0,
        help_text=_("Number of the current attempt; 0 before the first."),
    )
    failures = models.IntegerField(
        _("failures"), default=0, db_default=0, help_text=_("Failed attempts that count as tries.")
    )
    losses = models.IntegerField(_("losses"), default=0, db_default=0, help_text=_("Attempts lost with their worker."))
    # Of a mapped task: its own row (map index -1) waits for its items, each a row of its own.
    item = models.JSONField(_("item"), null=True, blank=True)
    queue = models.CharField(_("queue"), max_length=100)
    # A gated task is subject to a limit; while queued it is held until the limit has room, and no message is sent.
    gated = models.BooleanField(_("gated"), default=False, db_default=False)
    held = models.BooleanField(_("held"), default=False, db_default=False)
    # Only of a queued task: it waits without a message for a worker that goes on with the run.
    withheld = models.BooleanField(_("withheld"), default=False, db_default=False)
    slots = models.SmallIntegerField(_("slots"), default=1, db_default=1)
    priority = models.SmallIntegerField(_("priority"), default=5, db_default=5)
    # Held while running: what the fencing token and the lease protect.
    token = models.UUIDField(_("fencing token"), null=True, blank=True)
    lease_until = models.DateTimeField(_("lease until"), null=True, blank=True)
    node = models.CharField(_("node"), max_length=200, blank=True, db_default="", default="")
    queued_at = models.DateTimeField(_("queued at"), null=True, blank=True)
    sent_at = models.DateTimeField(
        _("sent at"),
        null=True,
        blank=True,
        help_text=_("When the reconciler last sent it; of one that runs, when the message was queued that led to it."),
    )
    started_at = models.DateTimeField(_("started at"), null=True, blank=True)
    next_attempt_at = models.DateTimeField(_("next attempt at"), null=True, blank=True)
    wake_at = models.DateTimeField(
        _("wake at"), null=True, blank=True, help_text=_("When a deferred task is looked at again.")
    )
    waiting_since = models.DateTimeField(
        _("waiting since"),
        null=True,
        blank=True,
        help_text=_("When it was deferred first: the looks of one wait share its timeout."),
    )
    ended_at = models.DateTimeField(_("ended at"), null=True, blank=True)
    # Bound on the wall time of an attempt; NULL for none. Seconds.
    timeout = models.FloatField(_("timeout"), null=True, blank=True)
    output = models.JSONField(_("output"), null=True, blank=True)

    class Meta:
        verbose_name = _("task execution")
        verbose_name_plural = _("task executions")
        ordering = ["run", "position", "map_index"]
        constraints = [
            models.UniqueConstraint(fields=["run", "position", "map_index"], name="task_place"),
            # And one more, `task_sound`, in migration 0002: what goes together in a row of this table, as one function.
            # As conditions it was 40 % of the hot statements: PostgreSQL reads the text of each again in every one.
        ]
        indexes = [
            models.Index(fields=["state"], condition=Q(state__in=_TASK_ACTIVE), name="task_active"),
            models.Index(fields=["run"], condition=Q(ended_at__isnull=True), name="task_unsettled"),
            models.Index(fields=["run"], condition=Q(undecided=True), name="task_undecided"),
            models.Index(
                fields=["run", "position"], condition=Q(ended_at__isnull=True, map_index__gte=0), name="task_open_item"
            ),
            # Limits: what is admitted counts against them, what is held waits for them in this order.
            models.Index(fields=["queue"], condition=_ADMITTED, name="task_admitted_in_queue"),
            models.Index(fields=["run"], condition=_ADMITTED, name="task_admitted_in_run"),
            models.Index(fields=["queue", "-priority", "queued_at", "id"], condition=_HELD, name="task_held_in_queue"),
            models.Index(fields=["run", "-priority", "queued_at", "id"], condition=_HELD, name="task_held_in_run"),
            models.Index(fields=["wake_at"], condition=Q(wake_at__isnull=False), name="task_wakes"),
            models.Index(
                fields=["run", "queue", "-priority", "-id"],
                condition=Q(withheld=True),
                name="task_withheld",
            ),
        ]

    def __str__(self) -> str:
        return self.task_id


class TaskAttempt(models.Model):
    """One try of a task execution, from claim to end. Kept for ever; the live one has no `ended_at`.

    No foreign key in the database: checking it would lock the task's row once more in the two hottest statements.
    `check_invariants` looks for orphans, `prune` deletes both.
    """

    ENDS = words.choices(("success", "skipped", "failed", "retrying", "deferred", "lost", "handed_back", "cancelled"))

    task_execution = models.ForeignKey(
        TaskExecution,
        models.CASCADE,
        verbose_name=_("task execution"),
        related_name="attempts",
        db_constraint=False,
        db_index=False,
    )
    number = models.IntegerField(_("number"))
    token = models.UUIDField(_("fencing token"))
    node = models.CharField(_("node"), max_length=200, blank=True, default="", db_default="")
    started_at = models.DateTimeField(_("started at"), db_default=Now())
    ended_at = models.DateTimeField(_("ended at"), null=True, blank=True)
    end = models.CharField(_("end"), max_length=16, choices=ENDS, blank=True, db_default="", default="")
    reason = models.CharField(
        _("reason"), max_length=32, choices=words.choices(Reason), blank=True, db_default="", default=""
    )
    message = models.TextField(_("message"), blank=True, db_default="", default="")

    class Meta:
        verbose_name = _("attempt")
        verbose_name_plural = _("attempts")
        ordering = ["task_execution", "number"]
        constraints = [
            models.UniqueConstraint(fields=["task_execution", "number"], name="attempt_number"),
            models.UniqueConstraint(
                fields=["task_execution"], condition=Q(ended_at__isnull=True), name="attempt_one_live"
            ),
            models.CheckConstraint(
                condition=Q(ended_at__isnull=True, end="") | (Q(ended_at__isnull=False) & ~Q(end="")),
                name="attempt_ended_iff_end",
            ),
        ]

    def __str__(self) -> str:
        return f"attempt {self.number}"
