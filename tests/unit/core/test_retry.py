"""Backoff: grows, is bounded, is spread."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from workflows.core.retry import delay_before, may_retry
from workflows.core.spec import RetrySpec


def test_the_first_try_counts() -> None:
    assert not may_retry(RetrySpec(max_attempts=1), 1)
    assert may_retry(RetrySpec(max_attempts=2), 1)
    assert not may_retry(RetrySpec(max_attempts=2), 2)


def test_delays_grow_up_to_the_bound() -> None:
    policy = RetrySpec(max_attempts=9, delay=10, backoff=2, max_delay=60)
    assert [delay_before(policy, n, 0.9) for n in (1, 2, 3, 4, 5)] == [10, 20, 40, 60, 60]


@given(st.floats(0, 1e6), st.floats(1, 100), st.integers(1, 10_000), st.floats(0, 1, exclude_max=True), st.booleans())
def test_a_delay_is_finite_and_within_its_bounds(
    delay: float, backoff: float, failures: int, chance: float, jitter: bool
) -> None:
    policy = RetrySpec(max_attempts=2, delay=delay, backoff=backoff, max_delay=3600, jitter=jitter)
    waited = delay_before(policy, failures, chance)
    assert 0 <= waited <= 3600
    if jitter:
        assert waited >= min(delay, 3600) * 0.5
