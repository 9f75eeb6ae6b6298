"""Template tags of the skin: icons, the sidebar, the filters that are set."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django import template
from django.http import HttpRequest

from orchestrator import navigation
from workflows.admin import show

if TYPE_CHECKING:
    from django.contrib.admin.views.main import ChangeList

register = template.Library()


@dataclass(frozen=True, slots=True, kw_only=True)
class ChosenFilter:
    """One filter of a list that is set: what it says, and the address of the list without it."""

    title: str
    value: str
    without: str


register.simple_tag(show.icon, name="icon")


@register.simple_tag
def sections(apps: list[Any] | None, request: HttpRequest | None) -> list[navigation.Section]:
    """The sidebar's groups, of what the user may see."""
    return navigation.sections(apps or [], request.path if request is not None else "")


@register.simple_tag
def chosen_filters(cl: ChangeList) -> list[ChosenFilter]:
    """The filters that are set: those in which something else than the first choice, "all", is chosen."""
    found = []
    for spec in cl.filter_specs:
        first, *others = list(spec.choices(cl)) or [{}]
        title = str(getattr(spec, "title", ""))
        found += [
            ChosenFilter(title=title, value=str(choice["display"]), without=str(first.get("query_string", "?")))
            for choice in others
            if choice.get("selected")
        ]
    return found
