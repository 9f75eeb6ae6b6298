"""Values between JSON and databases."""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from workflows.core.outcome import Json


def to_json(value: Any) -> Json:
    """A database value as JSON.

    Dates and times are ISO text, bytes base64, intervals seconds. A decimal is a number if that loses
    nothing, else text; so are the floats that JSON does not have.
    """
    match value:
        case None | bool() | int() | str():
            return value
        case float():
            return value if math.isfinite(value) else str(value)
        case Decimal():
            return _decimal(value)
        case datetime() | date() | time():
            return value.isoformat()
        case timedelta():
            return value.total_seconds()
        case bytes() | bytearray() | memoryview():
            return base64.b64encode(bytes(value)).decode("ascii")
        case UUID():
            return str(value)
        case Mapping():
            return {str(key): to_json(inner) for key, inner in value.items()}
        case list() | tuple() | set() | frozenset():
            return [to_json(inner) for inner in value]
    return str(value)


def _decimal(value: Decimal) -> int | float | str:
    if not value.is_finite():
        return str(value)
    if value == value.to_integral_value() and value.adjusted() < 30:
        return int(value)
    number = float(value)
    return number if math.isfinite(number) and Decimal(repr(number)) == value else str(value)


def to_database(value: Json) -> Any:
    """A JSON value for a driver: lists and maps as JSON text, the rest as it is."""
    return json.dumps(value) if isinstance(value, list | dict) else value
