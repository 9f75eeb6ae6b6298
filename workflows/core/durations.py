"""Durations and quantities as people write them: "1h30m", "PT10M", "512Mi", "500m"; pure text to numbers."""

from __future__ import annotations

import math
import re

_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0, "w": 604_800.0}
_PART = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|[smhdw])\s*", re.ASCII)
_ISO = re.compile(
    r"P(?:(?P<w>\d+(?:\.\d+)?)W)?(?:(?P<d>\d+(?:\.\d+)?)D)?"
    r"(?:T(?:(?P<h>\d+(?:\.\d+)?)H)?(?:(?P<m>\d+(?:\.\d+)?)M)?(?:(?P<s>\d+(?:\.\d+)?)S)?)?",
    re.ASCII,
)
_NUMBER = re.compile(r"\d+(?:\.\d+)?", re.ASCII)
_MAX_TEXT = 64
MAX_SECONDS = 100 * 366 * 86_400.0  # a century: beyond it a date overflows somewhere

_BINARY = {"Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40, "Pi": 2**50}
_DECIMAL = {"k": 10**3, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12, "P": 10**15}
_BYTES = re.compile(r"(\d+(?:\.\d+)?)\s*(Ki|Mi|Gi|Ti|Pi|k|K|M|G|T|P)?B?", re.ASCII)
_CPU = re.compile(r"(\d+(?:\.\d+)?)(m)?", re.ASCII)

DURATION_HINT = 'is not a duration: write seconds as a number, or text such as "90s", "10m", "1h30m", "2d" or "PT10M"'
BYTES_HINT = 'is not a quantity of bytes: write bytes as a number, or text such as "512Mi", "2Gi" or "500M"'
CPU_HINT = 'is not a number of cores: write cores as a number, or text such as "500m"'


def parse_duration(value: object) -> float:
    """Seconds of a duration; ValueError says how to write one."""
    seconds = _plain_number(value, DURATION_HINT)
    if seconds is None:
        seconds = _duration_text(str(value).strip())
    if seconds > MAX_SECONDS:
        raise ValueError("is longer than a century")
    return seconds


def parse_bytes(value: object) -> int:
    """Bytes of a memory or storage quantity; ValueError says how to write one."""
    number = _plain_number(value, BYTES_HINT)
    if number is None:
        found = _BYTES.fullmatch(str(value).strip()[:_MAX_TEXT])
        if found is None:
            raise ValueError(BYTES_HINT)
        unit = found[2] or ""
        number = float(found[1]) * (_BINARY.get(unit) or _DECIMAL.get(unit, 1))
    if number > 2**62:
        raise ValueError("is too large")
    return round(number)


def parse_cpu(value: object) -> float:
    """Cores of a cpu quantity ("500m" is half a core); ValueError says how to write one."""
    number = _plain_number(value, CPU_HINT)
    if number is not None:
        return number
    found = _CPU.fullmatch(str(value).strip()[:_MAX_TEXT])
    if found is None:
        raise ValueError(CPU_HINT)
    return float(found[1]) / (1000 if found[2] else 1)


def format_duration(seconds: float) -> str:
    """A short text of a duration that parse_duration reads back: "1h30m", "10s", "0.5s"."""
    whole, rest = divmod(round(seconds, 3), 60)
    parts = []
    minutes = int(whole)
    for unit, size in (("d", 1440), ("h", 60), ("m", 1)):
        count, minutes = divmod(minutes, size)
        if count:
            parts.append(f"{count}{unit}")
    if rest or not parts:
        parts.append(f"{rest:.3f}".rstrip("0").rstrip(".") + "s")
    return "".join(parts)


def _plain_number(value: object, hint: str) -> float | None:
    """The value when it is a number that may stand for an amount; None for text to be read."""
    if isinstance(value, str):
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ValueError(hint)
    if not 0 <= value < math.inf:
        raise ValueError("must not be negative" if value < 0 else "must be finite")
    return float(value)


def _duration_text(text: str) -> float:
    if not text or len(text) > _MAX_TEXT:
        raise ValueError(DURATION_HINT)
    if _NUMBER.fullmatch(text):
        return float(text)
    if text[0] == "P":
        return _iso_duration(text)
    total, at = 0.0, 0
    while at < len(text):
        part = _PART.match(text, at)
        if part is None:
            raise ValueError(DURATION_HINT)
        total += float(part[1]) * _SECONDS[part[2]]
        at = part.end()
    return total


def _iso_duration(text: str) -> float:
    found = _ISO.fullmatch(text)
    if found is None or not any(found.groupdict().values()) or text.endswith("T"):
        raise ValueError(DURATION_HINT + "; years and months have no fixed length")
    return sum(float(amount) * _SECONDS[unit] for unit, amount in found.groupdict().items() if amount)
