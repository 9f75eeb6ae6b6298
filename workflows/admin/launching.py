"""The launch form of a DAG: a field for each declared parameter, and one run for one form."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from django import forms
from django.contrib import messages
from django.contrib.auth.base_user import AbstractBaseUser
from django.core.exceptions import PermissionDenied, ValidationError
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from workflows.admin import show
from workflows.admin.bases import may, refill
from workflows.admin.values_form import ValuesForm
from workflows.core.errors import BadParams, CeleriacError, IdempotencyConflict
from workflows.engine import launch, phrases, plans
from workflows.models import Dag, DagRun, DagVersion

if TYPE_CHECKING:
    from workflows.admin.definition import DagAdmin


class LaunchForm(forms.Form):
    """Parameters as JSON, for what the fields cannot say. `ticket` makes a form that is sent twice start one run."""

    params = forms.CharField(
        label=gettext_lazy("Parameters"),
        help_text=gettext_lazy("A JSON object. What stands here goes before the fields above."),
        required=False,
        widget=forms.Textarea(attrs={"rows": 6, "class": "code", "spellcheck": "false"}),
    )
    ticket = forms.UUIDField(widget=forms.HiddenInput)

    def clean_params(self) -> dict[str, Any]:
        """The object that the text is."""
        try:
            value = json.loads(self.cleaned_data["params"].strip() or "{}")
        except (ValueError, RecursionError) as error:
            raise ValidationError(_("This is not JSON: %s") % error) from error
        if not isinstance(value, dict):
            raise ValidationError(_("This must be a JSON object: {…}"))
        return value


@dataclass(frozen=True, slots=True, kw_only=True)
class RunLine:
    """One run in a short list."""

    id: int
    badge: SafeString
    version: int
    trigger: str
    by: str
    created_at: datetime
    duration: str


def run_lines(dag: Dag, limit: int) -> list[RunLine]:
    """The newest runs of a DAG."""
    runs = (
        dag.runs.filter(deleted_at__isnull=True)
        .order_by("-id")
        .values(
            "id",
            "state",
            "version__number",
            "trigger",
            "triggered_by__username",
            "created_at",
            "started_at",
            "ended_at",
        )
    )
    return [
        RunLine(
            id=run["id"],
            badge=show.badge(run["state"]),
            version=run["version__number"],
            trigger=show.reason(run["trigger"]),
            by=run["triggered_by__username"] or "",
            created_at=run["created_at"],
            duration=show.duration(run["started_at"], run["ended_at"]),
        )
        for run in runs[:limit]
    ]


def page(admin: DagAdmin, request: HttpRequest, dag: Dag) -> HttpResponse:
    """The form; on POST the run, or the form again with what is wrong."""
    if not may(request, "add_dagrun"):
        raise PermissionDenied
    try:
        version = launch.current_version(dag.dag_id)
    except CeleriacError as error:
        admin.message_user(request, phrases.error(error), messages.ERROR)
        return HttpResponseRedirect(reverse("admin:workflows_dag_change", args=[dag.pk]))
    specs = plans.params_of(version.pk)
    form = LaunchForm(request.POST or None, initial={"ticket": uuid4()})
    values = ValuesForm(specs, request.POST or None, defaults=_defaults(version), kind="params")
    if request.method == "POST" and form.is_valid() and values.is_valid():
        run = _launch(request, form, values, version)
        if run is not None:
            admin.message_user(request, _("Run %d has started.") % run.pk, messages.SUCCESS)
            return HttpResponseRedirect(reverse("admin:workflows_dagrun_change", args=[run.pk]))
    title = _("Run %s now") % dag.dag_id
    context = admin.page_context(request, title=title, dag=dag, version=version, form=form, values=values)
    return TemplateResponse(request, "workflows/admin/launch.html", context)


def _defaults(version: DagVersion) -> dict[str, Any]:
    """The defaults as a run would have them that starts now."""
    properties = launch.params_schema(version.dag.dag_id, version.pk)["properties"]
    return {name: schema["default"] for name, schema in properties.items() if "default" in schema}


def _launch(request: HttpRequest, form: LaunchForm, values: ValuesForm, version: DagVersion) -> DagRun | None:
    user = request.user if isinstance(request.user, AbstractBaseUser) else None
    try:
        # on_commit: a host project may wrap every request in a transaction.
        return launch.launch(
            version,
            params={**values.given(), **form.cleaned_data["params"]},
            trigger="manual",
            external_id=f"admin:{form.cleaned_data['ticket']}",
            user=user,
            on_commit=True,
        )
    except BadParams as error:
        as_json = [p for p in error.problems if p.path.removeprefix("params.") in form.cleaned_data["params"]]
        for problem in [*as_json, *values.place(p for p in error.problems if p not in as_json)]:
            form.add_error("params", f"{problem.path.removeprefix('params.')}: {problem.message}")
    except IdempotencyConflict as error:
        run_id = error.facts["run_id"]
        form.add_error(None, _("This form has started run %d already. Send it again to start another.") % run_id)
        refill(form, request, ticket=uuid4())
    except CeleriacError as error:
        form.add_error(None, phrases.error(error))
    return None
