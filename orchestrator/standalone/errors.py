"""The one way in which the standalone refuses to start."""

from __future__ import annotations

import errno


class CannotStart(Exception):
    """Why it did not start and what mends it, in one sentence: shown as it is, without a traceback."""

    def __init__(self, sentence: str, *, process: str = "") -> None:
        """`process` names the child whose last lines tell more."""
        super().__init__(sentence)
        self.process = process


def from_os(error: OSError, doing: str) -> CannotStart:
    """The sentence for a refusal of the operating system while `doing` (a gerund with its object)."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return CannotStart(
            f"The disk is full ({doing}): free some space, or set CELERIAC_HOME to a directory on a disk that has some."
        )
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return CannotStart(
            f"{error.filename or 'A directory'} is not writable ({doing}): "
            "set CELERIAC_HOME to a directory that you may write to."
        )
    return CannotStart(f"{error.strerror or error} ({doing}{f', {error.filename}' if error.filename else ''}).")
