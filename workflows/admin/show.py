"""How the pages write states, durations, JSON and logs. Everything returned is escaped or plain text."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any

from django.templatetags.static import static
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from workflows.conf import conf
from workflows.core.diff import Difference
from workflows.core.spec import ScheduleSpec
from workflows.core.states import TaskState
from workflows.models import Node, words

# Symbol and text carry the meaning; colour only helps (pages.css, class st-<state>).
_LOOK: Mapping[str, tuple[str, Promise]] = MappingProxyType(
    {
        TaskState.PENDING.value: ("○", _("pending")),
        TaskState.QUEUED.value: ("◔", _("queued")),
        TaskState.RUNNING.value: ("▶", _("running")),
        TaskState.DEFERRED.value: ("…", _("deferred")),
        TaskState.RETRYING.value: ("↻", _("retrying")),
        TaskState.SUCCESS.value: ("✓", _("success")),
        TaskState.FAILED.value: ("✗", _("failed")),
        TaskState.SKIPPED.value: ("↷", _("skipped")),
        TaskState.UPSTREAM_FAILED.value: ("⊘", _("upstream failed")),
        TaskState.CANCELLED.value: ("■", _("cancelled")),
        # Not states: marks and ends of attempts.
        "paused": ("‖", _("paused")),
        "deleted": ("⌫", _("deleted")),
        # Of backfills and their dates.
        "waiting": ("○", _("waiting")),
        "started": ("▶", _("started")),
        "done": ("✓", _("done")),
        "refused": ("⊘", _("refused")),
        "active": ("●", _("active")),
        "alive": ("●", _("alive")),
        "silent": ("!", _("silent")),
        "stalled": ("!", _("stands still")),
        "stopped": ("■", _("stopped")),
        "lost": ("!", _("lost")),
        "handed_back": ("↩", _("handed back")),
    }
)
STATE_ORDER = [s.value for s in TaskState]
_ANSI = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)")
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


def badge(state: str, *, count: int | None = None) -> SafeString:
    """A state as symbol, text and colour; with `count`, how many are in it."""
    symbol, label = _LOOK.get(state, ("·", state))
    number = format_html(' <span class="n">{}</span>', count) if count is not None else ""
    return format_html(
        '<span class="badge st-{}"><span class="sym" aria-hidden="true">{}</span>{}{}</span>',
        state,
        symbol,
        label,
        number,
    )


def label(state: str) -> str:
    """The state's name in the reader's language."""
    return str(_LOOK[state][1]) if state in _LOOK else state


def symbol(state: str) -> str:
    """The state's symbol alone, for narrow places that also carry a title."""
    return _LOOK.get(state, ("·", ""))[0]


def icon(name: str) -> SafeString:
    """A drawing of icons.svg, beside words that say the same."""
    return format_html(
        '<svg class="icon" aria-hidden="true" focusable="false"><use href="{}#{}"></use></svg>',
        static("workflows/icons.svg"),
        name,
    )


def reason(word: str) -> str:
    """A word of the reason vocabulary, as it is read."""
    return str(words.of(word))


def schedule(spec: ScheduleSpec) -> str:
    """A schedule in one line."""
    said = ""
    if spec.cron is not None:
        said = spec.cron
    elif spec.interval is not None:
        said = gettext("every %s") % seconds(spec.interval)
    elif spec.at is not None:
        said = gettext("at %s") % spec.at.isoformat(sep=" ")
    elif spec.after is not None:
        return gettext("after %s") % ", ".join(spec.after)
    return f"{said} {spec.timezone}" if spec.timezone != "UTC" else said


def difference(found: Difference) -> str:
    """What changed, in one line."""
    counts = (
        (len(found.added), gettext("%d added")),
        (len(found.removed), gettext("%d removed")),
        (len(found.changed), gettext("%d changed")),
    )
    parts = [text % count for count, text in counts if count]
    parts = [gettext("tasks: %s") % ", ".join(parts)] if parts else []
    parts += [gettext("settings changed")] if found.settings else []
    return "; ".join(parts) or (gettext("no change") if found.same else gettext("changed in its text only"))


def when(moment: datetime | None) -> SafeString:
    """A moment in the reader's time zone, sortable by eye; the title has the offset."""
    if moment is None:
        return SafeString("–")
    local = timezone.localtime(moment)
    return format_html(
        '<time datetime="{}" title="{}">{}</time>',
        local.isoformat(),
        local.strftime("%Y-%m-%d %H:%M:%S %z"),
        local.strftime("%Y-%m-%d %H:%M:%S"),
    )


def duration(start: datetime | None, end: datetime | None = None) -> str:
    """Wall time from start to end, or to now: 0.4 s, 12 s, 3 m 05 s, 2 h 10 m, 3 d 4 h."""
    if start is None:
        return ""
    return seconds(max(0.0, ((end or timezone.now()) - start).total_seconds()))


def seconds(total: float) -> str:
    """A number of seconds as people say it."""
    if total < 10:
        return gettext("%s s") % f"{total:.1f}"
    whole = int(total)
    if whole < 60:
        return gettext("%s s") % whole
    if whole < 3600:
        return gettext("%(minutes)d m %(seconds)02d s") % {"minutes": whole // 60, "seconds": whole % 60}
    if whole < 86_400:
        return gettext("%(hours)d h %(minutes)02d m") % {"hours": whole // 3600, "minutes": whole % 3600 // 60}
    return gettext("%(days)d d %(hours)d h") % {"days": whole // 86_400, "hours": whole % 86_400 // 3600}


def pretty(value: Any) -> str:
    """JSON for people."""
    return json.dumps(value, indent=2, ensure_ascii=False)


def log_text(text: str) -> str:
    """Log text for a page: without colour codes and control characters, carriage returns made line ends."""
    plain = _ANSI.sub("", text).replace("\r\n", "\n").replace("\r", "\n")
    return _CONTROL.sub("", plain)


def size(characters: int) -> str:
    """A size in characters, rounded."""
    if characters < 1000:
        return str(characters)
    return f"{characters / 1000:.0f} k" if characters < 1_000_000 else f"{characters / 1_000_000:.1f} M"


def alive_since() -> datetime:
    """A node that was heard of after this moment is alive."""
    return timezone.now() - timedelta(seconds=conf.LEASE_SECONDS)


def node_state(node: Node) -> str:
    """stopped, silent (no heartbeat for the length of a lease), stalled (takes nothing of what waits), or alive."""
    if node.stopped_at is not None:
        return "stopped"
    if node.heartbeat_at <= alive_since():
        return "silent"
    return "stalled" if node.stalled_at is not None else "alive"


@dataclass(frozen=True, slots=True, kw_only=True)
class DiffLine:
    """A line of a unified diff: add, del, hunk or same."""

    kind: str
    text: str


def diff_lines(difference: Difference) -> Iterator[DiffLine]:
    """The lines of a text, without the two that name the sides."""
    kinds = {"+": "add", "-": "del", "@": "hunk"}
    for line in difference.text.splitlines()[2:]:
        yield DiffLine(kind=kinds.get(line[:1], "same"), text=line)
