"""Approvals: what people are asked, and their answers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import django_filters
from django.contrib.auth.models import AbstractUser
from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from api.base import Resource, user_of
from api.fields import Record, UtcDateTimeField, values_of
from api.pagination import Keyset
from workflows.core.errors import UnknownApproval
from workflows.core.states import TaskState
from workflows.engine import approvals
from workflows.models import Approval

SEE_ALL = "workflows.view_approval"


class ApprovalFilters(django_filters.FilterSet):  # type: ignore[misc]
    """What a list of approvals can be narrowed to."""

    open = django_filters.BooleanFilter(method="that_are_open", label="Can be answered now")
    mine = django_filters.BooleanFilter(method="for_me", label="Open, and you may answer it")
    dag = django_filters.CharFilter(field_name="task_execution__run__dag__dag_id", label="Id of the DAG")
    run = django_filters.NumberFilter(field_name="task_execution__run_id", label="Number of the run")

    class Meta:
        model = Approval
        fields: ClassVar[list[str]] = []

    def that_are_open(self, rows: QuerySet[Approval], name: str, value: bool) -> QuerySet[Approval]:
        """Open ones, or all others."""
        now = Approval.objects.open().values("pk")
        return rows.filter(pk__in=now) if value else rows.exclude(pk__in=now)

    def for_me(self, rows: QuerySet[Approval], name: str, value: bool) -> QuerySet[Approval]:
        """Those that the user may answer, or all others."""
        mine = approvals.open_to(self.request.user).values("pk")
        return rows.filter(pk__in=mine) if value else rows.exclude(pk__in=mine)


class ApprovalSerializer(Record[Approval]):
    """An approval with its place."""

    dag_id = serializers.CharField(source="task_execution.run.dag.dag_id", read_only=True)
    run_id = serializers.IntegerField(source="task_execution.run_id", read_only=True)
    task_id = serializers.CharField(source="task_execution.task_id", read_only=True)
    map_index = serializers.IntegerField(source="task_execution.map_index", read_only=True)
    answered_by = serializers.CharField(source="answered_by.username", default=None, read_only=True)
    open = serializers.SerializerMethodField()
    expires_at = serializers.SerializerMethodField()

    class Meta:
        model = Approval
        fields: tuple[str, ...] = (
            "id",
            "dag_id",
            "run_id",
            "task_id",
            "map_index",
            "attempt",
            "prompt",
            "users",
            "groups",
            "on_timeout",
            "on_reject",
            "open",
            "created_at",
            "expires_at",
            "approved",
            "answered_by",
            "answered_at",
            "comment",
            "closed_at",
        )
        read_only_fields = fields

    def get_open(self, approval: Approval) -> bool:
        """Whether it can be answered now."""
        task = approval.task_execution
        waits = task.state == TaskState.DEFERRED and task.attempt == approval.attempt
        return waits and approval.closed_at is None

    def get_expires_at(self, approval: Approval) -> str | None:
        """When the task's timeout ends the waiting."""
        at = approval.task_execution.wake_at if self.get_open(approval) else None
        return UtcDateTimeField().to_representation(at) if at else None


class AnswerSerializer(serializers.Serializer[Any]):
    """Yes or no, and what there is to say."""

    approved = serializers.BooleanField()
    comment = serializers.CharField(required=False, default="", allow_blank=True, max_length=10_000)


class ApprovalResource(Resource[Approval]):
    """Approvals by their number. Whoever is asked sees the question, without any further permission."""

    needs: ClassVar[Mapping[str, tuple[str, ...]]] = {"list": (), "retrieve": (), "answer": ()}
    queryset = Approval.objects.all()
    serializer_class = ApprovalSerializer
    pagination_class = Keyset
    filterset_class = ApprovalFilters

    def list(self, request: Request) -> Response:
        """Approvals, newest first: all with `workflows.view_approval`, else the open ones that you may answer."""
        return self.page(seen_by(person(request)))

    def retrieve(self, request: Request, approval_id: int) -> Response:
        """One approval."""
        return Response(ApprovalSerializer(one(seen_by(person(request)), approval_id)).data)

    @extend_schema(operation_id="approvals_answer", request=AnswerSerializer, responses=ApprovalSerializer)
    def answer(self, request: Request, approval_id: int) -> Response:
        """Answer it. The first answer counts; a later one is told so (409)."""
        given = values_of(AnswerSerializer, request)
        approvals.answer(approval_id, person(request), approved=given["approved"], comment=given["comment"])
        return Response(ApprovalSerializer(one(with_place(Approval.objects.all()), approval_id)).data)


def person(request: Request) -> AbstractUser:
    """The logged-in user, who has permissions and groups."""
    user: Any = user_of(request)
    found: AbstractUser = user
    return found


def seen_by(user: AbstractUser) -> QuerySet[Approval]:
    """The approvals that a user may see."""
    rows = Approval.objects.all() if user.has_perm(SEE_ALL) else approvals.open_to(user)
    return with_place(rows)


def with_place(rows: QuerySet[Approval]) -> QuerySet[Approval]:
    """The same, in one query with task, run and DAG, without what may be large in them."""
    related = rows.select_related("task_execution__run__dag", "answered_by")
    return related.defer("task_execution__output", "task_execution__run__params")


def one(rows: QuerySet[Approval], approval_id: int) -> Approval:
    """One of them. Raises UnknownApproval."""
    found = rows.filter(pk=approval_id).first()
    if found is None:
        raise UnknownApproval(approval_id=approval_id)
    return found
