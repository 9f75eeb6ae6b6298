"""Request bodies: JSON in UTF-8, bounded, without what JSON readers disagree about."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import IO, Any

from rest_framework import status
from rest_framework.exceptions import APIException, ParseError
from rest_framework.parsers import BaseParser

from api.conf import MAX_BODY_BYTES


class BodyTooLarge(APIException):
    """The body has more than MAX_BODY_BYTES."""

    status_code = status.HTTP_413_REQUEST_ENTITY_TOO_LARGE
    default_detail = f"The request body is larger than {MAX_BODY_BYTES:,} bytes."
    default_code = "too_large"


class StrictJSONParser(BaseParser):
    """application/json. Repeated keys are refused: which of them counts is anybody's guess."""

    media_type = "application/json"

    def parse(
        self,
        stream: IO[Any],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> Any:
        """The body as plain data; ParseError says what is wrong with it."""
        body = stream.read(MAX_BODY_BYTES + 1)
        if len(body) > MAX_BODY_BYTES:
            raise BodyTooLarge
        try:
            return json.loads(body.decode("utf-8"), object_pairs_hook=_object, parse_constant=_not_finite)
        except RecursionError as error:
            raise ParseError("The body is nested too deep.") from error
        except ValueError as error:  # JSONDecodeError and UnicodeDecodeError are among them
            raise ParseError(f"The body is not JSON: {error}") from error


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise ValueError(f"the key {twice!r} is given twice in one object")
    return found


def _not_finite(word: str) -> Any:
    raise ValueError(f"{word} is not a JSON number")
