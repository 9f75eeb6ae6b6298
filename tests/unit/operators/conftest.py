from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.unit.operators.fakes import Configure
from workflows.conf import conf


@pytest.fixture
def configure(settings) -> Iterator[Configure]:
    """Change Celeriac's settings for one test."""

    def change(**values: object) -> None:
        settings.CELERIAC = {**getattr(settings, "CELERIAC", {}), **values}
        conf.reload()

    yield change
    conf.reload()
