"""Cancel, pause and resume of runs: first a page that says what will be touched, then the engine."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from django.contrib import messages
from django.contrib.admin import helpers
from django.contrib.auth.base_user import AbstractBaseUser
from django.core.exceptions import PermissionDenied
from django.db.models import Count, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from workflows.admin import show
from workflows.admin.bases import may
from workflows.core.errors import PartOfRun, RunGoesOn, UnknownRun
from workflows.engine import control, deletion
from workflows.models import DagRun, TaskExecution

if TYPE_CHECKING:
    from workflows.admin.run import DagRunAdmin

MOST = 500  # runs in one go: each is a transaction of its own
_LISTED = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Verb:
    """One thing that people do to runs."""

    name: str
    title: Promise
    says: Promise
    button: Promise
    done: str
    applies: Callable[[DagRun], bool]
    work: Callable[[DagRun, str], bool]
    permission: str = "change_dagrun"


def _open(run: DagRun) -> bool:
    return run.ended_at is None


VERBS: Mapping[str, Verb] = MappingProxyType(
    {
        "cancel": Verb(
            name="cancel",
            title=gettext_lazy("Cancel runs"),
            says=gettext_lazy(
                "Running tasks are killed, waiting tasks never start, and child runs are cancelled too. "
                "This cannot be undone."
            ),
            button=gettext_lazy("Yes, cancel"),
            done="cancelled",
            applies=_open,
            work=lambda run, by: control.cancel_run(run.pk, by=by),
        ),
        "pause": Verb(
            name="pause",
            title=gettext_lazy("Pause runs"),
            says=gettext_lazy("Running tasks go on; no further task starts until the run is resumed."),
            button=gettext_lazy("Yes, pause"),
            done="paused",
            applies=lambda run: _open(run) and run.paused_at is None,
            work=lambda run, by: control.pause_run(run.pk),
        ),
        "resume": Verb(
            name="resume",
            title=gettext_lazy("Resume runs"),
            says=gettext_lazy("Tasks that became ready meanwhile start now."),
            button=gettext_lazy("Yes, resume"),
            done="resumed",
            applies=lambda run: _open(run) and run.paused_at is not None,
            work=lambda run, by: control.resume_run(run.pk),
        ),
        "delete": Verb(
            name="delete",
            title=gettext_lazy("Delete runs"),
            says=gettext_lazy(
                "They are hidden with the runs of their sub-DAGs until they are pruned, and can be restored until "
                "then. Only runs that have ended."
            ),
            button=gettext_lazy("Yes, delete"),
            done="deleted",
            applies=lambda run: not _open(run) and run.deleted_at is None and run.parent_id is None,
            work=lambda run, by: deletion.delete_run(run.pk),
            permission="delete_dagrun",
        ),
        "restore": Verb(
            name="restore",
            title=gettext_lazy("Restore runs"),
            says=gettext_lazy(
                "They are shown in the lists again, and are no longer to be pruned for having been deleted."
            ),
            button=gettext_lazy("Yes, restore"),
            done="restored",
            applies=lambda run: run.deleted_at is not None and run.parent_id is None,
            work=lambda run, by: deletion.restore_run(run.pk),
            permission="delete_dagrun",
        ),
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """One run on the confirmation page, with its unsettled tasks by state."""

    run: DagRun
    badge: SafeString
    applies: bool
    counts: list[SafeString]
    total: int
    children: int


def answer(admin: DagRunAdmin, request: HttpRequest, runs: QuerySet[DagRun], name: str, *, back: str) -> HttpResponse:
    """The confirmation page, or, once it was confirmed, the deed and the way back."""
    verb = VERBS[name]
    if not may(request, verb.permission):
        raise PermissionDenied
    chosen = list(runs[: MOST + 1])
    if len(chosen) > MOST:
        admin.message_user(request, _("Choose at most %d runs.") % MOST, messages.ERROR)
        return HttpResponseRedirect(back)
    if request.method == "POST" and "confirmed" in request.POST:
        _apply(admin, request, verb, chosen)
        return HttpResponseRedirect(back)
    return _confirmation(admin, request, verb, chosen, back)


def _confirmation(
    admin: DagRunAdmin, request: HttpRequest, verb: Verb, runs: Sequence[DagRun], back: str
) -> HttpResponse:
    previews = preview(verb, runs)
    context: dict[str, Any] = admin.page_context(
        request,
        title=verb.title,
        verb=verb,
        previews=previews[:_LISTED],
        hidden=max(0, len(previews) - _LISTED),
        touched=sum(p.applies for p in previews),
        tasks=sum(p.total for p in previews if p.applies),
        ids=[run.pk for run in runs],
        back=back,
        action=request.POST.get("action", ""),
        action_checkbox_name=helpers.ACTION_CHECKBOX_NAME,
    )
    return TemplateResponse(request, "workflows/admin/confirm.html", context)


def preview(verb: Verb, runs: Sequence[DagRun]) -> list[Preview]:
    """What the verb would touch: two queries, however many runs."""
    ids = [run.pk for run in runs]
    unsettled = TaskExecution.objects.filter(run_id__in=ids, ended_at__isnull=True).order_by()
    counts: dict[int, dict[str, int]] = {}
    for run_id, state, count in unsettled.values_list("run_id", "state").annotate(count=Count("pk")):
        counts.setdefault(run_id, {})[state] = count
    children = dict(
        DagRun.objects.unfinished()
        .filter(parent__run_id__in=ids)
        .order_by()
        .values_list("parent__run_id")
        .annotate(count=Count("pk"))
    )
    return [
        Preview(
            run=run,
            badge=show.badge(run.state),
            applies=verb.applies(run),
            counts=[
                show.badge(state, count=counts[run.pk][state])
                for state in show.STATE_ORDER
                if state in counts.get(run.pk, {})
            ],
            total=sum(counts.get(run.pk, {}).values()),
            children=children.get(run.pk, 0),
        )
        for run in runs
    ]


def _apply(admin: DagRunAdmin, request: HttpRequest, verb: Verb, runs: Sequence[DagRun]) -> None:
    by = request.user.get_username() if isinstance(request.user, AbstractBaseUser) else ""
    done = 0
    for run in runs:
        try:
            moved = verb.work(run, by)
        except (UnknownRun, RunGoesOn, PartOfRun):  # pruned, or reopened, since the page was shown
            moved = False
        if moved:
            done += 1
            admin.log_change(request, run, verb.done)
    _tell(admin, request, verb, done, len(runs) - done)


def _tell(admin: DagRunAdmin, request: HttpRequest, verb: Verb, done: int, left: int) -> None:
    told = {
        "cancelled": ngettext("%d run cancelled.", "%d runs cancelled.", done),
        "paused": ngettext("%d run paused.", "%d runs paused.", done),
        "resumed": ngettext("%d run resumed.", "%d runs resumed.", done),
        "deleted": ngettext("%d run deleted.", "%d runs deleted.", done),
        "restored": ngettext("%d run restored.", "%d runs restored.", done),
    }[verb.done] % done
    if left:
        text = ngettext("%d run had nothing to do.", "%d runs had nothing to do.", left)
        told = f"{told} {text % left}"
    admin.message_user(request, told, messages.SUCCESS if done else messages.WARNING)


def list_page() -> str:
    """The list of runs: the way back from an action on several."""
    return reverse("admin:workflows_dagrun_changelist")
