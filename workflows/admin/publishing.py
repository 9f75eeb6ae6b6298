"""The page that publishes a version: the text, checked by the engine, every problem shown with its line."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from django import forms
from django.contrib import messages
from django.contrib.auth.base_user import AbstractBaseUser
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from workflows.admin.bases import may, refill
from workflows.core.errors import InvalidDocument, Problem, VersionConflict
from workflows.core.spec import DagSpec
from workflows.engine import publish
from workflows.models import Dag, DagVersion

if TYPE_CHECKING:
    from workflows.admin.definition import DagAdmin

_FIRST = """\
id: my_dag
name: My DAG
description: What it does, and for whom.
config: {owner: my-team, tags: [example]}
tasks:
  hello: {type: shell, command: "echo hello"}
  world: {type: shell, command: "echo world", depends_on: [hello]}
"""


class PublishForm(forms.Form):
    """A document, a note, and the version that the author started from."""

    source = forms.CharField(
        label=gettext_lazy("Document"),
        help_text=gettext_lazy("YAML or JSON. It is stored byte for byte."),
        strip=False,
        widget=forms.Textarea(attrs={"rows": 28, "class": "code", "spellcheck": "false", "wrap": "off"}),
    )
    note = forms.CharField(
        label=gettext_lazy("Note"),
        help_text=gettext_lazy("What changed, for those who read the list of versions."),
        max_length=500,
        required=False,
        widget=forms.TextInput(attrs={"class": "vTextField"}),
    )
    base = forms.IntegerField(required=False, widget=forms.HiddenInput)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProblemLine:
    """A problem with the text of the line that it points to."""

    problem: Problem
    text: str


def may_publish(request: HttpRequest) -> bool:
    """Whether the user may publish: the same two permissions as in the API."""
    return may(request, "add_dagversion") and may(request, "change_dag")


def page(admin: DagAdmin, request: HttpRequest, dag: Dag | None) -> HttpResponse:
    """The form; on POST a check, and the publication if that was asked for and nothing is wrong."""
    if not may_publish(request):
        raise PermissionDenied
    current = _current(dag)
    form = PublishForm(
        request.POST or None,
        initial={
            "source": current.source if current else _FIRST,
            "base": current.number if current else None,
        },
    )
    problems: list[ProblemLine] = []
    spec: DagSpec | None = None
    if request.method == "POST" and form.is_valid():
        source = newlines(form.cleaned_data["source"])
        spec, found = _check(source, dag)
        if not found and "_check" not in request.POST and not _is_stale(request, form, current):
            try:
                return _publish(admin, request, source, form)
            except InvalidDocument as error:
                found = error.problems
            except VersionConflict:
                current = _overtaken(request, form, dag)
                found = _misplaced(spec, dag) if spec else ()
        problems = problem_lines(source, found)
    context = admin.page_context(
        request,
        title=_("New version of %s") % dag.dag_id if dag else _("New DAG"),
        dag=dag,
        current=current,
        form=form,
        problems=problems,
        fine=spec if request.method == "POST" and not problems and form.is_valid() else None,
    )
    return TemplateResponse(request, "workflows/admin/publish.html", context)


def _current(dag: Dag | None) -> DagVersion | None:
    if dag is None or dag.current_version_id is None:
        return None
    return DagVersion.objects.select_related("created_by").defer("plan").get(pk=dag.current_version_id)


def newlines(text: str) -> str:
    """Browsers send CRLF; the document keeps the line ends that its author sees."""
    return text.replace("\r\n", "\n")


def _check(source: str, dag: Dag | None) -> tuple[DagSpec | None, tuple[Problem, ...]]:
    parsed = publish.check(source)
    if parsed.spec is None or parsed.problems:
        return parsed.spec, parsed.problems
    return parsed.spec, _misplaced(parsed.spec, dag)


def _misplaced(spec: DagSpec, dag: Dag | None) -> tuple[Problem, ...]:
    """A document published from the page of another DAG is a slip of the hand."""
    if dag is not None and spec.id != dag.dag_id:
        text = _("this page publishes versions of %(dag)s; to make another DAG, use “New DAG”") % {"dag": dag.dag_id}
        return (Problem(code="other_dag", path="id", message=text),)
    if dag is None and Dag.objects.live().filter(dag_id=spec.id).exists():
        text = _("there is a DAG %(dag)s already; publish from its page") % {"dag": spec.id}
        return (Problem(code="known_dag", path="id", message=text),)
    return ()


def _is_stale(request: HttpRequest, form: PublishForm, current: DagVersion | None) -> bool:
    """Whether somebody else published meanwhile; the author is told once, and may publish all the same."""
    number = current.number if current else None
    if form.cleaned_data["base"] == number:
        return False
    by = f" ({current.created_by})" if current and current.created_by else ""
    text = _("Version %(number)s%(by)s was published while you edited. Publish again to replace it with yours.")
    form.add_error(None, text % {"number": number, "by": by})
    refill(form, request, base=number)
    return True


def _overtaken(request: HttpRequest, form: PublishForm, dag: Dag | None) -> DagVersion | None:
    """The version that somebody else published between our look and our publication; its author is told of it."""
    if dag is None:
        return None
    dag.refresh_from_db()
    current = _current(dag)
    _is_stale(request, form, current)
    return current


def _publish(admin: DagAdmin, request: HttpRequest, source: str, form: PublishForm) -> HttpResponse:
    user = request.user if isinstance(request.user, AbstractBaseUser) else None
    given = form.cleaned_data
    version = publish.publish(source, note=given["note"], user=user, base=given["base"] or 0)
    known = version.dag.versions.order_by("-number").values_list("number", flat=True).first()
    if version.number == known:
        text = _("Version %d is published: new runs use it.") % version.number
    else:
        text = _("This is the content of version %d: new runs use it again.") % version.number
    admin.message_user(request, text, messages.SUCCESS)
    admin.log_change(request, version.dag, f"published version {version.number}")
    return HttpResponseRedirect(reverse("admin:workflows_dag_change", args=[version.dag.pk]))


def problem_lines(source: str, problems: tuple[Problem, ...]) -> list[ProblemLine]:
    """Problems in the order of their lines, each with the text of its line."""
    texts = source.split("\n")
    ordered = sorted(problems, key=lambda problem: problem.line or 0)
    return [
        ProblemLine(
            problem=problem,
            text=texts[problem.line - 1].strip()[:160] if problem.line and problem.line <= len(texts) else "",
        )
        for problem in ordered
    ]
