"""Settings that a test changes reach the engine, and are forgotten afterwards."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from workflows.conf import conf


@pytest.fixture
def reload_conf() -> Iterator[Callable[[], None]]:
    """Call after changing settings.CELERIAC."""
    yield conf.reload
    conf.reload()
