"""A stage for each test: these tests kill what the others share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.stack import Stack
from tests.support.staging import Stage, environment


@pytest.fixture
def stage_of(live_stack: Callable[..., Stack], tmp_path: Path) -> Callable[..., Stage]:
    """`stage_of(workers=1, concurrency=2, reconciler=True, **settings)`: short leases, and a ledger."""

    def start(*, workers: int = 1, concurrency: int = 2, reconciler: bool = True, **settings: Any) -> Stage:
        env = environment(tmp_path, **settings)
        return Stage(live_stack(workers=workers, concurrency=concurrency, reconciler=reconciler, env=env), tmp_path)

    return start
