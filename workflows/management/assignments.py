"""`--param K=V` words as parameters."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.core.management.base import CommandError

from workflows.core.params import coerce_text
from workflows.engine import plans
from workflows.models import DagVersion


def params_of(version: DagVersion, given: Iterable[str]) -> dict[str, Any]:
    """The values of K=V words, read by the declared type of each parameter."""
    specs = plans.params_of(version.pk)
    values: dict[str, Any] = {}
    for word in given:
        name, equals, value = word.partition("=")
        if not equals or not name:
            raise CommandError(f"--param {word}: write it as NAME=VALUE.")
        values[name] = coerce_text(specs[name], value) if name in specs else value
    return values
