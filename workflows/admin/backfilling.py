"""The form that starts a backfill of a DAG: it shows what would be run before it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import messages
from django.contrib.auth.base_user import AbstractBaseUser
from django.core.exceptions import PermissionDenied, ValidationError
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from workflows.admin.bases import may
from workflows.admin.launching import LaunchForm
from workflows.core.durations import parse_duration
from workflows.core.errors import CeleriacError
from workflows.engine import backfill, phrases
from workflows.engine.backfill import Preview, Wanted
from workflows.engine.backfill.dates import dag_of, zone_of
from workflows.models import Backfill, Dag

if TYPE_CHECKING:
    from workflows.admin.definition import DagAdmin

_DATE = gettext_lazy("2025-01-31, or 2025-01-31T02:00; in the time zone of the schedule, or UTC.")


class BackfillForm(forms.Form):
    """What a backfill is to do."""

    start = forms.CharField(label=gettext_lazy("From"), help_text=_DATE, max_length=64)
    end = forms.CharField(
        label=gettext_lazy("To"), help_text=gettext_lazy("Inclusive; a date alone means its whole day."), max_length=64
    )
    every = forms.CharField(
        label=gettext_lazy("Every"),
        help_text=gettext_lazy("1d, 6h: from date to date. Empty: the dates of the DAG's schedule."),
        required=False,
        max_length=64,
    )
    which = forms.ChoiceField(label=gettext_lazy("Dates"), choices=Backfill.WHICH)
    newest_first = forms.BooleanField(label=gettext_lazy("Newest first"), required=False)
    concurrency = forms.IntegerField(label=gettext_lazy("Runs at one time"), min_value=1, max_value=1000, initial=1)
    downstream = forms.BooleanField(
        label=gettext_lazy("Downstream too"),
        help_text=gettext_lazy("Also the DAGs that run after this one, date by date."),
        required=False,
    )
    params = LaunchForm.base_fields["params"]

    def clean_every(self) -> float | None:
        """Seconds."""
        text = self.cleaned_data["every"].strip()
        try:
            return parse_duration(text) if text else None
        except ValueError as error:
            raise ValidationError(str(error)) from error

    clean_params = LaunchForm.clean_params


def may_start(request: HttpRequest) -> bool:
    """Whether the user may start backfills."""
    return may(request, "add_backfill") and may(request, "add_dagrun")


def page(admin: DagAdmin, request: HttpRequest, dag: Dag) -> HttpResponse:
    """The form; what it would do; and the backfill."""
    if not may_start(request):
        raise PermissionDenied
    form = BackfillForm(request.POST or None)
    shown: Preview | None = None
    if request.method == "POST" and form.is_valid():
        try:
            wanted = _wanted(dag, form.cleaned_data)
            if "_preview" not in request.POST:
                return _started(admin, request, wanted)
            shown = backfill.preview(wanted)
        except CeleriacError as error:
            form.add_error(None, phrases.error(error))
    context = admin.page_context(request, title=_("Backfill %s") % dag.dag_id, dag=dag, form=form, shown=shown)
    return TemplateResponse(request, "workflows/admin/backfill_start.html", context)


def _wanted(dag: Dag, given: dict[str, Any]) -> Wanted:
    zone = zone_of(dag_of(dag.dag_id))
    start, end = backfill.moment_of(given["start"], zone), backfill.moment_of(given["end"], zone, last=True)
    return Wanted(**{**given, "dag_id": dag.dag_id, "start": start, "end": end})


def _started(admin: DagAdmin, request: HttpRequest, wanted: Wanted) -> HttpResponse:
    user = request.user if isinstance(request.user, AbstractBaseUser) else None
    row = backfill.start(wanted, user=user)
    admin.message_user(request, _("Backfill %d has started.") % row.pk, messages.SUCCESS)
    return HttpResponseRedirect(reverse("admin:workflows_backfill_change", args=[row.pk]))
