"""Questions to a graph given as {id: ids of its upstreams}, answered in linear time and without recursion.

Chains may be 10,000 deep. Upstreams that are not themselves keys are ignored. The order of the mapping
decides every tie, so answers are stable.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Hashable, Iterable, Iterator, Mapping
from typing import Any, TypeVar

from workflows.core.errors import CeleriacError

Node = TypeVar("Node", bound=Hashable)
Graph = Mapping[Node, Collection[Node]]


class CycleFound(CeleriacError):
    """The DAG has a cycle: {path}"""

    def __init__(self, cycle: tuple[Any, ...]) -> None:
        self.cycle = cycle
        super().__init__(path=written(cycle))


def written(cycle: Iterable[object]) -> str:
    """A cycle as text, in the order the tasks would run: "a → b → c → a"."""
    ids = [str(node) for node in cycle]
    return " → ".join([*ids, *ids[:1]])


def downstreams(graph: Graph[Node]) -> dict[Node, list[Node]]:
    """The graph turned round: each id with the ids that wait for it."""
    turned: dict[Node, list[Node]] = {node: [] for node in graph}
    for node, upstreams in graph.items():
        for upstream in dict.fromkeys(upstreams):
            if upstream in turned:
                turned[upstream].append(node)
    return turned


def topological_order(graph: Graph[Node]) -> list[Node]:
    """Every id after all its upstreams, otherwise in the order of the mapping; raises CycleFound."""
    order = _kahn(graph)
    if len(order) < len(graph):
        cycle = find_cycle(graph)
        assert cycle is not None
        raise CycleFound(cycle)
    return order


def _kahn(graph: Graph[Node]) -> list[Node]:
    """The ids that can be ordered: all of them unless there is a cycle."""
    after = downstreams(graph)
    waiting = dict.fromkeys(graph, 0)
    for node in after:
        for downstream in after[node]:
            waiting[downstream] += 1
    ready = deque(node for node, count in waiting.items() if not count)
    order = []
    while ready:
        node = ready.popleft()
        order.append(node)
        for downstream in after[node]:
            waiting[downstream] -= 1
            if not waiting[downstream]:
                ready.append(downstream)
    return order


def levels(graph: Graph[Node]) -> list[list[Node]]:
    """The ids by level: first those without upstreams, then each one level after its highest upstream.

    Raises CycleFound.
    """
    level: dict[Node, int] = {}
    rows: list[list[Node]] = []
    for node in topological_order(graph):
        level[node] = max((level[up] + 1 for up in graph[node] if up in level), default=0)
        if level[node] == len(rows):
            rows.append([])
        rows[level[node]].append(node)
    return rows


def critical_path(graph: Graph[Node], weights: Mapping[Node, float] | None = None) -> list[Node]:
    """The heaviest path through the graph; a node weighs 1 when no weights are given. Raises CycleFound."""
    best: dict[Node, float] = {}
    came_from: dict[Node, Node | None] = {}
    for node in topological_order(graph):
        upstream = max((up for up in graph[node] if up in best), key=best.__getitem__, default=None)
        weight = weights.get(node, 0.0) if weights is not None else 1.0
        came_from[node] = upstream
        best[node] = weight + (best[upstream] if upstream is not None else 0.0)
    last = max(best, key=best.__getitem__, default=None)
    path: list[Node] = []
    while last is not None:
        path.append(last)
        last = came_from[last]
    return path[::-1]


def reachable(graph: Graph[Node], start: Iterable[Node]) -> set[Node]:
    """What can be reached from `start` along the mapping: ancestors, or descendants of a turned graph.

    The starting ids themselves are included only when they can be reached.
    """
    seen: set[Node] = set()
    todo = [up for node in start for up in graph.get(node, ())]
    while todo:
        node = todo.pop()
        if node not in seen and node in graph:
            seen.add(node)
            todo.extend(graph[node])
    return seen


def components(graph: Graph[Node]) -> Iterator[list[Node]]:
    """The strongly connected components, every one after those upstream of it (Tarjan, without recursion)."""
    index: dict[Node, int] = {}
    low: dict[Node, int] = {}
    open_nodes: dict[Node, None] = {}
    for root in graph:
        if root in index:
            continue
        index[root] = low[root] = len(index)
        open_nodes[root] = None
        path = [(root, iter(graph[root]))]
        while path:
            node, rest = path[-1]
            for upstream in rest:
                if upstream not in graph:
                    continue
                if upstream not in index:
                    index[upstream] = low[upstream] = len(index)
                    open_nodes[upstream] = None
                    path.append((upstream, iter(graph[upstream])))
                    break
                if upstream in open_nodes:
                    low[node] = min(low[node], index[upstream])
            else:
                path.pop()
                if path:
                    low[path[-1][0]] = min(low[path[-1][0]], low[node])
                if low[node] == index[node]:
                    yield _close(open_nodes, node)


def _close(open_nodes: dict[Node, None], root: Node) -> list[Node]:
    members = []
    while True:
        node, _ = open_nodes.popitem()
        members.append(node)
        if node == root:
            return members


def find_cycle(graph: Graph[Node]) -> tuple[Node, ...] | None:
    """One cycle, in the order the tasks would run, or None."""
    return next(iter(find_cycles(graph, limit=1)), None)


def find_cycles(graph: Graph[Node], *, limit: int = 20) -> list[tuple[Node, ...]]:
    """Cycles that share no task, up to `limit`: a short one of each knot, then what is left of the knot.

    A cycle starts with the task that comes first in the mapping.
    """
    place = {node: at for at, node in enumerate(graph)}
    cycles: list[tuple[Node, ...]] = []
    todo = [part for part in components(graph) if _is_knot(graph, part)]
    while todo and len(cycles) < limit:
        part = todo.pop()
        cycle = _shortest_through(graph, set(part), min(part, key=place.__getitem__))
        cycles.append(cycle)
        rest = set(part).difference(cycle)
        left = {node: [up for up in graph[node] if up in rest] for node in graph if node in rest}
        todo.extend(piece for piece in components(left) if _is_knot(left, piece))
    return sorted((_from_first(cycle, place) for cycle in cycles), key=lambda cycle: place[cycle[0]])


def _is_knot(graph: Graph[Node], part: list[Node]) -> bool:
    return len(part) > 1 or part[0] in graph[part[0]]


def _shortest_through(graph: Graph[Node], part: set[Node], start: Node) -> tuple[Node, ...]:
    """The shortest cycle through `start` inside its component, found by walking upstream breadth first."""
    came_from: dict[Node, Node] = {}
    todo = deque([start])
    while todo:
        node = todo.popleft()
        for upstream in graph[node]:
            if upstream == start:
                cycle = [node]
                while node != start:
                    node = came_from[node]
                    cycle.append(node)
                return (start, *cycle[:-1])
            if upstream in part and upstream not in came_from:
                came_from[upstream] = node
                todo.append(upstream)
    raise AssertionError(f"{start} is not in a cycle")


def _from_first(cycle: tuple[Node, ...], place: Mapping[Node, int]) -> tuple[Node, ...]:
    at = min(range(len(cycle)), key=lambda i: place[cycle[i]])
    return cycle[at:] + cycle[:at]
