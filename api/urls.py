"""Every address of the API, under /api/v1/. None ends in a slash; any other is a 404 for those logged in."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, include, path, re_path, register_converter
from django.urls.converters import IntConverter, StringConverter

from api.approvals import ApprovalResource
from api.backfills import BackfillDateResource, BackfillResource
from api.callbacks import CallbackResource
from api.dags import DagResource
from api.differences import DifferenceResource
from api.documents import DocumentResource
from api.events import EventResource
from api.explain import ExplainResource
from api.hooks import HookResource, HookSecretResource
from api.inputs import InputsResource
from api.layouts import LayoutResource
from api.log_lines import LogSearch
from api.logs import LogDownload, LogResource
from api.metrics import MetricsResource
from api.nodes import NodeResource
from api.pictures import PictureResource
from api.pools import PoolResource
from api.runs import RunResource
from api.schedules import ScheduleResource
from api.schema import NowhereResource, SchemaView
from api.surgery import SurgeryResource
from api.task_types import TaskTypeResource
from api.tasks import TaskResource
from api.templates import TemplateResource
from api.versions import ExportResource, VersionResource

app_name = "api"


class DagIdConverter(StringConverter):
    """The id of a DAG, as documents may have it."""

    regex = r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,199}"


class TaskIdConverter(StringConverter):
    """The id of a task, as documents may have it."""

    regex = r"[A-Za-z_][A-Za-z0-9_.-]{0,199}"


class NameConverter(StringConverter):
    """The name of a pool, a node or a task type."""

    regex = r"[A-Za-z0-9_@.-]{1,200}"


class RowIdConverter(IntConverter):
    """A row's id, within PostgreSQL's bigint."""

    regex = r"[0-9]{1,18}"


class NumberConverter(IntConverter):
    """A version's number, within PostgreSQL's integer."""

    regex = r"[0-9]{1,9}"


register_converter(DagIdConverter, "dag_id")
register_converter(TaskIdConverter, "task_id")
register_converter(NameConverter, "name")
register_converter(RowIdConverter, "row_id")
register_converter(NumberConverter, "number")

_NOWHERE = NowhereResource.as_view(
    dict.fromkeys(("get", "post", "put", "patch", "delete", "options", "trace"), "nowhere")
)

v1: list[URLPattern | URLResolver] = [
    path("backfills", BackfillResource.as_view({"get": "list", "post": "create"}), name="backfills"),
    path("backfills/preview", BackfillResource.as_view({"post": "preview"}), name="backfills-preview"),
    path("backfills/<row_id:backfill_id>", BackfillResource.as_view({"get": "retrieve"}), name="backfill"),
    *(
        path(
            f"backfills/<row_id:backfill_id>/{verb}",
            BackfillResource.as_view({"post": verb}),
            name=f"backfill-{verb}",
        )
        for verb in ("pause", "resume", "cancel", "retry")
    ),
    path("backfills/<row_id:backfill_id>/dates", BackfillDateResource.as_view({"get": "list"}), name="backfill-dates"),
    path("dags", DagResource.as_view({"get": "list", "post": "create"}), name="dags"),
    path(
        "dags/<dag_id:dag_id>",
        DagResource.as_view({"get": "retrieve", "patch": "partial_update", "delete": "destroy"}),
        name="dag",
    ),
    path("dags/<dag_id:dag_id>/pause", DagResource.as_view({"post": "pause"}), name="dag-pause"),
    path("dags/<dag_id:dag_id>/resume", DagResource.as_view({"post": "resume"}), name="dag-resume"),
    path("dags/<dag_id:dag_id>/deletion", DagResource.as_view({"get": "deletion"}), name="dag-deletion"),
    path("dags/<dag_id:dag_id>/restore", DagResource.as_view({"post": "restore"}), name="dag-restore"),
    path("dags/<dag_id:dag_id>/runs", RunResource.as_view({"post": "trigger"}), name="dag-runs"),
    path("dags/<dag_id:dag_id>/schedule", ScheduleResource.as_view({"get": "retrieve"}), name="dag-schedule"),
    path(
        "dags/<dag_id:dag_id>/hook",
        HookSecretResource.as_view({"post": "open", "delete": "close"}),
        name="dag-hook",
    ),
    path("hooks/<dag_id:dag_id>", HookResource.as_view({"post": "receive"}), name="hook"),
    path("schedules/preview", ScheduleResource.as_view({"post": "preview"}), name="schedules-preview"),
    path("dags/<dag_id:dag_id>/versions", VersionResource.as_view({"get": "list"}), name="versions"),
    path(
        "dags/<dag_id:dag_id>/versions/<number:number>",
        VersionResource.as_view({"get": "retrieve"}),
        name="version",
    ),
    path(
        "dags/<dag_id:dag_id>/versions/<number:number>/document",
        ExportResource.as_view({"get": "document"}),
        name="version-document",
    ),
    path(
        "dags/<dag_id:dag_id>/versions/<number:number>/explain",
        VersionResource.as_view({"get": "explain"}),
        name="version-explain",
    ),
    path("dags/<dag_id:dag_id>/diff", DifferenceResource.as_view({"get": "compare"}), name="dag-diff"),
    path("dags/<dag_id:dag_id>/grid", PictureResource.as_view({"get": "grid"}), name="dag-grid"),
    path("dags/<dag_id:dag_id>/params-schema", VersionResource.as_view({"get": "params_schema"}), name="params-schema"),
    path(
        "dags/<dag_id:dag_id>/versions/<number:number>/layout",
        LayoutResource.as_view({"get": "retrieve", "put": "update"}),
        name="version-layout",
    ),
    path("documents/convert", DocumentResource.as_view({"post": "convert"}), name="documents-convert"),
    path("documents/validate", DocumentResource.as_view({"post": "validate"}), name="documents-validate"),
    path("documents/explain", DocumentResource.as_view({"post": "explain"}), name="documents-explain"),
    path("documents/schema", DocumentResource.as_view({"get": "json_schema"}), name="documents-schema"),
    path("runs", RunResource.as_view({"get": "list"}), name="runs"),
    path("runs/<row_id:run_id>", RunResource.as_view({"get": "retrieve", "delete": "destroy"}), name="run"),
    path("runs/<row_id:run_id>/deletion", RunResource.as_view({"get": "deletion"}), name="run-deletion"),
    path("runs/<row_id:run_id>/restore", RunResource.as_view({"post": "restore"}), name="run-restore"),
    path("runs/<row_id:run_id>/cancel", RunResource.as_view({"post": "cancel"}), name="run-cancel"),
    path("runs/<row_id:run_id>/pause", RunResource.as_view({"post": "pause"}), name="run-pause"),
    path("runs/<row_id:run_id>/resume", RunResource.as_view({"post": "resume"}), name="run-resume"),
    path("runs/<row_id:run_id>/retry", SurgeryResource.as_view({"post": "retry"}), name="run-retry"),
    path("runs/<row_id:run_id>/clear", SurgeryResource.as_view({"post": "clear"}), name="run-clear"),
    path("runs/<row_id:run_id>/mark", SurgeryResource.as_view({"post": "mark"}), name="run-mark"),
    path("runs/<row_id:run_id>/events", EventResource.as_view({"get": "list"}), name="run-events"),
    path("runs/<row_id:run_id>/snapshot", PictureResource.as_view({"get": "snapshot"}), name="run-snapshot"),
    path("runs/<row_id:run_id>/estimate", PictureResource.as_view({"get": "estimate"}), name="run-estimate"),
    path("runs/<row_id:run_id>/explain", ExplainResource.as_view({"get": "run"}), name="run-explain"),
    path("runs/<row_id:run_id>/tasks", TaskResource.as_view({"get": "list"}), name="tasks"),
    path("runs/<row_id:run_id>/tasks/<task_id:task_id>", TaskResource.as_view({"get": "retrieve"}), name="task"),
    path(
        "runs/<row_id:run_id>/tasks/<task_id:task_id>/attempts",
        TaskResource.as_view({"get": "attempts"}),
        name="task-attempts",
    ),
    path(
        "runs/<row_id:run_id>/tasks/<task_id:task_id>/inputs",
        InputsResource.as_view({"get": "retrieve"}),
        name="task-inputs",
    ),
    path(
        "runs/<row_id:run_id>/tasks/<task_id:task_id>/explain",
        ExplainResource.as_view({"get": "task"}),
        name="task-explain",
    ),
    path(
        "runs/<row_id:run_id>/tasks/<task_id:task_id>/logs",
        LogResource.as_view({"get": "list"}),
        name="task-logs",
    ),
    path(
        "runs/<row_id:run_id>/tasks/<task_id:task_id>/logs/search",
        LogSearch.as_view({"get": "search"}),
        name="task-logs-search",
    ),
    path(
        "runs/<row_id:run_id>/tasks/<task_id:task_id>/logs/download",
        LogDownload.as_view({"get": "download"}),
        name="task-logs-download",
    ),
    path("approvals", ApprovalResource.as_view({"get": "list"}), name="approvals"),
    path("approvals/<row_id:approval_id>", ApprovalResource.as_view({"get": "retrieve"}), name="approval"),
    path("approvals/<row_id:approval_id>/answer", ApprovalResource.as_view({"post": "answer"}), name="approval-answer"),
    path("callbacks", CallbackResource.as_view({"get": "list"}), name="callbacks"),
    path("callbacks/<row_id:callback_id>", CallbackResource.as_view({"get": "retrieve"}), name="callback"),
    path("callbacks/<row_id:callback_id>/resend", CallbackResource.as_view({"post": "resend"}), name="callback-resend"),
    path("task-types", TaskTypeResource.as_view({"get": "list"}), name="task-types"),
    path("task-types/<name:name>", TaskTypeResource.as_view({"get": "retrieve"}), name="task-type"),
    path("templates", TemplateResource.as_view({"get": "list", "post": "create"}), name="templates"),
    path("documents/validate-template", TemplateResource.as_view({"post": "validate"}), name="templates-validate"),
    path("templates/<name:name>", TemplateResource.as_view({"get": "retrieve", "delete": "destroy"}), name="template"),
    *(
        path(f"templates/<name:name>/{verb}", TemplateResource.as_view({"post": verb}), name=f"template-{verb}")
        for verb in ("preview", "diff", "generate", "regenerate")
    ),
    path("pools", PoolResource.as_view({"get": "list"}), name="pools"),
    path("pools/<name:name>", PoolResource.as_view({"get": "retrieve", "patch": "partial_update"}), name="pool"),
    path("metrics", MetricsResource.as_view({"get": "retrieve"}), name="metrics"),
    path("nodes", NodeResource.as_view({"get": "list"}), name="nodes"),
    path("nodes/<name:name>", NodeResource.as_view({"get": "retrieve"}), name="node"),
    path("schema", SchemaView.as_view(), name="schema"),
]

urlpatterns: list[URLPattern | URLResolver] = [
    path("v1/", include(v1)),
    re_path(r"^(?P<rest>.*)\Z", _NOWHERE, name="nowhere"),
]
