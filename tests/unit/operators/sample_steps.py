"""Callables for the tests of the python task type."""

from __future__ import annotations

import sys
from functools import partial
from os import getcwd  # an import that must not become callable
from typing import Any

from tests.unit.operators.fakes import SoftLimit
from workflows.operators.base import RetryLater, TaskFailed, TaskSkipped

NOT_CALLABLE = 3
sneaky = partial(getcwd)


def add(a: int, b: int = 1) -> dict[str, int]:
    return {"sum": a + b}


async def later(value: str) -> str:
    return value


def whoami(celeriac_context: dict[str, Any]) -> dict[str, Any]:
    return celeriac_context


class Steps:
    @staticmethod
    def one() -> int:
        return 1


def speak(what: str) -> object:
    match what:
        case "skip":
            raise TaskSkipped("nothing to do")
        case "fail":
            raise TaskFailed("no good", permanent=True)
        case "retry":
            raise RetryLater(30, "come back")
        case "exit":
            sys.exit(3)
        case "exit ok":
            sys.exit()
        case "pool exit":
            sys.exit(-241)
        case "soft":
            raise SoftLimit
        case "nan":
            return float("nan")
        case "object":
            return {"x": object()}
        case _:
            raise KeyError(what)
