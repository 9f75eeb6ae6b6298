"""What a mapped task is mapped over: from its `foreach` to the items."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from workflows.conf import conf
from workflows.core.outcome import Expand, Fail, Outcome
from workflows.core.states import Reason


def items_of(foreach: Any, render: Callable[[Any], Any]) -> Outcome:
    """The items, or why there are none: not a list or a mapping, or more than MAX_ITEMS.

    Of a mapping each item is `{"key": …, "value": …}`.
    """
    value = render(foreach)
    if isinstance(value, Mapping):
        found: tuple[Any, ...] = tuple({"key": str(key), "value": item} for key, item in value.items())
    elif isinstance(value, (list, tuple)):
        found = tuple(value)
    else:
        return _refused(f"foreach came to {_kind(value)}, not to a list or a mapping")
    if len(found) > conf.MAX_ITEMS:
        return _refused(f"foreach came to {len(found)} items, more than MAX_ITEMS ({conf.MAX_ITEMS})")
    return Expand(items=found, keys=isinstance(value, Mapping))


def _refused(message: str) -> Fail:
    return Fail(message=message, reason=Reason.BAD_INPUT, permanent=True)


def _kind(value: Any) -> str:
    text = repr(value)
    return f"{type(value).__name__} {text[:60]}{'…' if len(text) > 60 else ''}"
