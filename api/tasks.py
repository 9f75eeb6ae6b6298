"""The task executions of a run, and their attempts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import django_filters
from django.db.models import Count, QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from api.base import Resource
from api.fields import MAX_INT, Query, Record
from api.filters import WholeNumberFilter
from api.pagination import TaskKeyset
from workflows.core.errors import UnknownRun, UnknownTask
from workflows.core.plan import Plan, PlannedTask
from workflows.core.states import TaskState
from workflows.engine import plans
from workflows.models import DagRun, TaskAttempt, TaskExecution

_STATES = [(state.value, state.value) for state in TaskState]


class TaskFilters(django_filters.FilterSet):  # type: ignore[misc]
    """What the tasks of a run can be narrowed to."""

    state = django_filters.MultipleChoiceFilter(choices=_STATES, label="Repeat it for several")
    task = django_filters.CharFilter(field_name="task_id", label="Id of the task")
    map_index = WholeNumberFilter(field_name="map_index", label="-1: tasks without the items of mapped ones")
    held = django_filters.BooleanFilter(field_name="held", label="Waits until a limit has room")

    class Meta:
        model = TaskExecution
        fields: ClassVar[list[str]] = []


class TaskSerializer(Record[TaskExecution]):
    """A task execution, without its output. Needs the run's plan as context."""

    name = serializers.SerializerMethodField()
    type = serializers.SerializerMethodField()
    pool = serializers.SerializerMethodField()
    upstream = serializers.SerializerMethodField()

    class Meta:
        model = TaskExecution
        fields: tuple[str, ...] = (
            "id",
            "run_id",
            "task_id",
            "map_index",
            "item",
            "name",
            "type",
            "state",
            "reason",
            "message",
            "waiting_on",
            "upstream",
            "attempt",
            "failures",
            "losses",
            "pool",
            "queue",
            "slots",
            "gated",
            "held",
            "priority",
            "node",
            "timeout",
            "queued_at",
            "started_at",
            "ended_at",
            "next_attempt_at",
            "wake_at",
        )
        read_only_fields = fields

    def _planned(self, task: TaskExecution) -> PlannedTask:
        plan: Plan = self.context["plan"]
        return plan.tasks[task.position]

    def get_name(self, task: TaskExecution) -> str:
        """What people call it."""
        return self._planned(task).name

    def get_type(self, task: TaskExecution) -> str:
        """The task type."""
        return self._planned(task).type

    def get_pool(self, task: TaskExecution) -> str:
        """The node pool."""
        return self._planned(task).pool

    def get_upstream(self, task: TaskExecution) -> list[str]:
        """Ids of its direct upstreams."""
        plan: Plan = self.context["plan"]
        return [plan.tasks[position].id for position in self._planned(task).upstream]


class TaskDetailSerializer(TaskSerializer):
    """A task execution with its output; a mapped one with how its items stand."""

    item_counts = serializers.SerializerMethodField()

    class Meta(TaskSerializer.Meta):
        fields = (*TaskSerializer.Meta.fields, "output", "item_counts")
        read_only_fields = fields

    def get_item_counts(self, task: TaskExecution) -> dict[str, int] | None:
        """Of a mapped task: its items by state, without those that are in none. Null for other tasks and for items."""
        if task.map_index >= 0 or self._planned(task).foreach is None:
            return None
        items = TaskExecution.objects.filter(run_id=task.run_id, position=task.position, map_index__gte=0)
        return dict(items.order_by().values_list("state").annotate(Count("pk")))


class AttemptSerializer(Record[TaskAttempt]):
    """One try of a task execution."""

    class Meta:
        model = TaskAttempt
        fields = ("number", "node", "started_at", "ended_at", "end", "reason", "message")
        read_only_fields = fields


class TaskQuery(Query):
    """Which execution of a task."""

    map_index = serializers.IntegerField(
        required=False,
        default=-1,
        min_value=-1,
        max_value=MAX_INT,
        help_text="-1 for a task that is not mapped.",
    )


class AttemptsSerializer(serializers.Serializer[Any]):
    """Every try of a task execution, in order: there are few, so that they come on one page."""

    results = AttemptSerializer(many=True)


class TaskResource(Resource[TaskExecution]):
    """Tasks by their id within the run."""

    needs: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "list": ("workflows.view_taskexecution",),
        "retrieve": ("workflows.view_taskexecution",),
        "attempts": ("workflows.view_taskattempt",),
    }
    queryset = TaskExecution.objects.all()
    serializer_class = TaskSerializer
    pagination_class = TaskKeyset
    filterset_class = TaskFilters

    def get_serializer_context(self) -> dict[str, Any]:
        """With the plan, which knows what the rows do not repeat."""
        return {**super().get_serializer_context(), "plan": getattr(self, "plan", None)}

    def list(self, request: Request, run_id: int) -> Response:
        """The tasks of a run, in the order of the plan, without their outputs."""
        self.plan = plan_of(run_id)
        return self.page(TaskExecution.objects.filter(run_id=run_id).defer("output"))

    @extend_schema(parameters=[TaskQuery], responses=TaskDetailSerializer)
    def retrieve(self, request: Request, run_id: int, task_id: str) -> Response:
        """One task execution with its output."""
        found = execution(run_id, task_id, TaskQuery.of(request)["map_index"])
        return Response(TaskDetailSerializer(found, context={"plan": plan_of(run_id)}).data)

    @extend_schema(
        operation_id="runs_tasks_attempts",
        parameters=[TaskQuery],
        responses=AttemptsSerializer,
        filters=False,
    )
    def attempts(self, request: Request, run_id: int, task_id: str) -> Response:
        """Every try of a task execution."""
        found = execution(run_id, task_id, TaskQuery.of(request)["map_index"], "output")
        rows: QuerySet[TaskAttempt] = TaskAttempt.objects.filter(task_execution_id=found.pk).order_by("number")
        return Response({"results": AttemptSerializer(rows, many=True).data})


def plan_of(run_id: int) -> Plan:
    """The plan of a run. Raises UnknownRun."""
    version_id = DagRun.objects.filter(pk=run_id).values_list("version_id", flat=True).first()
    if version_id is None:
        raise UnknownRun(run_id=run_id)
    return plans.plan_of(version_id)


def execution(run_id: int, task_id: str, map_index: int, *without: str) -> TaskExecution:
    """One task execution of a run. Raises UnknownRun, UnknownTask."""
    rows = TaskExecution.objects.filter(run_id=run_id, task_id=task_id, map_index=map_index)
    found = rows.defer(*without).first()
    if found is not None:
        return found
    if not DagRun.objects.filter(pk=run_id).exists():
        raise UnknownRun(run_id=run_id)
    raise UnknownTask(run_id=run_id, task_id=task_id)
