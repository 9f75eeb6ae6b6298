"""What people are asked, and what other systems are told."""

from __future__ import annotations

from urllib.parse import urlsplit

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from workflows.core.states import TaskState
from workflows.models import words
from workflows.models.run import DagRun, TaskExecution


class ApprovalQuerySet(models.QuerySet["Approval"]):
    """Sets of approvals."""

    def open(self) -> ApprovalQuerySet:
        """Those that can be answered now: their task waits for them. What ended the task closed its question too."""
        waiting = Q(task_execution__state=TaskState.DEFERRED, task_execution__attempt=F("attempt"))
        return self.filter(waiting, closed_at__isnull=True)


class Approval(models.Model):
    """A question that a task waits for, until it is closed: answered, timed out, or ended with its run."""

    TIMEOUTS = words.choices(("fail", "skip", "approve"))
    REJECTIONS = words.choices(("fail", "skip"))

    task_execution = models.ForeignKey(
        TaskExecution, models.CASCADE, verbose_name=_("task execution"), related_name="approvals"
    )
    attempt = models.IntegerField(_("attempt"))
    prompt = models.TextField(_("question"), blank=True)
    users = ArrayField(models.CharField(max_length=150), verbose_name=_("users"), default=list, blank=True)
    groups = ArrayField(models.CharField(max_length=150), verbose_name=_("groups"), default=list, blank=True)
    on_timeout = models.CharField(_("on timeout"), max_length=8, choices=TIMEOUTS, default="fail")
    on_reject = models.CharField(_("on rejection"), max_length=8, choices=REJECTIONS, default="fail")
    created_at = models.DateTimeField(_("asked at"), db_default=Now())
    answered_at = models.DateTimeField(_("answered at"), null=True, blank=True)
    answered_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.SET_NULL,
        verbose_name=_("answered by"),
        null=True,
        blank=True,
        related_name="+",
    )
    approved = models.BooleanField(_("approved"), null=True, blank=True)
    comment = models.TextField(_("comment"), blank=True, default="", db_default="")
    closed_at = models.DateTimeField(_("closed at"), null=True, blank=True)

    objects = ApprovalQuerySet.as_manager()

    class Meta:
        verbose_name = _("approval")
        verbose_name_plural = _("approvals")
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(fields=["task_execution", "attempt"], name="approval_of_attempt"),
            models.CheckConstraint(
                condition=Q(answered_at__isnull=True, approved__isnull=True)
                | Q(answered_at__isnull=False, approved__isnull=False),
                name="approval_answered_iff_said",
            ),
            models.CheckConstraint(
                condition=Q(answered_at__isnull=True) | Q(closed_at__isnull=False), name="approval_answered_is_closed"
            ),
        ]
        indexes = [models.Index(fields=["id"], condition=Q(closed_at__isnull=True), name="approval_open")]

    def __str__(self) -> str:
        return f"approval {self.pk}"


class Callback(models.Model):
    """A message that somebody outside is to get because of an event: the outbox of webhooks and e-mails."""

    STATES = words.choices(("pending", "sent", "failed"))

    event_id = models.BigIntegerField(_("event"))
    place = models.SmallIntegerField(_("place"), help_text=_("Which of the DAG's callbacks it is."))
    run = models.ForeignKey(DagRun, models.CASCADE, verbose_name=_("run"), related_name="callbacks")
    task_id = models.CharField(_("task id"), max_length=200, blank=True, default="", db_default="")
    kind = models.CharField(_("kind"), max_length=16)
    target = models.JSONField(_("target"))
    payload = models.JSONField(_("payload"))
    state = models.CharField(_("state"), max_length=8, choices=STATES, default="pending", db_default="pending")
    tries = models.IntegerField(_("tries"), default=0, db_default=0)
    next_try_at = models.DateTimeField(_("next try at"), null=True, blank=True, db_default=Now())
    message = models.TextField(_("message"), blank=True, default="", db_default="")
    created_at = models.DateTimeField(_("created at"), db_default=Now())
    sent_at = models.DateTimeField(_("sent at"), null=True, blank=True)

    class Meta:
        verbose_name = _("callback")
        verbose_name_plural = _("callbacks")
        ordering = ["-id"]
        constraints = [models.UniqueConstraint(fields=["event_id", "place"], name="callback_once")]
        indexes = [models.Index(fields=["next_try_at"], condition=Q(state="pending"), name="callback_due")]

    def __str__(self) -> str:
        return f"callback {self.pk}"

    @property
    def address(self) -> str:
        """Whom it is for. A URL without its query and what stands before the host, which may be secrets."""
        if self.kind == "email":
            return ", ".join(self.target["to"])
        parts = urlsplit(self.target["url"])
        return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


class EventCursor(models.Model):
    """How far a reader of the events has come: every event with a smaller `seq` was dealt with."""

    name = models.CharField(_("name"), max_length=100, primary_key=True)
    seq = models.BigIntegerField(_("sequence"))
    at = models.DateTimeField(_("at"), db_default=Now())

    class Meta:
        verbose_name = _("event cursor")
        verbose_name_plural = _("event cursors")

    def __str__(self) -> str:
        return f"{self.name}={self.seq}"
