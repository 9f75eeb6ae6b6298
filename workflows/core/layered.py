"""Where tasks are shown when nobody placed them: longest path for the columns, barycentres for the rows. Pure.

A place is the upper left corner of a task, x to the right and y down, in pixels. frontend/src/graph/layered.ts does the
same for what is drawn and not published yet; a test holds the two to one spacing.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from workflows.core import graph

Place = tuple[int, int]
Upstreams = Mapping[str, Collection[str]]

WIDTH, HEIGHT = 184, 52
GAP_X, GAP_Y = 60, 24
_ACROSS, _DOWN = WIDTH + GAP_X, HEIGHT + GAP_Y
_SWEEPS = 4


def completed(upstreams: Upstreams, known: Mapping[str, Sequence[float]]) -> dict[str, Place]:
    """A place for every id of the graph: the known one, else beside its upstreams; all anew when none is known."""
    placed = {task: (round(known[task][0]), round(known[task][1])) for task in upstreams if task in known}
    if not placed:
        return layered(upstreams)
    spots = _Spots(placed.values())
    bottom, left = max(y for _, y in placed.values()) + _DOWN, min(x for x, _ in placed.values())
    for task in graph.topological_order(upstreams):
        if task not in placed:
            sources = [placed[source] for source in upstreams[task] if source in placed]
            wanted = _beside(sources) if sources else (left, bottom)
            placed[task] = spots.take(wanted)
    return placed


def layered(upstreams: Upstreams) -> dict[str, Place]:
    """Places for every id of a graph without cycles, given as {id: ids of its upstreams}."""
    columns = graph.levels(upstreams)
    downstreams = graph.downstreams(upstreams)
    for sweep in range(_SWEEPS):
        back = sweep % 2 == 1
        _order(columns[::-1] if back else columns, downstreams if back else upstreams)
    return {
        task: (depth * _ACROSS, round((at - (len(column) - 1) / 2) * _DOWN))
        for depth, column in enumerate(columns)
        for at, task in enumerate(column)
    }


def _order(columns: Sequence[list[str]], neighbours: Upstreams) -> None:
    """Sort each column by where the neighbours of its tasks are; those without neighbours stay where they are."""
    rank = {task: at - len(column) / 2 for column in columns for at, task in enumerate(column)}
    for column in columns:
        weight = {task: _mean([rank[near] for near in neighbours[task] if near in rank], rank[task]) for task in column}
        column.sort(key=weight.__getitem__)
        rank.update((task, at - len(column) / 2) for at, task in enumerate(column))


def _mean(values: Sequence[float], without: float) -> float:
    return sum(values) / len(values) if values else without


def _beside(sources: Sequence[Place]) -> Place:
    return max(x for x, _ in sources) + _ACROSS, round(sum(y for _, y in sources) / len(sources))


class _Spots:
    """The places that are taken, as halves of a task: two tasks at one spot would hide each other."""

    def __init__(self, places: Collection[Place]) -> None:
        self._taken = {_spot(place) for place in places}
        self._next: dict[Place, int] = {}  # where to go on for a wanted place, or a wide fan-out takes quadratic time

    def take(self, wanted: Place) -> Place:
        """The wanted place, or the first free one below it."""
        x, y = wanted[0], self._next.get(wanted, wanted[1])
        while _spot((x, y)) in self._taken:
            y += _DOWN
        self._taken.add(_spot((x, y)))
        self._next[wanted] = y + _DOWN
        return x, y


def _spot(place: Place) -> Place:
    return round(place[0] / (WIDTH / 2)), round(place[1] / (HEIGHT / 2))
