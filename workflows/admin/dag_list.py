"""The columns of the list of DAGs: how the last runs went and how long they took, when the next is, and what to do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.contrib.postgres.expressions import ArraySubquery
from django.db.models import DurationField, ExpressionWrapper, F, OuterRef, QuerySet
from django.db.models.functions import Extract, JSONObject
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from workflows.admin import show
from workflows.admin.bases import EMPTY, link_to
from workflows.core.states import RunState
from workflows.engine import schedules
from workflows.models import Dag, DagRun, Schedule

KEPT = 20  # runs that the figures are of
STRIP = 10
_WIDTH, _HEIGHT = 56, 20


@dataclass(frozen=True, slots=True, kw_only=True)
class LastRun:
    """One of the last runs: its number, its state, and the seconds that it took, if it has ended."""

    id: int
    state: str
    took: float | None


def with_last_runs(rows: QuerySet[Dag]) -> QuerySet[Dag]:
    """The DAGs with their last runs, newest first, as `last`: by an index, in the same query."""
    took = Extract(ExpressionWrapper(F("ended_at") - F("started_at"), output_field=DurationField()), "epoch")
    runs = DagRun.objects.live().filter(dag=OuterRef("pk")).order_by("-id")
    return rows.annotate(last=ArraySubquery(runs.values(one=JSONObject(id="id", state="state", took=took))[:KEPT]))


def last_runs(dag: Dag) -> list[LastRun]:
    """The runs that `with_last_runs` brought along, oldest first."""
    found: list[dict[str, Any]] = dag.last  # type: ignore[attr-defined]
    return [LastRun(**run) for run in reversed(found)]


def name(dag: Dag) -> SafeString:
    """The id, with the name, the owner and the tags below it."""
    title = dag.name if dag.name != dag.dag_id else ""
    parts = [(part,) for part in (title, dag.owner) if part]
    below = format_html_join(" · ", "{}", parts)
    tags = format_html_join("", '<span class="tag">{}</span>', ((tag,) for tag in dag.tags))
    return format_html('{}<span class="below"><span>{}</span>{}</span>', dag.dag_id, below, tags)


def strip(dag: Dag) -> SafeString:
    """The last runs as squares with the symbol of their state, newest on the right."""
    runs = last_runs(dag)[-STRIP:]
    items = format_html_join(
        "",
        '<a class="dot st-{0}" href="{1}" title="{2}"><span aria-hidden="true">{3}</span>'
        '<span class="visually-hidden">{2}</span></a>',
        ((run.state, _address(run), _told(run), show.symbol(run.state)) for run in runs),
    )
    return format_html('<span class="strip">{}</span>', items) if runs else SafeString(EMPTY)


def _address(run: LastRun) -> str:
    return reverse("admin:workflows_dagrun_change", args=[run.id])


def _told(run: LastRun) -> str:
    took = f" · {show.seconds(run.took)}" if run.took is not None else ""
    return f"{_('run {}').format(run.id)}: {show.label(run.state)}{took}"


def rate(dag: Dag) -> SafeString:
    """How many of the last runs that ended were successes."""
    ended = [run for run in last_runs(dag) if run.state in (RunState.SUCCESS, RunState.FAILED)]
    if not ended:
        return SafeString(EMPTY)
    good = sum(run.state == RunState.SUCCESS for run in ended)
    kind = "good" if good == len(ended) else "poor" if good * 10 < len(ended) * 8 else "fair"
    title = _("%(good)d of the last %(all)d runs") % {"good": good, "all": len(ended)}
    return format_html('<span class="rate {}" title="{}">{} %</span>', kind, title, round(100 * good / len(ended)))


def durations(dag: Dag) -> SafeString:
    """The durations of the last successes as a line, with their median and 95th percentile."""
    taken = [run.took for run in last_runs(dag) if run.took is not None and run.state == RunState.SUCCESS]
    if not taken:
        return SafeString(EMPTY)
    median, slow = quantile(taken, 0.5), quantile(taken, 0.95)
    title = _("The last %(count)d successes: half took at most %(median)s, 95 %% at most %(slow)s.") % {
        "count": len(taken),
        "median": show.seconds(median),
        "slow": show.seconds(slow),
    }
    return format_html(
        '<span class="took" title="{}">{}<span><b>{}</b><span class="below">p95 {}</span></span></span>',
        title,
        _sparkline(taken),
        show.seconds(median),
        show.seconds(slow),
    )


def quantile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least this share of the values does not exceed."""
    ordered = sorted(values)
    return ordered[max(0, -(-int(share * 1000) * len(ordered) // 1000) - 1)]


def _sparkline(values: Sequence[float]) -> SafeString:
    if len(values) < 2:
        return SafeString("")
    most = max(values) or 1.0
    step = (_WIDTH - 4) / (len(values) - 1)
    points = " ".join(
        f"{2 + place * step:.1f},{_HEIGHT - 3 - (_HEIGHT - 6) * value / most:.1f}" for place, value in enumerate(values)
    )
    return format_html(
        '<svg class="spark" width="{0}" height="{1}" viewBox="0 0 {0} {1}" aria-hidden="true">'
        '<polyline points="{2}"/></svg>',
        _WIDTH,
        _HEIGHT,
        points,
    )


def next_run(dag: Dag) -> SafeString:
    """How long until the next run, with the schedule below."""
    row: Schedule | None = getattr(dag, "schedule", None)
    if row is None:
        return SafeString(EMPTY)
    words = show.schedule(schedules.spec_of(row))
    return format_html(
        '<span class="next">{}<span class="below">{}</span></span>', _until(row), link_to("schedule", row.pk, words)
    )


def _until(row: Schedule) -> SafeString:
    if row.next_at is None:
        return SafeString(EMPTY)
    now = timezone.now()
    if row.next_at <= now:
        return format_html("{}", _("due now"))
    said = _("in %s") % show.duration(now, row.next_at)
    at = timezone.localtime(row.next_at)
    title = at.strftime("%Y-%m-%d %H:%M:%S %z")
    return format_html('<time datetime="{}" title="{}">{}</time>', at.isoformat(), title, said)


def switch(dag: Dag, request: HttpRequest, may: bool) -> SafeString:
    """The switch of a DAG; who may not use it sees how it stands."""
    if dag.deleted_at is not None:
        return show.badge("deleted")
    if not may:
        return show.badge("paused" if dag.paused_at else "active")
    place = "resume" if dag.paused_at else "pause"
    url = reverse(f"admin:workflows_dag_{place}", args=[dag.pk])
    label = _("Resume %s") % dag.dag_id if dag.paused_at else _("Pause %s") % dag.dag_id
    return format_html(
        '<button type="submit" class="switch" role="switch" aria-checked="{}" aria-label="{}" title="{}"'
        ' formaction="{}?{}" formnovalidate></button>',
        "false" if dag.paused_at else "true",
        _("%s may run") % dag.dag_id,
        label,
        url,
        urlencode({"list": request.GET.urlencode()}),
    )


def acts(dag: Dag, may_run: bool) -> SafeString:
    """The way to the launch form."""
    if not may_run or dag.deleted_at is not None or dag.current_version_id is None:
        return SafeString("")
    return format_html(
        '<a class="btn small" href="{}">{} {}</a>',
        reverse("admin:workflows_dag_run", args=[dag.pk]),
        show.icon("play"),
        _("Run now"),
    )


def back(request: HttpRequest) -> str:
    """Where the switch leads: to the list that it was used in, or to the DAG's page ("")."""
    if "list" not in request.GET:
        return ""
    query = request.GET["list"]
    return reverse("admin:workflows_dag_changelist") + (f"?{query}" if query else "")
