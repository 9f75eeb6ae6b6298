"""What messages of failures have in common: the same text without the parts that change from run to run."""

from __future__ import annotations

import re

LONGEST = 160
_CHANGING = re.compile(
    r"""
    [0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}     # a UUID
    | \b\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?)?    # a date, with a time or without
    | \b0x[0-9a-f]+\b | \b[0-9a-f]{12,}\b                             # an address, a hash
    | (?:/[\w.@+-]+){2,}                                              # a path
    | '[^'\n]{1,200}' | "[^"\n]{1,200}"                               # a quoted value
    | (?<![\w.])[-+]?\d+(?:\.\d+)?                                    # a number
    """,
    re.VERBOSE | re.IGNORECASE,
)
_KEPT = re.compile(r"(exit code |HTTP |status )(\d{1,3})\b", re.IGNORECASE)


def signature(message: str) -> str:
    """The first line of a message with … in the place of what changes; exit codes and HTTP statuses stay."""
    line = next((line.strip() for line in message.splitlines() if line.strip()), "")[: LONGEST * 4]
    kept = _KEPT.sub(lambda found: found[1] + "".join(chr(0xE000 + int(digit)) for digit in found[2]), line)
    plain = _CHANGING.sub("…", kept)
    text = "".join(str(ord(sign) - 0xE000) if 0xE000 <= ord(sign) <= 0xE009 else sign for sign in plain)
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"
