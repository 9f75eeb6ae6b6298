"""Ways to take a mechanism out of Celeriac, in one process, by patching it from outside.

Nothing of this can be reached in production: the app that applies it is in the settings of the harness only.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def _rewrite(module: Any, name: str, *replaced: tuple[str, str]) -> None:
    """Change a statement; AssertionError when it no longer has that part, so that no mutation rots into a no-op."""
    text = getattr(module, name)
    for old, new in replaced:
        assert old in text, f"{module.__name__}.{name} has no {old!r} any more: mend the mutation"
        text = text.replace(old, new)
    setattr(module, name, text)


def fencing() -> None:
    """An outcome is accepted from whoever brings one: neither token nor attempt are asked for."""
    from workflows.engine.transitions import hot, moves

    for name in ("_SUCCEED_ABOVE_ONE", "_SUCCEED_ABOVE_MANY", "_SUCCEED_ABOVE_WIDE"):
        _rewrite(hot, name, ("AND t.token = %(token)s", ""))
    _rewrite(moves, "_CLOSE", ("AND t.attempt = %(attempt)s", "AND %(attempt)s > 0"))
    _rewrite(moves, "_CLOSE", ("OR t.token = %(token)s::uuid", "OR %(token)s::uuid IS NOT NULL"))


def reconciler() -> None:
    """Nobody sweeps, whoever asks for it."""
    from workflows.engine import reconcile

    reconcile.sweep = lambda **_: reconcile.Sweep()  # type: ignore[assignment]


def leases() -> None:
    """A lease that is over is not noticed."""
    from workflows.engine import reconcile

    reconcile._expired_leases = lambda after: 0


def epoch() -> None:
    """That the broker lost its memory is not noticed."""
    from workflows.engine import redeliver

    redeliver._broker_forgot = lambda: None


def claims() -> None:
    """A message is obeyed though its attempt runs already."""
    from workflows.engine.transitions import claims

    _rewrite(claims, "_CLAIM_ONE", ("AND t.state = 'queued'", "AND t.state IN ('queued', 'running')"))
    attempt = "SELECT id, attempt, %(token)s, %(node)s FROM claimed"
    _rewrite(claims, "_CLAIM_ONE", (attempt, f"{attempt} ON CONFLICT DO NOTHING"))


def at_most_once() -> None:
    """A task that may run once only is treated as any other when its worker is lost."""
    from dataclasses import replace

    from workflows.engine import plans

    plan_of = plans.plan_of

    def forgetful(version_id: int) -> Any:
        plan = plan_of(version_id)
        return replace(plan, tasks=tuple(replace(task, at_most_once=False) for task in plan.tasks))

    forgetful.cache_clear = plan_of.cache_clear  # type: ignore[attr-defined]
    plans.plan_of = forgetful  # type: ignore[assignment]


def answers() -> None:
    """A statement that is tried again after its answer was lost does not look whether it was done."""
    from workflows.engine import finish
    from workflows.engine.transitions import claims

    claims._CLAIMED_BEFORE = "SELECT 1 WHERE false"
    finish._is_done = lambda held: False


def verdicts() -> None:
    """A task whose verdict was missed is not found again."""
    from workflows.engine import reconcile

    reconcile._undecided = lambda after: 0


def parents() -> None:
    """A task whose child run has ended unseen is not found again."""
    from workflows.engine import reconcile

    reconcile._parents = lambda: 0


MUTATIONS: dict[str, Callable[[], None]] = {
    mutation.__name__: mutation
    for mutation in (fencing, reconciler, leases, epoch, claims, at_most_once, answers, verdicts, parents)
}
