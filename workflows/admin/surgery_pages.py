"""Retry, run again and mark in the admin: first a page that lists what is touched, then the engine."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from django.contrib import messages
from django.contrib.admin import helpers
from django.contrib.auth.base_user import AbstractBaseUser
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from workflows.admin import show
from workflows.core.errors import CeleriacError
from workflows.core.states import TaskState
from workflows.engine import phrases, plans, surgery
from workflows.engine.surgery import Touched
from workflows.models import DagRun

if TYPE_CHECKING:
    from workflows.admin.run import DagRunAdmin

MOST = 100  # runs in one go: each is previewed, and then operated on, in a transaction of its own
MOST_TASKS = 500  # named in one address
LISTED = 200
ALONE, ABOVE, VERSION = "alone", "above", "version"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """One kind of surgery.

    `operate` takes the run, what the address asks for, who does it, and whether it is a preview only.
    """

    name: str
    title: Promise
    says: Promise
    button: Promise
    done: str
    operate: Callable[[int, Asked, str, bool], Touched]
    of_tasks: bool = True

    @property
    def view(self) -> str:
        """The name of its address."""
        return f"workflows_dagrun_{self.name.replace('-', '_')}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What the address asks for."""

    tasks: tuple[str, ...] = ()
    downstream: bool = True
    upstream: bool = False
    version: int | None = None


CUTS: Mapping[str, Cut] = MappingProxyType(
    {
        "retry": Cut(
            name="retry",
            title=gettext_lazy("Retry what failed"),
            says=gettext_lazy(
                "What did not succeed runs again, and what follows from it; of mapped tasks the items that did not "
                "succeed. Everything else stays."
            ),
            button=gettext_lazy("Yes, retry"),
            done="retried what failed",
            operate=lambda run, asked, by, preview: surgery.retry_failed(
                run, version=asked.version, by=by, preview=preview
            ),
            of_tasks=False,
        ),
        "clear": Cut(
            name="clear",
            title=gettext_lazy("Run again from here"),
            says=gettext_lazy(
                "These tasks run again, whatever became of them. Their attempts and logs of before stay."
            ),
            button=gettext_lazy("Yes, run again"),
            done="ran again",
            operate=lambda run, asked, by, preview: surgery.clear(
                run,
                asked.tasks,
                downstream=asked.downstream,
                upstream=asked.upstream,
                version=asked.version,
                by=by,
                preview=preview,
            ),
        ),
        "mark-success": Cut(
            name="mark-success",
            title=gettext_lazy("Mark as success"),
            says=gettext_lazy(
                "The task counts as succeeded, without running; if it runs it is killed. It has no output. Tasks below "
                "it that never ran because of it are decided again."
            ),
            button=gettext_lazy("Yes, mark as success"),
            done="marked as success",
            operate=lambda run, asked, by, preview: surgery.mark(
                run, asked.tasks, TaskState.SUCCESS, by=by, preview=preview
            ),
        ),
        "mark-failed": Cut(
            name="mark-failed",
            title=gettext_lazy("Mark as failed"),
            says=gettext_lazy(
                "The task counts as failed; if it runs it is killed. Tasks below it that never ran because of it are "
                "decided again."
            ),
            button=gettext_lazy("Yes, mark as failed"),
            done="marked as failed",
            operate=lambda run, asked, by, preview: surgery.mark(
                run, asked.tasks, TaskState.FAILED, by=by, preview=preview
            ),
        ),
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One task that is touched."""

    name: str
    badge: SafeString
    then: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What would become of one run: what is touched, or why nothing is."""

    run: DagRun
    badge: SafeString
    touched: Touched | None
    refusal: str = ""

    @property
    def counts(self) -> list[SafeString]:
        """The tasks that are touched, by the state that they have now."""
        if self.touched is None:
            return []
        states = Counter(state for found in _changes(self.touched) for state in found.values())
        return [show.badge(state, count=states[state]) for state in show.STATE_ORDER if states[state]]

    @property
    def lines(self) -> list[Line]:
        """The first of them by name."""
        if self.touched is None:
            return []
        again = _("runs again")
        then = zip((_("is marked"), again, again), _changes(self.touched), strict=True)
        rows = ((name, state, word) for word, found in then for name, state in found.items())
        return [Line(name=name, badge=show.badge(state), then=word) for name, state, word in islice(rows, LISTED)]

    @property
    def hidden(self) -> int:
        """How many are not listed by name."""
        return max(0, self.touched.count - LISTED) if self.touched else 0


def _changes(touched: Touched) -> tuple[Mapping[str, str], ...]:
    return touched.marks, touched.reset, touched.items


def asked_of(request: HttpRequest) -> Asked:
    """The tasks and options in the address, in the preview and in the form that confirms it alike."""
    return Asked(
        tasks=tuple(dict.fromkeys(request.GET.getlist("task")))[:MOST_TASKS],
        downstream=ALONE not in request.GET,
        upstream=ABOVE in request.GET,
        version=int(version) if (version := request.GET.get(VERSION, "")).isdecimal() and len(version) < 9 else None,
    )


def answer(admin: DagRunAdmin, request: HttpRequest, run: DagRun, name: str) -> HttpResponse:
    """The preview of one run, or, once it was confirmed, the deed and the way back to its page."""
    cut, asked = CUTS[name], asked_of(request)
    back = reverse("admin:workflows_dagrun_change", args=[run.pk])
    return _answer(admin, request, cut, [run], asked, back)


def answer_many(admin: DagRunAdmin, request: HttpRequest, runs: QuerySet[DagRun], name: str) -> HttpResponse:
    """The same for chosen runs of the list."""
    back = reverse("admin:workflows_dagrun_changelist")
    chosen = list(runs[: MOST + 1])
    if len(chosen) > MOST:
        admin.message_user(request, _("Choose at most %d runs.") % MOST, messages.ERROR)
        return HttpResponseRedirect(back)
    return _answer(admin, request, CUTS[name], chosen, Asked(), back)


def _answer(
    admin: DagRunAdmin, request: HttpRequest, cut: Cut, runs: Sequence[DagRun], asked: Asked, back: str
) -> HttpResponse:
    if not admin.has_control_permission(request):
        raise PermissionDenied
    confirmed = request.method == "POST" and "confirmed" in request.POST
    by = request.user.get_username() if isinstance(request.user, AbstractBaseUser) else ""
    plans = [_operate(cut, run, asked, by, preview=not confirmed) for run in runs]
    if confirmed:
        _tell(admin, request, cut, plans)
        return HttpResponseRedirect(back)
    context: dict[str, Any] = admin.page_context(
        request,
        title=cut.title,
        cut=cut,
        plans=plans,
        run=runs[0] if len(runs) == 1 else None,
        touched=sum(plan.touched is not None for plan in plans),
        tasks=sum(plan.touched.count for plan in plans if plan.touched),
        choices=_choices(request, asked) if cut.name == "clear" else [],
        versions=_versions(request, runs[0], asked) if len(runs) == 1 and cut.name in ("retry", "clear") else [],
        back=back,
        action=request.POST.get("action", ""),
        action_checkbox_name=helpers.ACTION_CHECKBOX_NAME,
    )
    return TemplateResponse(request, "workflows/admin/surgery.html", context)


def _operate(cut: Cut, run: DagRun, asked: Asked, by: str, *, preview: bool) -> Plan:
    badge = show.badge(run.state)
    if cut.of_tasks and not asked.tasks:
        return Plan(run=run, badge=badge, touched=None, refusal=_("No task was named."))
    try:
        return Plan(run=run, badge=badge, touched=cut.operate(run.pk, asked, by, preview))
    except CeleriacError as error:
        return Plan(run=run, badge=badge, touched=None, refusal=phrases.error(error))


def _tell(admin: DagRunAdmin, request: HttpRequest, cut: Cut, plans: Sequence[Plan]) -> None:
    done = [plan for plan in plans if plan.touched is not None]
    for plan in done:
        admin.log_change(request, plan.run, cut.done)
    tasks = sum(plan.touched.count for plan in done if plan.touched)
    if done:
        told = ngettext("%(tasks)d task touched in %(runs)d run.", "%(tasks)d tasks touched in %(runs)d run(s).", tasks)
        admin.message_user(request, told % {"tasks": tasks, "runs": len(done)}, messages.SUCCESS)
    for plan in [plan for plan in plans if plan.refusal][:5]:
        admin.message_user(request, plan.refusal, messages.WARNING)


def _versions(request: HttpRequest, run: DagRun, asked: Asked) -> list[tuple[str, str, bool]]:
    """By which version it runs again, as links like those of `_choices`: the run's own, or the current one."""
    current = run.dag.current_version_id
    if current is None or run.ended_at is None or run.version_id == current:
        return []
    newest = plans.version_number(current)
    found = []
    for number, says in ((None, _("as version %d says")), (newest, _("as version %d says, the current one"))):
        query = request.GET.copy()
        query.pop(VERSION, None)
        if number is not None:
            query[VERSION] = str(number)
        says %= number or plans.version_number(run.version_id)
        found.append((f"?{query.urlencode()}", says, asked.version == number))
    return found


def _choices(request: HttpRequest, asked: Asked) -> list[tuple[str, str, bool]]:
    """How far "from here" reaches, as links: (address, what it says, whether it is the one that is shown)."""
    reaches = (
        (_("with all below"), True, False),
        (_("alone"), False, False),
        (_("with all above and below"), True, True),
    )
    found = []
    for says, downstream, upstream in reaches:
        query = request.GET.copy()
        for name, on in ((ALONE, not downstream), (ABOVE, upstream)):
            query.pop(name, None)
            if on:
                query[name] = "1"
        found.append((f"?{query.urlencode()}", says, (downstream, upstream) == (asked.downstream, asked.upstream)))
    return found
