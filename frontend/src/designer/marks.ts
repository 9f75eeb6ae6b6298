/** What differs between two documents, as marks on their graph. */

import { completed } from "../graph/layered";
import { edgeId, type GraphEdge, type GraphNode, type Mark, type Positions } from "../graph/types";
import { type Doc, equal, tasksOf } from "./document";
import { edgesOf } from "./edges";

export interface Marks {
  tasks: Map<string, Mark>;
  edges: Map<string, Mark>;
}

/** Tasks and edges that `now` has and `before` had not, the other way round, and tasks that changed. */
export function marksOf(before: Doc, now: Doc): Marks {
  const old = new Map(tasksOf(before));
  const tasks = new Map<string, Mark>();
  for (const [id, fields] of tasksOf(now)) {
    if (!old.has(id)) tasks.set(id, "added");
    else if (!equal(old.get(id), fields)) tasks.set(id, "changed");
    old.delete(id);
  }
  for (const id of old.keys()) tasks.set(id, "removed");
  const edges = new Map<string, Mark>(edgesOf(before).map((edge) => [edgeId(edge), "removed"]));
  for (const edge of edgesOf(now)) {
    if (!edges.delete(edgeId(edge))) edges.set(edgeId(edge), "added");
  }
  return { tasks, edges };
}

/** The graph with its marks, and with what is gone drawn where it was. */
export function marked(
  nodes: GraphNode[],
  edges: GraphEdge[],
  before: Doc,
  now: Doc,
  places: Positions,
): { nodes: GraphNode[]; edges: GraphEdge[] } {
  const marks = marksOf(before, now);
  const gone = tasksOf(before).filter(([id]) => marks.tasks.get(id) === "removed");
  const here = Object.fromEntries(nodes.map((node) => [node.id, [node.x, node.y] as [number, number]]));
  const at = completed([...nodes.map((node) => node.id), ...gone.map(([id]) => id)], [...edges, ...edgesOf(before)], { ...places, ...here });
  const ghosts = gone.map(([id, fields]): GraphNode => {
    const [x, y] = at[id] ?? [0, 0];
    return { id, label: id, type: String(fields.type), x, y, mark: "removed" };
  });
  const cut = edgesOf(before).filter((edge) => marks.edges.get(edgeId(edge)) === "removed");
  return {
    nodes: [...nodes.map((node) => ({ ...node, mark: marks.tasks.get(node.id) })), ...ghosts],
    edges: [...edges.map((edge) => ({ ...edge, mark: marks.edges.get(edgeId(edge)) })), ...cut.map((edge) => ({ ...edge, mark: "removed" as Mark }))],
  };
}
