"""What a run must come to, from the definition alone: no engine, no counters, no code of core.joins.

Each task of a script has what its attempts do ("ok" or "fail", in order; the last repeats), its
condition, and its rule.
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Scripted:
    """One task of a scripted DAG. `upstream` are ids; of the `branches`, `choice` goes on ("": none of them)."""

    id: str
    upstream: tuple[str, ...]
    rule: str = "all_success"
    acts: tuple[str, ...] = ("ok",)
    tries: int = 1
    condition: bool = True
    allow_failure: bool = False
    branches: tuple[str, ...] | None = None
    choice: str = ""


@dataclass(slots=True)
class Expected:
    """The final state of each task, how many attempts run code, and the run's state."""

    states: dict[str, str] = field(default_factory=dict)
    executions: dict[str, int] = field(default_factory=dict)
    run: str = "success"


def expect(tasks: list[Scripted]) -> Expected:
    """Work out the end of a run; `tasks` are in topological order."""
    end = Expected()
    by_id = {task.id: task for task in tasks}
    for task in tasks:
        end.states[task.id], end.executions[task.id] = settle(task, by_id, end.states)
    leaves = set(by_id) - {up for task in tasks for up in task.upstream}
    for leaf in leaves:
        state = end.states[leaf]
        if state == "upstream_failed" or (state == "failed" and not by_id[leaf].allow_failure):
            end.run = "failed"
    return end


def settle(task: Scripted, by_id: dict[str, Scripted], states: dict[str, str]) -> tuple[str, int]:
    for up in task.upstream:
        above = by_id[up]
        chosen_between = above.branches is not None and task.id in above.branches and states[up] == "success"
        if chosen_between and above.choice != task.id and task.rule != "always":
            return "skipped", 0
    fate = _fate(task.rule, [_counts(by_id[up], states[up]) for up in task.upstream])
    if fate != "run":
        return fate, 0
    if not task.condition:
        return "skipped", 0
    acts = [task.acts[min(n, len(task.acts) - 1)] for n in range(task.tries)]
    if "ok" in acts:
        return "success", acts.index("ok") + 1
    return "failed", task.tries


def _counts(task: Scripted, state: str) -> str:
    if state == "failed" and task.allow_failure:
        return "success"
    return "failed" if state == "upstream_failed" else state


def _fate(rule: str, ups: list[str]) -> str:
    bad, skipped, good = "failed" in ups, "skipped" in ups, "success" in ups
    if not ups or rule in ("all_done", "always"):
        return "run"
    if rule == "all_failed":
        return "run" if set(ups) == {"failed"} else "skipped"
    if rule == "one_failed":
        return "run" if bad else "skipped"
    if rule == "one_success" and good:
        return "run"
    if rule == "none_skipped":
        return "skipped" if skipped else "run"
    if bad:  # what is left are all_success, one_success, none_failed and none_failed_min_one_success
        return "upstream_failed"
    if rule == "none_failed":
        return "run"
    if rule == "none_failed_min_one_success":
        return "run" if good else "skipped"
    return "skipped" if skipped else "run"
