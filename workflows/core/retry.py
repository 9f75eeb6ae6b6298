"""When a failed attempt is tried again. Pure: the random number comes in."""

from __future__ import annotations

from workflows.core.spec import RetrySpec


def may_retry(policy: RetrySpec, failures: int) -> bool:
    """Whether a task whose `failures` attempts (this one included) failed has tries left."""
    return failures < policy.max_attempts


def delay_before(policy: RetrySpec, failures: int, chance: float) -> float:
    """Seconds to wait before the try after failure number `failures` (from 1); `chance` is in [0, 1).

    The delay grows by `backoff` with each failure up to `max_delay`. With jitter it lies between half of that and the
    whole: tasks that failed together do not come back together, and none comes back at once.
    """
    exponent = min(max(failures - 1, 0), 1000)
    try:
        delay = policy.delay * policy.backoff**exponent
    except OverflowError:
        delay = float("inf")
    delay = min(delay, policy.max_delay if policy.max_delay is not None else 7 * 86_400.0)
    return delay * (0.5 + 0.5 * chance) if policy.jitter else delay
