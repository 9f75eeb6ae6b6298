"""A plan as text: its size, levels, critical path, and the canvases that it is sent as."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from workflows.conf import conf
from workflows.core import compiler
from workflows.core.plan import Plan
from workflows.management import text

SHOWN_LEVELS = 40
SHOWN_IDS = 8
SHOWN_CANVASES = 60
_KINDS = {"task": "single task", "chain": "chain", "chord": "chord"}


def data(plan: Plan) -> dict[str, Any]:
    """What is known of a plan, with the text and the queues of each canvas."""
    known = compiler.explain(plan)
    for segment in known["segments"]:
        segment["canvas"] = canvas(segment)
        segment["queues"] = [conf.queue_of(pool) for pool in segment.pop("pools")]
    known["dag_id"] = plan.dag_id
    known["largest_message"] = max((segment["bytes"] for segment in known["segments"]), default=0)
    return known


def canvas(segment: Mapping[str, Any]) -> str:
    """`a`, `a > b` or `chord([a, b > c]) > join`."""
    chains = [" > ".join(chain) for chain in segment["chains"]]
    if segment["body"] is None:
        return chains[0]
    return f"chord([{', '.join(_few(chains))}]) > {segment['body']}"


def lines(plan: Plan) -> list[str]:
    """The plan for people."""
    known = data(plan)
    path = known["critical_path"]
    found = [
        f"{plan.dag_id}: {text.counted(known['tasks'], 'task')}, {text.counted(known['edges'], 'edge')}, "
        f"{text.counted(len(known['levels']), 'level')}",
        f"critical path ({text.counted(len(path), 'task')}): {' > '.join(_few(path))}",
        "",
        "levels (a task starts when its own upstreams have settled, not when a level has)",
        *_levels(known["levels"]),
        "",
        _kinds(known),
        *_canvases(known["segments"]),
    ]
    return [text.cut(line, 400) for line in found]


def _levels(levels: Sequence[Sequence[str]]) -> list[str]:
    shown = list(enumerate(levels, start=1))
    if len(shown) > SHOWN_LEVELS:
        shown = [*shown[: SHOWN_LEVELS - 5], *shown[-5:]]
    rows, before = [], 0
    for number, ids in shown:
        if number > before + 1:
            rows.append(f"  … {text.counted(number - before - 1, 'level')} …")
        size = f" ({text.counted(len(ids), 'task')})" if len(ids) > SHOWN_IDS else ""
        rows.append(f"  {number:>4}  {', '.join(_few(ids))}{size}")
        before = number
    return rows


def _kinds(known: Mapping[str, Any]) -> str:
    kinds = ", ".join(text.counted(count, _KINDS[kind]) for kind, count in sorted(known["kinds"].items()))
    total = text.counted(len(known["segments"]), "canvas").replace("canvass", "canvases")
    largest = f"; the largest message has at most {known['largest_message']:,} bytes" if kinds else ""
    return f"{total}{': ' if kinds else ''}{kinds}{largest}"


def _canvases(segments: Sequence[Mapping[str, Any]]) -> list[str]:
    rows = [[", ".join(s["queues"]), f"{s['bytes']:,}", s["canvas"]] for s in segments[:SHOWN_CANVASES]]
    if not rows:
        return []
    table = text.table(["  queue", "bytes", "canvas"], [["  " + row[0], *row[1:]] for row in rows])
    left = len(segments) - len(rows)
    return [*table, f"  … and {left:,} more"] if left else table


def _few(ids: Sequence[str]) -> list[str]:
    """The ids when they are few, else the first and the last ones."""
    return list(ids) if len(ids) <= SHOWN_IDS else [*ids[: SHOWN_IDS - 2], "…", ids[-1]]
