"""The sidebar of our own site: what one opens every day first, what one looks up below, the rest folded away."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from django.utils.functional import Promise
from django.utils.text import capfirst
from django.utils.translation import gettext_lazy as _

from workflows.conf import conf

OURS = "workflows"


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One line: a table of the admin."""

    title: str
    url: str
    icon: str
    current: bool = False
    outside: bool = False  # it leads to another program


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A group of lines; `folded` ones open when one asks, or when one of their pages is shown."""

    title: str
    items: tuple[Item, ...]
    folded: bool

    @property
    def open(self) -> bool:
        """Whether its lines are to be seen."""
        return not self.folded or any(item.current for item in self.items)


# Title, whether it is folded, and its tables with their icons, in the order of their use.
_GROUPS: tuple[tuple[Promise, bool, Mapping[str, str]], ...] = (
    (
        _("Workflows"),
        False,
        MappingProxyType(
            {
                "Dag": "dag",
                "DagRun": "run",
                "Schedule": "clock",
                "Approval": "approval",
                "Backfill": "backfill",
                "DagTemplate": "template",
            }
        ),
    ),
    (_("Resources"), False, MappingProxyType({"NodePool": "pool", "Node": "node"})),
    (
        _("Look closer"),
        True,
        MappingProxyType(
            {
                "DagVersion": "version",
                "TaskExecution": "task",
                "TaskAttempt": "attempt",
                "Event": "event",
                "LogChunk": "log",
                "Callback": "callback",
                "BackfillDate": "backfill",
                "BrokerMark": "mark",
                "EventCursor": "mark",
            }
        ),
    ),
)
_OTHERS = MappingProxyType({"auth": "people", "authtoken": "people", "django_celery_beat": "clock"})


def order() -> list[str]:
    """The names of our tables, in the order of the sidebar."""
    return [name for _title, _folded, tables in _GROUPS for name in tables]


def sections(apps: list[Any], path: str) -> list[Section]:
    """The groups with a line in them, of `AdminSite.get_app_list`, which holds what the user may see; and Flower."""
    ours = {model["object_name"]: model for app in apps if app["app_label"] == OURS for model in app["models"]}
    groups = [
        Section(title=str(title), folded=folded, items=tuple(_items(ours, tables, path)))
        for title, folded, tables in _GROUPS
    ]
    known = set(order())
    rest = [_item(model, "mark", path) for name, model in ours.items() if name not in known]
    rest += [
        _item(model, _OTHERS.get(app["app_label"], "settings"), path)
        for app in apps
        if app["app_label"] != OURS
        for model in app["models"]
        if model["admin_url"]
    ]
    groups.append(Section(title=str(_("Administration")), folded=True, items=tuple(rest)))
    return [group for group in groups if group.items]


def _items(ours: Mapping[str, Any], tables: Mapping[str, str], path: str) -> Iterator[Item]:
    for name, icon in tables.items():
        if name in ours and ours[name]["admin_url"]:
            yield _item(ours[name], icon, path)
            if name == "Node" and conf.FLOWER_URL:
                yield Item(title=str(_("Flower")), url=conf.FLOWER_URL, icon="out", outside=True)


def _item(model: Any, icon: str, path: str) -> Item:
    url = str(model["admin_url"])
    return Item(title=capfirst(str(model["name"])), url=url, icon=icon, current=path.startswith(url))
