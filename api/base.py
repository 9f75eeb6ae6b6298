"""The base of every view: a table of needed permissions, and no method that is not asked for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, TypeVar

from django.contrib.auth.models import AbstractBaseUser
from django.db.models import Model, QuerySet
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from api.closed import Closed
from api.filters import StrictFilterBackend

M = TypeVar("M", bound=Model)
# Of a version, what no list reads: megabytes for a large DAG.
HEAVY = ("document", "source", "plan", "layout")


def heavy(prefix: str) -> list[str]:
    """The large columns of the version that `prefix` leads to, for QuerySet.defer()."""
    return [f"{prefix}__{name}" for name in HEAVY]


class Resource(Closed, GenericViewSet[M]):
    """`needs` names the permissions of each action (api.permissions); others are closed."""

    needs: ClassVar[Mapping[str, tuple[str, ...]]] = {}
    filter_backends = (StrictFilterBackend,)

    def page(self, rows: QuerySet[M]) -> Response:
        """One page of the rows that the query parameters ask for."""
        found = self.paginate_queryset(self.filter_queryset(rows))
        assert found is not None, "every list is paginated"
        return self.get_paginated_response(self.get_serializer(found, many=True).data)


def user_of(request: Request) -> AbstractBaseUser:
    """The logged-in user: permissions have been checked before any action runs."""
    user: Any = request.user
    assert isinstance(user, AbstractBaseUser)
    return user
