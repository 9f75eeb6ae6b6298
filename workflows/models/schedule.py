"""When runs start by themselves, and runs of the past on demand."""

from __future__ import annotations

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from workflows.models import words
from workflows.models.definition import Dag
from workflows.models.run import DagRun


class Schedule(models.Model):
    """When a DAG runs by itself: what its current version says, and how far it was followed."""

    dag = models.OneToOneField(Dag, models.CASCADE, verbose_name=_("DAG"), related_name="schedule")
    spec = models.JSONField(_("specification"), help_text=_("The `schedule` of the document, as it was resolved."))
    periodic_task = models.OneToOneField(
        "django_celery_beat.PeriodicTask",
        models.SET_NULL,
        verbose_name=_("beat entry"),
        null=True,
        blank=True,
        related_name="+",
    )
    # Every due date up to here has been dealt with: a run, or a decision that there is none.
    cursor = models.DateTimeField(_("dealt with up to"), null=True, blank=True)
    next_at = models.DateTimeField(_("next run at"), null=True, blank=True)
    # When a tick last saw the next date wait for another run. What was due by then was not missed.
    waiting_at = models.DateTimeField(_("seen waiting at"), null=True, blank=True)
    message = models.TextField(_("message"), blank=True, default="", db_default="")
    created_at = models.DateTimeField(_("created at"), db_default=Now())

    class Meta:
        verbose_name = _("schedule")
        verbose_name_plural = _("schedules")
        ordering = ["dag"]
        indexes = [models.Index(fields=["next_at"], condition=Q(next_at__isnull=False), name="schedule_next")]

    def __str__(self) -> str:
        return str(self.dag)


class Backfill(models.Model):
    """Runs of a DAG for a range of past dates, some at a time.

    Backfills of DAGs that run after this one's (`downstream`) are its children: one for each such DAG.
    """

    STATES = words.choices(("running", "paused", "done", "cancelled"))
    WHICH = [("missing", _("without success")), ("failed", _("failed")), ("all", _("all, again"))]

    dag = models.ForeignKey(Dag, models.CASCADE, verbose_name=_("DAG"), related_name="backfills")
    state = models.CharField(_("state"), max_length=16, choices=STATES, default="running")
    start = models.DateTimeField(_("from"))
    end = models.DateTimeField(_("to"))
    newest_first = models.BooleanField(_("newest first"), default=False)
    concurrency = models.PositiveIntegerField(_("runs at one time"), default=1)
    which = models.CharField(_("dates"), max_length=8, choices=WHICH, default="missing")
    every = models.FloatField(
        _("interval"), null=True, blank=True, help_text=_("Seconds from date to date; empty: by the DAG's schedule.")
    )
    params = models.JSONField(_("parameters"), default=dict, blank=True)
    downstream = models.BooleanField(
        _("downstream too"), default=False, help_text=_("Also the DAGs that run after this one.")
    )
    parent = models.ForeignKey(
        "self", models.SET_NULL, verbose_name=_("caused by"), null=True, blank=True, related_name="children"
    )
    # Of a child: the backfills of its family whose run for a date must succeed before its own for that date starts.
    waits_for = ArrayField(models.BigIntegerField(), verbose_name=_("waits for"), default=list, blank=True)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, verbose_name=_("created by"), null=True, blank=True, related_name="+"
    )
    message = models.TextField(
        _("message"), blank=True, default="", db_default="", help_text=_("What keeps it from going on.")
    )
    created_at = models.DateTimeField(_("created at"), db_default=Now())
    ended_at = models.DateTimeField(_("ended at"), null=True, blank=True)

    class Meta:
        verbose_name = _("backfill")
        verbose_name_plural = _("backfills")
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(condition=Q(end__gte=F("start")), name="backfill_range"),
            models.CheckConstraint(condition=Q(concurrency__gte=1), name="backfill_concurrency"),
            models.CheckConstraint(
                condition=Q(state__in=["done", "cancelled"], ended_at__isnull=False)
                | Q(state__in=["running", "paused"], ended_at__isnull=True),
                name="backfill_ended_iff_over",
            ),
        ]

    def __str__(self) -> str:
        return f"backfill {self.pk}"


class BackfillDate(models.Model):
    """One date of a backfill, and the run that stands for it.

    How it ended is the state of that run; `state` keeps it when the run has been deleted.
    """

    STATES = words.choices(("waiting", "started", "success", "failed", "cancelled", "refused", "skipped"))

    backfill = models.ForeignKey(Backfill, models.CASCADE, verbose_name=_("backfill"), related_name="dates")
    logical_date = models.DateTimeField(_("logical date"))
    interval_start = models.DateTimeField(_("start of data interval"), null=True, blank=True)
    state = models.CharField(_("state"), max_length=16, choices=STATES, default="waiting", db_default="waiting")
    run = models.ForeignKey(DagRun, models.SET_NULL, verbose_name=_("run"), null=True, blank=True, related_name="+")
    message = models.TextField(_("message"), blank=True, default="", db_default="")

    class Meta:
        verbose_name = _("backfill date")
        verbose_name_plural = _("backfill dates")
        ordering = ["backfill", "logical_date"]
        constraints = [models.UniqueConstraint(fields=["backfill", "logical_date"], name="backfill_date_once")]
        indexes = [
            models.Index(
                fields=["backfill", "logical_date"],
                condition=Q(state__in=["waiting", "started"]),
                name="backfill_date_open",
            )
        ]

    def __str__(self) -> str:
        return f"{self.backfill}: {self.logical_date:%Y-%m-%d %H:%M}"
