"""Surgery on runs: retry what failed, run again from here, mark by hand. Each can be previewed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, ClassVar

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from api.base import Resource, user_of
from api.fields import values_of
from workflows.core.states import RunState, TaskState
from workflows.engine import surgery
from workflows.engine.surgery import Touched
from workflows.models import DagRun

MOST_TASKS = 1000  # listed in an answer; `count` is of all
RUN_AGAIN, MARK = "run_again", "mark"


class PreviewSerializer(serializers.Serializer[Any]):
    """Whether to do it, or only to say what would be touched."""

    preview = serializers.BooleanField(required=False, default=False, help_text="Say it, and change nothing.")


class RunAgainSerializer(PreviewSerializer):
    """How to run again."""

    version = serializers.IntegerField(
        required=False,
        allow_null=True,
        default=None,
        min_value=1,
        max_value=2**31 - 1,
        help_text="Go on with this version of the DAG, of the same tasks and edges; only of a run that is over. "
        "Left out: the run's own.",
    )


class TasksSerializer(serializers.Serializer[Any]):
    """Tasks of a run, by their ids."""

    tasks = serializers.ListField(
        child=serializers.CharField(max_length=200), allow_empty=False, max_length=MOST_TASKS, help_text="Ids of tasks."
    )


class ClearSerializer(TasksSerializer, RunAgainSerializer):
    """From where a run is to run again."""

    downstream = serializers.BooleanField(required=False, default=True, help_text="And all tasks below them.")
    upstream = serializers.BooleanField(required=False, default=False, help_text="And all tasks above them.")


class MarkSerializer(TasksSerializer, PreviewSerializer):
    """Tasks, and how they are to be settled."""

    state = serializers.ChoiceField(choices=[(s.value, s.value) for s in (TaskState.SUCCESS, TaskState.FAILED)])


class TouchedTaskSerializer(serializers.Serializer[Any]):
    """One task execution, as it was before."""

    task_id = serializers.CharField()
    map_index = serializers.IntegerField()
    state = serializers.ChoiceField(choices=[(s.value, s.value) for s in TaskState])
    change = serializers.ChoiceField(choices=[(RUN_AGAIN, RUN_AGAIN), (MARK, MARK)])


class TouchedSerializer(serializers.Serializer[Any]):
    """What a surgery touches, in the order of the plan."""

    run_id = serializers.IntegerField()
    run_state = serializers.ChoiceField(choices=[(s.value, s.value) for s in RunState], help_text="Before it.")
    preview = serializers.BooleanField(help_text="Whether nothing was changed.")
    count = serializers.IntegerField(help_text=f"Of all that is touched; at most {MOST_TASKS} are listed.")
    kept = serializers.IntegerField(help_text="Tasks that stay as they are.")
    version = serializers.IntegerField(
        allow_null=True, help_text="The version that the run is moved to; null when it stays on its own."
    )
    touched = TouchedTaskSerializer(many=True)


class SurgeryResource(Resource[DagRun]):
    """What an operator does to a run that has settled, or to settle it."""

    needs: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "retry": ("workflows.change_dagrun",),
        "clear": ("workflows.change_dagrun",),
        "mark": ("workflows.change_dagrun",),
    }
    queryset = DagRun.objects.none()
    serializer_class = TouchedSerializer

    @extend_schema(operation_id="runs_retry", request=RunAgainSerializer, responses=TouchedSerializer, filters=False)
    def retry(self, request: Request, run_id: int) -> Response:
        """Run again what did not succeed, and what follows from it; of mapped tasks the items that did not."""
        return _answer(request, RunAgainSerializer, lambda **how: surgery.retry_failed(run_id, **how))

    @extend_schema(operation_id="runs_clear", request=ClearSerializer, responses=TouchedSerializer, filters=False)
    def clear(self, request: Request, run_id: int) -> Response:
        """Run tasks again, whatever became of them, with what is below them."""
        return _answer(request, ClearSerializer, lambda tasks, **how: surgery.clear(run_id, tasks, **how))

    @extend_schema(operation_id="runs_mark", request=MarkSerializer, responses=TouchedSerializer, filters=False)
    def mark(self, request: Request, run_id: int) -> Response:
        """Settle tasks by hand. One that runs is killed, and its result refused."""
        return _answer(
            request,
            MarkSerializer,
            lambda tasks, state, **how: surgery.mark(run_id, tasks, TaskState(state), **how),
        )


def _answer(request: Request, body: type[serializers.Serializer[Any]], operate: Callable[..., Touched]) -> Response:
    given = values_of(body, request)
    touched = operate(by=user_of(request).get_username(), **given)
    data = {
        "run_id": touched.run_id,
        "run_state": touched.run_state.value,
        "preview": given["preview"],
        "count": touched.count,
        "kept": touched.kept,
        "version": touched.version,
        "touched": [row for row, _ in zip(_rows(touched), range(MOST_TASKS), strict=False)],
    }
    return Response(TouchedSerializer(data).data)


def _rows(touched: Touched) -> Iterator[dict[str, Any]]:
    for change, found in ((MARK, touched.marks), (RUN_AGAIN, touched.reset)):
        for task_id, state in found.items():
            yield {"task_id": task_id, "map_index": -1, "state": state, "change": change}
    for name, state in touched.items.items():
        task_id, _, index = name.removesuffix("]").rpartition("[")
        yield {"task_id": task_id, "map_index": int(index), "state": state, "change": RUN_AGAIN}
