/** From our nodes and edges to React Flow's, touching only what changed: the speed of a large graph hangs on it. */

import { type Edge, MarkerType, Position } from "@xyflow/react";

import { stateWord } from "../ui/states";
import type { TaskFlowNode } from "./TaskNode";
import { edgeId, type GraphEdge, type GraphNode, NODE_HEIGHT, NODE_WIDTH } from "./types";

const HANDLE = 10;

// Size and handles are given, so that nothing off the screen has to be drawn to be measured.
function handles(nodeId: string): NonNullable<TaskFlowNode["handles"]> {
  const common = { id: null, nodeId, y: (NODE_HEIGHT - HANDLE) / 2, width: HANDLE, height: HANDLE };
  return [
    { ...common, type: "target", position: Position.Left, x: -HANDLE / 2 },
    { ...common, type: "source", position: Position.Right, x: NODE_WIDTH - HANDLE / 2 },
  ];
}

function flowNode(node: GraphNode, selected: boolean): TaskFlowNode {
  return {
    id: node.id,
    type: "task",
    position: { x: node.x, y: node.y },
    data: { node },
    width: NODE_WIDTH,
    height: NODE_HEIGHT,
    measured: { width: NODE_WIDTH, height: NODE_HEIGHT },
    handles: handles(node.id),
    selected,
    ariaLabel: [node.label, node.type, node.state && stateWord(node.state), ...(node.problems ?? [])].filter(Boolean).join(", "),
  };
}

/** React Flow's nodes for ours; those whose data did not change stay the same objects. */
export function mergedNodes(nodes: GraphNode[], before: TaskFlowNode[], selected: ReadonlySet<string>): TaskFlowNode[] {
  const known = new Map(before.map((node) => [node.id, node]));
  const merged = nodes.map((node) => {
    const old = known.get(node.id);
    const chosen = selected.has(node.id);
    if (!old) return flowNode(node, chosen);
    if (same(old.data.node, node)) return Boolean(old.selected) === chosen ? old : { ...old, selected: chosen };
    return { ...flowNode(node, chosen), dragging: old.dragging };
  });
  // The same array, if nothing changed: a new one costs a walk over the whole graph.
  return merged.length === before.length && merged.every((node, at) => node === before[at]) ? before : merged;
}

function same(a: GraphNode, b: GraphNode): boolean {
  if (a === b) return true;
  const keys: (keyof GraphNode)[] = ["label", "type", "icon", "x", "y", "state", "note", "mark", "dim"];
  return keys.every((key) => a[key] === b[key]) && (a.problems ?? []).join("\n") === (b.problems ?? []).join("\n");
}

/** React Flow's edges for ours; those that did not change stay the same objects, and so does the array. */
export function mergedEdges(edges: GraphEdge[], before: Edge[], selected: ReadonlySet<string>, editable: boolean): Edge[] {
  const known = new Map(before.map((edge) => [edge.id, edge]));
  const merged = flowEdges(edges, selected, editable).map((edge) => {
    const old = known.get(edge.id);
    const keys = ["label", "selected", "className", "deletable"] as const;
    return old && keys.every((key) => old[key] === edge[key]) ? old : edge;
  });
  return merged.length === before.length && merged.every((edge, at) => edge === before[at]) ? before : merged;
}

function flowEdges(edges: GraphEdge[], selected: ReadonlySet<string>, editable: boolean): Edge[] {
  return edges.map((edge) => {
    const id = edgeId(edge);
    return {
      id,
      source: edge.source,
      target: edge.target,
      label: edge.label,
      selected: selected.has(id),
      deletable: editable,
      focusable: editable,
      className: ["graph-edge", edge.branch && "is-branch", edge.mark && `is-${edge.mark}`].filter(Boolean).join(" "),
      markerEnd: { type: MarkerType.ArrowClosed, width: 16, height: 16 },
    };
  });
}
