"""What to run: DAGs and their immutable versions."""

from __future__ import annotations

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.utils.translation import gettext_lazy as _


class DagQuerySet(models.QuerySet["Dag"]):
    """Sets of DAGs."""

    def live(self) -> DagQuerySet:
        """Without the deleted ones."""
        return self.filter(deleted_at__isnull=True)


class Dag(models.Model):
    """A workflow: a name, a pause switch, and the version that new runs use."""

    dag_id = models.CharField(_("DAG id"), max_length=200, unique=True)
    name = models.CharField(_("name"), max_length=250, blank=True)
    description = models.TextField(_("description"), blank=True)
    owner = models.CharField(_("owner"), max_length=200, blank=True)
    tags = ArrayField(models.CharField(max_length=100), verbose_name=_("tags"), default=list, blank=True)
    current_version = models.ForeignKey(
        "DagVersion",
        models.PROTECT,
        verbose_name=_("current version"),
        null=True,
        blank=True,
        related_name="+",
    )
    paused_at = models.DateTimeField(_("paused at"), null=True, blank=True)
    template = models.ForeignKey(
        "DagTemplate",
        models.SET_NULL,
        verbose_name=_("template"),
        null=True,
        blank=True,
        related_name="dags",
    )
    template_values = models.JSONField(_("template values"), null=True, blank=True)
    hook_nonce = models.CharField(
        _("hook nonce"),
        max_length=64,
        blank=True,
        default="",
        db_default="",
        help_text=_("What the secret of its webhook is made from; empty when runs cannot be started by webhook."),
    )
    created_at = models.DateTimeField(_("created at"), auto_now_add=True)
    updated_at = models.DateTimeField(_("updated at"), auto_now=True)
    deleted_at = models.DateTimeField(_("deleted at"), null=True, blank=True)

    objects = DagQuerySet.as_manager()

    class Meta:
        verbose_name = _("DAG")
        verbose_name_plural = _("DAGs")
        ordering = ["dag_id"]

    def __str__(self) -> str:
        return self.dag_id


class DagVersion(models.Model):
    """One immutable state of a DAG's document, with the plan compiled from it.

    A trigger in the database refuses changes; the same content is the same version (unique by hash).
    """

    dag = models.ForeignKey(Dag, models.CASCADE, verbose_name=_("DAG"), related_name="versions")
    number = models.PositiveIntegerField(_("number"))
    content_hash = models.CharField(_("content hash"), max_length=80)
    document = models.JSONField(_("document"))
    source = models.TextField(_("source text"), help_text=_("The text as it was given, byte for byte."))
    source_format = models.CharField(_("source format"), max_length=4, choices=[("yaml", "YAML"), ("json", "JSON")])
    plan = models.JSONField(_("plan"))
    task_count = models.PositiveIntegerField(_("tasks"))
    layout = models.JSONField(
        _("layout"),
        null=True,
        blank=True,
        help_text=_("Where the designer shows each task: {task: [x, y]}. Not part of the content."),
    )
    note = models.CharField(_("note"), max_length=500, blank=True)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.SET_NULL,
        verbose_name=_("created by"),
        null=True,
        blank=True,
        related_name="+",
    )
    created_at = models.DateTimeField(_("created at"), auto_now_add=True)

    class Meta:
        verbose_name = _("DAG version")
        verbose_name_plural = _("DAG versions")
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(fields=["dag", "number"], name="dagversion_number"),
            models.UniqueConstraint(fields=["dag", "content_hash"], name="dagversion_content"),
        ]

    def __str__(self) -> str:
        return f"{self.dag} v{self.number}"


class DagTemplate(models.Model):
    """A document with parameters of its own, from which DAGs are generated."""

    name = models.SlugField(_("name"), max_length=100, unique=True)
    title = models.CharField(_("title"), max_length=250, blank=True)
    description = models.TextField(_("description"), blank=True)
    document = models.JSONField(_("document"))
    source = models.TextField(_("source text"), help_text=_("The text as it was given, byte for byte."))
    source_format = models.CharField(_("source format"), max_length=4, choices=[("yaml", "YAML"), ("json", "JSON")])
    content_hash = models.CharField(_("content hash"), max_length=80)
    created_at = models.DateTimeField(_("created at"), auto_now_add=True)
    updated_at = models.DateTimeField(_("updated at"), auto_now=True)

    class Meta:
        verbose_name = _("DAG template")
        verbose_name_plural = _("DAG templates")
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name
