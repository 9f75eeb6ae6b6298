"""Which of the tasks that wait for room within a limit may go. Pure."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A held task, what it takes of each limit, by the limit's name; a limit that is not known has no bound."""

    id: int
    needs: Mapping[Hashable, int]


def choose(candidates: Iterable[Candidate], room: dict[Hashable, int]) -> list[int]:
    """The ids that fit, first come first served; `room` (what each limit has left) is used up on the way.

    A task that does not fit lets others pass: what it waits for may be a limit of its own run, and a pool is not to
    stand idle for that.
    """
    chosen: list[int] = []
    for candidate in candidates:
        if all(room.get(limit, need) >= need for limit, need in candidate.needs.items()):
            for limit, need in candidate.needs.items():
                if limit in room:
                    room[limit] -= need
            chosen.append(candidate.id)
    return chosen
