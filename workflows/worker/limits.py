"""The soft time limit's signal, kept away from where it could only do harm."""

from __future__ import annotations

import signal
import threading
from typing import Any

_SIGNAL = getattr(signal, "SIGUSR1", None)  # billiard's; there is none on Windows
_handler: Any = None


def hold_off() -> None:
    """Ignore the limit from here on: the attempt has its outcome, and an exception in the commit or in what is sent
    after it would leave the tasks below to the reconciler."""
    global _handler
    if _handler is None and _SIGNAL is not None and threading.current_thread() is threading.main_thread():
        _handler = signal.signal(_SIGNAL, signal.SIG_IGN)


def let_through() -> None:
    """Let the limit strike again, for the next task of this process."""
    global _handler
    if _handler is not None and _SIGNAL is not None:
        signal.signal(_SIGNAL, _handler)
        _handler = None
