"""The formats of texts that a parameter may declare, each as one pattern: what a form checks, the server checks too."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

MAX_TEXT = 10_000  # a pattern is tried on no longer text: its time may grow fast

# A day that there is. The year 0000 is none for Python, nor is it for us.
_DAY = (
    r"(?!0000)(?:[0-9]{4}-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])|(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)"
    r"|02-(?:0[1-9]|1[0-9]|2[0-8]))"
    r"|(?:[0-9]{2}(?:0[48]|[2468][048]|[13579][26])|(?:[02468][048]|[13579][26])00)-02-29)"
)
_HOUR = r"(?:[01][0-9]|2[0-3]):[0-5][0-9]"
_TIME = rf"{_HOUR}(?::[0-5][0-9](?:\.[0-9]{{1,6}})?)?(?:Z|[+-]{_HOUR})?"
_AMOUNT = r"[0-9]+(?:\.[0-9]+)?"
_ISO_DURATION = (
    rf"P(?=[0-9]|T[0-9])(?:{_AMOUNT}W)?(?:{_AMOUNT}D)?(?:T(?=[0-9])(?:{_AMOUNT}H)?(?:{_AMOUNT}M)?(?:{_AMOUNT}S)?)?"
)
_HEX = "[0-9a-fA-F]"


@dataclass(frozen=True, slots=True, kw_only=True)
class TextFormat:
    """A format. `pattern` means the same to Python and to JavaScript; `standard` formats are also those of JSON Schema.

    Where JSON Schema's own format of that name refuses what people write here (times without an offset, `10m`), it is
    not named in schemas: a library that enforces it would refuse what the server takes.
    """

    pattern: str
    hint: str
    standard: bool = False
    max_length: int = MAX_TEXT

    def fits(self, text: str) -> bool:
        """Whether a text has the format."""
        return len(text) <= self.max_length and re.search(self.pattern, text) is not None


def _whole(pattern: str) -> str:
    # Python's $ also matches before a line end at the end of the text; JavaScript's does not.
    return rf"^(?:{pattern})$(?!\n)"


FORMATS: Mapping[str, TextFormat] = MappingProxyType(
    {
        "date": TextFormat(pattern=_whole(_DAY), hint="a date such as 2025-01-31", standard=True),
        "date-time": TextFormat(
            pattern=_whole(rf"{_DAY}[T ]{_TIME}"), hint="a date and time such as 2025-01-31T02:00:00"
        ),
        "time": TextFormat(pattern=_whole(_TIME), hint="a time such as 02:00"),
        "duration": TextFormat(
            pattern=_whole(rf"{_AMOUNT}|(?:{_AMOUNT} *(?:ms|[smhdw]) *)+|{_ISO_DURATION}"),
            hint="a duration such as 90s, 10m or 1h30m",
            max_length=64,
        ),
        "email": TextFormat(
            pattern=_whole(r"[^@\s]+@[^@\s.]+(?:\.[^@\s.]+)+"), hint="an e-mail address", standard=True
        ),
        "uri": TextFormat(
            pattern=_whole(r"[A-Za-z][A-Za-z0-9+.-]*:\S+"), hint="a URI such as https://example.com/", standard=True
        ),
        "uuid": TextFormat(
            pattern=_whole(rf"{_HEX}{{8}}(?:-{_HEX}{{4}}){{3}}-{_HEX}{{12}}"), hint="a UUID", standard=True
        ),
    }
)
