"""Pools, which people edit; nodes and the broker's marks, which they read."""

from __future__ import annotations

from django.contrib import admin
from django.http import HttpRequest
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from workflows.admin import filters, show
from workflows.admin.bases import ReadOnlyAdmin, SkinnedAdmin, link_to_list, moment
from workflows.conf import conf
from workflows.models import BrokerMark, Node, NodePool

DEFAULT_POOL = "default"


@admin.register(NodePool)
class NodePoolAdmin(SkinnedAdmin[NodePool]):
    """Pools. A name is chosen once: documents and queues refer to it."""

    list_display = ("name", "description", "queue", moment("created_at", _("created")))
    search_fields = ("name", "description")
    date_hierarchy = "created_at"
    readonly_fields = ("queue", "created_at")
    fields = ("name", "description", "queue", "created_at")

    @admin.display(description=_("queue"))
    def queue(self, pool: NodePool) -> str:
        return str(conf.queue_of(pool.name)) if pool.name else ""

    def get_readonly_fields(self, request: HttpRequest, obj: NodePool | None = None) -> tuple[str, ...]:
        return ("name", *self.readonly_fields) if obj else self.readonly_fields

    def has_delete_permission(self, request: HttpRequest, obj: NodePool | None = None) -> bool:
        """The default pool stays: tasks that name no pool need it."""
        kept = obj is not None and obj.name == DEFAULT_POOL
        return not kept and super().has_delete_permission(request, obj)


@admin.register(Node)
class NodeAdmin(ReadOnlyAdmin[Node]):
    """Worker nodes as they last reported themselves."""

    list_display = (
        "name",
        "state",
        "load",
        "queue_names",
        "hostname",
        "pid",
        moment("heartbeat_at", _("last heartbeat")),
        moment("started_at", _("started")),
    )
    list_filter = (filters.AliveFilter, "hostname")
    search_fields = ("name", "hostname")
    ordering = ("stopped_at", "name")
    fields = (
        "name",
        "state",
        "load",
        "queue_names",
        "hostname",
        "pid",
        "software",
        "started_at",
        "heartbeat_at",
        "stopped_at",
        "took_at",
        "stalled_at",
        "attempts",
    )

    @admin.display(description=_("state"))
    def state(self, node: Node) -> SafeString:
        return show.badge(show.node_state(node))

    @admin.display(description=_("running / places"), ordering="running")
    def load(self, node: Node) -> str:
        return f"{node.running} / {node.concurrency}"

    @admin.display(description=_("queues"))
    def queue_names(self, node: Node) -> str:
        return ", ".join(node.queues)

    @admin.display(description=_("what it ran"))
    def attempts(self, node: Node) -> SafeString:
        return link_to_list("taskattempt", _("attempts on this node"), node__exact=node.name)


@admin.register(BrokerMark)
class BrokerMarkAdmin(ReadOnlyAdmin[BrokerMark]):
    """What the reconciler last knew of the broker."""

    list_display = ("name", "value", moment("at", _("at")))
    search_fields = ("name", "value")
    list_filter = ("at",)
    ordering = ("name",)
