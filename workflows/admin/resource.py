"""Pools, which people edit; nodes and the broker's marks, which they read."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.forms import ModelForm
from django.http import HttpRequest
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from workflows.admin import filters, show
from workflows.admin.bases import ReadOnlyAdmin, SkinnedAdmin, link_to_list, moment
from workflows.conf import conf
from workflows.engine import pools
from workflows.engine.pools import Load
from workflows.models import BrokerMark, Node, NodePool

if TYPE_CHECKING:
    from django.utils.functional import _StrPromise

DEFAULT_POOL = "default"


def _column(
    title: _StrPromise, value: Callable[[NodePool, Load], object], loads: Callable[[], dict[str, Load]]
) -> Callable[[NodePool], object]:
    @admin.display(description=title)
    def shown(pool: NodePool) -> object:
        return value(pool, pools.load_of(pool.name, loads()))

    return shown


@admin.register(NodePool)
class NodePoolAdmin(SkinnedAdmin[NodePool]):
    """Pools. A name is chosen once: documents and queues refer to it."""

    search_fields = ("name", "description")
    date_hierarchy = "created_at"
    readonly_fields = ("queue", "load", "created_at")
    fields = ("name", "description", "slots", "queue", "load", "created_at")

    def get_list_display(self, request: HttpRequest) -> tuple[str | Callable[[Any], Any], ...]:
        """With what each queue has now, asked once for the page."""
        loads = cache(pools.loads)
        return (
            *("name", "description", "queue", "slots"),
            _column(_("slots in use"), lambda pool, load: "" if pool.slots is None else load.used, loads),
            _column(_("running"), lambda pool, load: load.running, loads),
            _column(_("queued"), lambda pool, load: load.queued, loads),
            _column(_("waiting for room"), lambda pool, load: load.waiting, loads),
            moment("created_at", _("created")),
        )

    def save_model(self, request: HttpRequest, obj: NodePool, form: ModelForm[NodePool], change: bool) -> None:
        """Save; the limit through the engine, so that what runs counts and what waits is let go."""
        slots = obj.slots
        if change:
            obj.save(update_fields=["description"])
        else:
            obj.slots = None
            obj.save()
            obj.slots = slots
        if "slots" in form.changed_data:
            pools.limit(obj.name, slots)

    @admin.display(description=_("queue"))
    def queue(self, pool: NodePool) -> str:
        return str(conf.queue_of(pool.name)) if pool.name else ""

    @admin.display(description=_("now"))
    def load(self, pool: NodePool) -> str:
        if not pool.name:
            return ""
        load = pools.load_of(pool.name, pools.loads())
        told = _("{running} running, {queued} queued, {waiting} waiting for room").format(
            running=load.running, queued=load.queued, waiting=load.waiting
        )
        if pool.slots is None:
            return told
        return _("{used} of {slots} slots in use").format(used=load.used, slots=pool.slots) + "; " + told

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
