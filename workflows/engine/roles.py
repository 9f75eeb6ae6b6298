"""The groups that are usual: what viewers, operators, authors and administrators of Celeriac may do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from django.apps import apps
from django.contrib.auth.management import create_permissions
from django.contrib.auth.models import Group, Permission
from django.db import transaction

_OPERATE = (
    *("add_dagrun", "change_dagrun", "change_dag", "change_callback"),
    *("add_backfill", "change_backfill", "change_nodepool"),
)
_WRITE = (
    *("add_dagversion", "add_dagtemplate", "change_dagtemplate", "delete_dagtemplate"),
    *("delete_dag", "delete_dagrun"),
)
_ADMINISTER = ("add_nodepool", "delete_nodepool")

# Each role may what the one before it may, and this: model permissions of our app. All may view everything of it.
ROLES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "Celeriac viewers": (),
        "Celeriac operators": _OPERATE,
        "Celeriac authors": (*_OPERATE, *_WRITE),
        "Celeriac administrators": (*_OPERATE, *_WRITE, *_ADMINISTER),
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Role:
    """A group as it is now: whether it is new, and which permissions it was given."""

    name: str
    new: bool
    given: int


@transaction.atomic
def make(*, reset: bool = False) -> list[Role]:
    """Make the groups that are missing; with `reset`, give those that are there exactly their permissions again."""
    create_permissions(apps.get_app_config("workflows"), verbosity=0)  # before the first migrate has come to its end
    views = Permission.objects.filter(content_type__app_label="workflows", codename__startswith="view_")
    found = []
    for name, extra in ROLES.items():
        group, new = Group.objects.get_or_create(name=name)
        if new or reset:
            more = Permission.objects.filter(content_type__app_label="workflows", codename__in=extra)
            group.permissions.set([*views, *more])
        found.append(Role(name=name, new=new, given=group.permissions.count() if new or reset else 0))
    return found
