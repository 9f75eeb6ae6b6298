"""Trigger rules, by table and by an independent statement of each."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workflows.core.joins import EAGER_RULES, TriggerRule, Upstreams, verdict
from workflows.core.states import TaskState

Q, S, F = TaskState.QUEUED, TaskState.SKIPPED, TaskState.UPSTREAM_FAILED


def ups(success: int = 0, failed: int = 0, skipped: int = 0, waiting: int = 0) -> Upstreams:
    return Upstreams(total=success + failed + skipped + waiting, waiting=waiting, failed=failed, skipped=skipped)


@pytest.mark.parametrize(
    ("rule", "settled", "expected"),
    [
        ("all_success", ups(success=2), Q),
        ("all_success", ups(success=1, failed=1), F),
        ("all_success", ups(success=1, skipped=1), S),
        ("all_success", ups(failed=1, skipped=1), F),
        ("all_failed", ups(failed=2), Q),
        ("all_failed", ups(failed=1, success=1), S),
        ("all_done", ups(failed=1, skipped=1), Q),
        ("one_success", ups(success=1, failed=2), Q),
        ("one_success", ups(failed=1, skipped=1), F),
        ("one_success", ups(skipped=2), S),
        ("one_failed", ups(success=1, failed=1), Q),
        ("one_failed", ups(success=2), S),
        ("none_failed", ups(success=1, skipped=1), Q),
        ("none_failed", ups(success=1, failed=1), F),
        ("none_skipped", ups(success=1, failed=1), Q),
        ("none_skipped", ups(success=1, skipped=1), S),
        ("none_failed_min_one_success", ups(success=1, skipped=1), Q),
        ("none_failed_min_one_success", ups(skipped=2), S),
        ("none_failed_min_one_success", ups(success=1, failed=1), F),
        ("always", ups(failed=1, skipped=1), Q),
    ],
)
def test_what_a_rule_says_of_settled_upstreams(rule: str, settled: Upstreams, expected: TaskState) -> None:
    result = verdict(TriggerRule(rule), settled)
    assert result is not None
    assert result.state is expected


counts = st.builds(ups, *(st.integers(0, 4) for _ in range(4)))


@given(st.sampled_from(TriggerRule), counts)
def test_only_eager_rules_speak_early(rule: TriggerRule, upstreams: Upstreams) -> None:
    result = verdict(rule, upstreams)
    if upstreams.waiting and result is not None:
        assert rule in EAGER_RULES
        assert result.state is Q


@given(st.sampled_from(TriggerRule), counts)
def test_a_rule_always_speaks_in_the_end(rule: TriggerRule, upstreams: Upstreams) -> None:
    settled = ups(upstreams.succeeded, upstreams.failed, upstreams.skipped)
    assert verdict(rule, settled) is not None


@given(st.sampled_from(sorted(EAGER_RULES)), counts, st.sampled_from(["success", "failed", "skipped"]))
def test_an_early_word_is_never_taken_back(rule: TriggerRule, upstreams: Upstreams, rest: str) -> None:
    early = verdict(rule, upstreams)
    if upstreams.waiting and early is not None:
        kinds = {"success": upstreams.succeeded, "failed": upstreams.failed, "skipped": upstreams.skipped}
        kinds[rest] += upstreams.waiting
        assert verdict(rule, ups(**kinds)) == early


def test_a_task_without_upstreams_runs() -> None:
    for rule in TriggerRule:
        result = verdict(rule, ups())
        assert result is not None
        assert result.state is Q


def test_what_still_waits_is_no_success() -> None:
    """Or a task that one success starts would start at the first failure."""
    assert verdict(TriggerRule.ONE_SUCCESS, Upstreams(total=2, waiting=1, failed=1, skipped=0)) is None
    assert Upstreams(total=4, waiting=1, failed=1, skipped=1).succeeded == 1
