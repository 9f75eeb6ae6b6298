"""Where work runs: pools and the nodes that registered themselves."""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _


class NodePool(models.Model):
    """A set of workers behind one queue; tasks name it with `pool`."""

    name = models.SlugField(_("name"), max_length=80, unique=True)
    description = models.CharField(_("description"), max_length=500, blank=True)
    slots = models.PositiveIntegerField(
        _("slots"),
        null=True,
        blank=True,
        help_text=_("How many slots its tasks may hold at one time, over all runs; empty for no limit."),
    )
    created_at = models.DateTimeField(_("created at"), db_default=Now())

    class Meta:
        verbose_name = _("node pool")
        verbose_name_plural = _("node pools")
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class Node(models.Model):
    """One worker process (a Celery node name), as it last reported itself."""

    name = models.CharField(_("name"), max_length=200, unique=True)
    hostname = models.CharField(_("host"), max_length=200)
    pid = models.IntegerField(_("process id"))
    queues = ArrayField(models.CharField(max_length=100), verbose_name=_("queues"), default=list)
    concurrency = models.IntegerField(_("concurrency"), default=1)
    software = models.CharField(_("software"), max_length=200, blank=True)
    running = models.IntegerField(_("tasks running"), default=0)
    started_at = models.DateTimeField(_("started at"), db_default=Now())
    heartbeat_at = models.DateTimeField(_("last heartbeat"), db_default=Now())
    stopped_at = models.DateTimeField(_("stopped at"), null=True, blank=True)
    took_at = models.DateTimeField(_("took a task at"), null=True, blank=True)
    stalled_at = models.DateTimeField(
        _("stands still since"), null=True, blank=True, help_text=_("It is alive and takes nothing of what waits.")
    )

    class Meta:
        verbose_name = _("node")
        verbose_name_plural = _("nodes")
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class BrokerMark(models.Model):
    """What the reconciler last knew of the broker: its epoch changes when the broker lost its memory."""

    name = models.CharField(_("name"), max_length=100, primary_key=True)
    value = models.CharField(_("value"), max_length=200)
    at = models.DateTimeField(_("at"), db_default=Now())

    class Meta:
        verbose_name = _("broker mark")
        verbose_name_plural = _("broker marks")

    def __str__(self) -> str:
        return f"{self.name}={self.value}"
