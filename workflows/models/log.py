"""What tasks wrote."""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from workflows.models import words


class LogChunk(models.Model):
    """A piece of one attempt's log. Chunks of an attempt are ordered by `seq`; a cap keeps head and tail."""

    STREAMS = words.choices(("stdout", "stderr", "log", "system"))

    task_execution_id = models.BigIntegerField(_("task execution"))
    attempt = models.IntegerField(_("attempt"))
    seq = models.IntegerField(_("sequence"))
    stream = models.CharField(_("stream"), max_length=8, choices=STREAMS)
    text = models.TextField(_("text"))
    at = models.DateTimeField(_("at"), db_default=Now())

    class Meta:
        verbose_name = _("log chunk")
        verbose_name_plural = _("log chunks")
        ordering = ["task_execution_id", "attempt", "seq"]
        constraints = [
            models.UniqueConstraint(fields=["task_execution_id", "attempt", "seq"], name="logchunk_place"),
        ]

    def __str__(self) -> str:
        return f"{self.stream} {self.seq}"
