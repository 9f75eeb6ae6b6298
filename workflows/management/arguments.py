"""Words of the command line as values."""

from __future__ import annotations

from argparse import ArgumentTypeError


def slots(text: str) -> int | None:
    """A number of slots, or None for `none`."""
    if text == "none":
        return None
    try:
        number = int(text)
    except ValueError:
        number = -1
    if number < 0:
        raise ArgumentTypeError(f"{text} is neither a whole number from 0 on nor none")
    return number


def priority(text: str) -> int:
    """A priority from 0 to 9."""
    if text not in tuple("0123456789"):
        raise ArgumentTypeError(f"{text} is not a number from 0 to 9")
    return int(text)
