"""The faults, by what they hit.

What a fault does is drawn before anything is done, so that a seed is the same story each time.
"""

from __future__ import annotations

from tests.chaos.harness.faults import broker, database, processes
from tests.chaos.harness.faults.kinds import KINDS, Harm, Kind

__all__ = ["KINDS", "Harm", "Kind", "broker", "database", "processes"]
