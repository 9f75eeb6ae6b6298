"""What people do with a template: write it, generate a DAG from it, regenerate its DAGs, delete it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import messages
from django.contrib.auth.base_user import AbstractBaseUser
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from workflows.admin import publishing, show
from workflows.admin.bases import may, refill
from workflows.admin.publishing import ProblemLine, newlines, problem_lines
from workflows.admin.values_form import ValuesForm
from workflows.core.errors import CeleriacError, InvalidDocument, Problem
from workflows.core.naming import shown
from workflows.core.spec import ParamSpec
from workflows.core.template import Template
from workflows.engine import phrases, templates
from workflows.models import Dag, DagTemplate

if TYPE_CHECKING:
    from workflows.admin.template import TemplateAdmin

_FIRST = """\
template: my_template
title: My template
description: What is made from it, and for whom.
params:
  name: {type: string, pattern: "^[a-z_]+$", description: "Whom to greet."}
dag:
  id: greet_<% template.name %>
  tasks:
    hello: {type: shell, command: "echo hello <% template.name %>"}
"""


class SourceForm(forms.Form):
    """A template's text, and the content that the author started from."""

    source = forms.CharField(
        label=gettext_lazy("Template"),
        help_text=gettext_lazy("YAML or JSON. It is stored byte for byte."),
        strip=False,
        widget=forms.Textarea(attrs={"rows": 28, "class": "code", "spellcheck": "false", "wrap": "off"}),
    )
    base = forms.CharField(required=False, widget=forms.HiddenInput)


class TargetForm(forms.Form):
    """Which DAG to generate."""

    dag_id = forms.CharField(
        label=gettext_lazy("DAG id"),
        required=False,
        max_length=200,
        help_text=gettext_lazy("Left empty: the id that the template gives."),
        widget=forms.TextInput(attrs={"class": "vTextField"}),
    )
    adopt = forms.BooleanField(
        label=gettext_lazy("Replace the document of this DAG, though it was not made from this template"),
        required=False,
    )


def may_store(request: HttpRequest) -> bool:
    """Whether the user may write templates: the same two permissions as in the API."""
    return may(request, "add_dagtemplate") and may(request, "change_dagtemplate")


def may_generate(request: HttpRequest) -> bool:
    """Whether the user may generate DAGs."""
    return may(request, "view_dagtemplate") and publishing.may_publish(request)


def params_of(row: DagTemplate) -> tuple[Mapping[str, ParamSpec], tuple[Problem, ...]]:
    """The declared parameters; or what is wrong with a template by now, such as a pool that is gone."""
    try:
        return templates.opened(row).params, ()
    except InvalidDocument as error:
        return {}, error.problems


def with_values(dags: Iterable[Dag]) -> list[tuple[Dag, list[tuple[str, str]]]]:
    """DAGs with the values that were given for each, as they are written."""
    return [(dag, [(name, shown(value)) for name, value in (dag.template_values or {}).items()]) for dag in dags]


# Writing


def edit(admin: TemplateAdmin, request: HttpRequest, row: DagTemplate | None) -> HttpResponse:
    """The text of a template; on POST a check, and the storing if that was asked for and nothing is wrong."""
    if not may_store(request):
        raise PermissionDenied
    started = {"source": row.source if row else _FIRST, "base": row.content_hash if row else ""}
    form = SourceForm(request.POST or None, initial=started)
    problems: list[ProblemLine] = []
    fine: Template | None = None
    if request.method == "POST" and form.is_valid():
        source = newlines(form.cleaned_data["source"])
        read = templates.check(source)
        found = read.problems or _misplaced(read.template, row)
        if not found and "_check" not in request.POST and not _is_stale(request, form, row):
            return _stored(admin, request, source)
        problems, fine = problem_lines(source, found), None if found or form.errors else read.template
    title = _("Change template %s") % row.name if row else _("New template")
    context = admin.page_context(request, title=title, row=row, form=form, problems=problems, fine=fine)
    return TemplateResponse(request, "workflows/admin/template_edit.html", context)


def _misplaced(template: Template | None, row: DagTemplate | None) -> tuple[Problem, ...]:
    """A template stored from the page of another one is a slip of the hand."""
    if template is None or (row is not None and template.name == row.name):
        return ()
    if row is not None:
        text = _("this page changes %s; to make another template, use “New template”") % row.name
        return (Problem(code="other_template", path="template", message=text),)
    if DagTemplate.objects.filter(name=template.name).exists():
        text = _("there is a template %s already; change it on its page") % template.name
        return (Problem(code="known_template", path="template", message=text),)
    return ()


def _is_stale(request: HttpRequest, form: SourceForm, row: DagTemplate | None) -> bool:
    if row is None or form.cleaned_data["base"] == row.content_hash:
        return False
    form.add_error(None, _("Somebody stored this template while you edited. Store again to replace it with yours."))
    refill(form, request, base=row.content_hash)
    return True


def _stored(admin: TemplateAdmin, request: HttpRequest, source: str) -> HttpResponse:
    saved = templates.save(source)
    admin.message_user(request, _("Template %s is stored.") % saved.row.name, messages.SUCCESS)
    count = templates.made_from(saved.row).count()
    if saved.changed and count:
        text = ngettext("%d DAG was made from it", "%d DAGs were made from it", count) % count
        admin.message_user(request, _("%s: “Regenerate” shows what the change means.") % text, messages.INFO)
    admin.log_change(request, saved.row, "stored")
    return HttpResponseRedirect(admin.page_of(saved.row))


# Generating


def generate(admin: TemplateAdmin, request: HttpRequest, row: DagTemplate, dag: Dag | None) -> HttpResponse:
    """The form of the values; on POST what they make, and the publication if that was asked for.

    `dag` is one that was made before: its values are filled in.
    """
    if not may_generate(request):
        raise PermissionDenied
    specs, broken = params_of(row)
    sent = request.POST or None
    values = ValuesForm(specs, sent, given=(dag.template_values or {}) if dag else {})
    target = TargetForm(sent, initial={"dag_id": dag.dag_id if dag else ""})
    draft: templates.Draft | None = None
    problems = list(broken)
    if request.method == "POST" and not broken and values.is_valid() and target.is_valid():
        draft = templates.draft(row.name, values.given(), dag_id=target.cleaned_data["dag_id"].strip() or None)
        problems = values.place(draft.problems)
        if "_publish" in request.POST and not draft.problems:
            answer = _published(admin, request, row, values, target, draft)
            if answer is not None:
                return answer
    context = admin.page_context(
        request,
        title=_("Generate a DAG from %s") % row.name,
        row=row,
        values=values,
        target=target,
        draft=draft if draft is not None and not draft.problems else None,
        lines=list(show.diff_lines(draft.difference)) if draft is not None else [],
        problems=problem_lines(row.source, tuple(problems)),
    )
    return TemplateResponse(request, "workflows/admin/template_generate.html", context)


def _published(
    admin: TemplateAdmin,
    request: HttpRequest,
    row: DagTemplate,
    values: ValuesForm,
    target: TargetForm,
    draft: templates.Draft,
) -> HttpResponse | None:
    adopt = target.cleaned_data["adopt"]
    if draft.adopts and not adopt:
        return None
    try:
        version = templates.generate(row.name, values.given(), dag_id=draft.dag_id, adopt=adopt, user=_user(request))
    except CeleriacError as error:  # the template or the DAG changed since the line above
        target.add_error(None, phrases.error(error))
        return None
    text = _("%(dag)s is published: version %(number)d.") % {"dag": version.dag.dag_id, "number": version.number}
    admin.message_user(request, text, messages.SUCCESS)
    admin.log_change(request, row, f"generated version {version.number} of {version.dag.dag_id}")
    return HttpResponseRedirect(reverse("admin:workflows_dag_change", args=[version.dag.pk]))


def _user(request: HttpRequest) -> AbstractBaseUser | None:
    return request.user if isinstance(request.user, AbstractBaseUser) else None


# Regenerating


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One DAG on the page that says what would become of it."""

    result: templates.Regenerated
    lines: list[show.DiffLine]


def regenerate(admin: TemplateAdmin, request: HttpRequest, row: DagTemplate) -> HttpResponse:
    """What would become of each DAG; once that was confirmed, the deed."""
    if not may_generate(request) or not may(request, "view_dagversion"):
        raise PermissionDenied
    confirmed = request.method == "POST" and "confirmed" in request.POST
    try:
        done = templates.regenerate(row.name, preview=not confirmed, user=_user(request))
    except InvalidDocument as error:
        admin.message_user(request, _("The template is not valid any more: %s") % error, messages.ERROR)
        return HttpResponseRedirect(admin.page_of(row))
    if confirmed:
        return _regenerated(admin, request, row, done)
    context = admin.page_context(
        request,
        title=_("Regenerate the DAGs of %s") % row.name,
        row=row,
        changed=sum(each.state == "changed" for each in done),
        failed=sum(each.state == "failed" for each in done),
        results=[Line(result=each, lines=list(show.diff_lines(each.difference))) for each in done],
    )
    return TemplateResponse(request, "workflows/admin/template_regenerate.html", context)


def _regenerated(
    admin: TemplateAdmin, request: HttpRequest, row: DagTemplate, done: tuple[templates.Regenerated, ...]
) -> HttpResponse:
    changed = [each for each in done if each.state == "changed"]
    text = ngettext("%d DAG changed.", "%d DAGs changed.", len(changed)) % len(changed)
    admin.message_user(request, text, messages.SUCCESS if changed else messages.INFO)
    for each in done:
        if each.state == "failed":
            admin.message_user(request, f"{each.dag_id}: {each.message}", messages.ERROR)
    admin.log_change(request, row, f"regenerated {len(changed)} DAGs")
    return HttpResponseRedirect(admin.page_of(row))


# Deleting


def delete(admin: TemplateAdmin, request: HttpRequest, row: DagTemplate) -> HttpResponse:
    """What stays without it; once that was confirmed, the deed."""
    if not may(request, "delete_dagtemplate"):
        raise PermissionDenied
    if request.method == "POST":
        admin.log_deletions(request, DagTemplate.objects.filter(pk=row.pk))
        templates.delete(row.name, leave_dags=True)
        admin.message_user(request, _("Template %s is deleted.") % row.name, messages.SUCCESS)
        return HttpResponseRedirect(reverse("admin:workflows_dagtemplate_changelist"))
    dags: list[Any] = list(templates.made_from(row)[:200])
    context = admin.page_context(request, title=_("Delete template %s") % row.name, row=row, dags=dags)
    return TemplateResponse(request, "workflows/admin/template_delete.html", context)
