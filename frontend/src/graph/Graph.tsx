/** The canvas: read-only for runs and diffs, editable for the designer. */

import {
  applyNodeChanges, Background, BackgroundVariant, type Connection, ConnectionMode, type Edge, type EdgeChange, type FinalConnectionState, MiniMap, type NodeChange,
  ReactFlow, ReactFlowProvider, type ReactFlowState, useReactFlow, useStore, useStoreApi,
} from "@xyflow/react";
import "@xyflow/react/dist/style.css";
import { type DragEvent, type ReactNode, useCallback, useEffect, useMemo, useRef, useState } from "react";

import { hasWords, t } from "../lib/i18n";
import { mergedEdges, mergedNodes } from "./flow";
import "./graph.css";
import { GraphControls } from "./GraphControls";
import { TaskNode, type TaskFlowNode } from "./TaskNode";
import { edgeId, edgeOf, type GraphEdge, type GraphNode, NODE_HEIGHT, NODE_WIDTH, type Point, type Positions, type Viewport } from "./types";

const NODE_TYPES = { task: TaskNode };
const MINIMAP_UP_TO = 1_500;
export const DRAG_TYPE = "application/x-celeriac-task-type";

export interface GraphProps {
  nodes: GraphNode[];
  edges: GraphEdge[];
  /** Ids of the selected nodes, and of edges as `edgeId` makes them. */
  selected?: readonly string[];
  onSelect?: (ids: string[]) => void;
  editable?: boolean;
  onMove?: (moved: Positions, byKey: boolean) => void;
  onConnect?: (source: string, target: string) => void;
  /** A connection was dropped where no task is. */
  onConnectVoid?: (from: string, side: "source" | "target", at: Point) => void;
  onDelete?: (nodes: string[], edges: { source: string; target: string }[]) => void;
  /** A task type was dropped from the palette; `edge` if it fell on one. */
  onDropType?: (type: string, at: Point, edge?: { source: string; target: string }) => void;
  onOpen?: (id: string) => void;
  /** Show all again when this changes. */
  fitKey?: string | number;
  /** Bring this node into view when it changes. */
  focus?: string | null;
  /** Move to this node when it is out of sight. */
  reveal?: string | null;
  /** Where to begin, instead of showing all; and where the reader went. */
  viewport?: Viewport | null;
  onViewport?: (viewport: Viewport) => void;
  label?: string;
  children?: ReactNode;
}

/** The canvas with everything that it needs around it. */
export function Graph(props: GraphProps) {
  return (
    <ReactFlowProvider>
      <Canvas {...props} />
    </ReactFlowProvider>
  );
}

const NONE: readonly string[] = [];
const SMALL = 0.75; // below this zoom words are drawn larger, and fewer

function isSmall(state: ReactFlowState): boolean {
  return state.transform[2] < SMALL;
}

function Canvas(props: GraphProps) {
  const { nodes, edges, selected = NONE, editable = false, onSelect, onMove, onDelete } = props;
  const chosen = useMemo(() => new Set(selected), [selected]);
  const [flow, setFlow] = useState<TaskFlowNode[]>(() => mergedNodes(nodes, [], chosen));
  const small = useStore(isSmall);
  const latest = useRef(selected);
  latest.current = selected;
  useEffect(() => setFlow((before) => mergedNodes(nodes, before, chosen)), [nodes, chosen]);
  const drawn = useRef<Edge[]>([]);
  const lines = useMemo(() => (drawn.current = mergedEdges(edges, drawn.current, chosen, editable)), [edges, chosen, editable]);
  useViewport(props);
  useReveal(props);

  const choose = useCallback(
    (changes: (NodeChange<TaskFlowNode> | EdgeChange)[]) => {
      const next = new Set(latest.current);
      for (const change of changes) {
        if (change.type === "select") change.selected ? next.add(change.id) : next.delete(change.id);
      }
      if (next.size !== latest.current.length || latest.current.some((id) => !next.has(id))) {
        latest.current = [...next];
        onSelect?.(latest.current as string[]);
      }
    },
    [onSelect],
  );
  const dragging = useRef(false);
  const changeNodes = useCallback(
    (changes: NodeChange<TaskFlowNode>[]) => {
      setFlow((before) => applyNodeChanges(changes.filter((change) => change.type !== "remove"), before));
      choose(changes);
      if (changes.some((change) => change.type === "position" && change.dragging)) dragging.current = true;
      const moved = settled(changes);
      if (!moved) return;
      onMove?.(moved, !dragging.current);
      dragging.current = false;
    },
    [choose, onMove],
  );
  return (
    <div className={small ? "graph is-small" : "graph"} data-testid="graph">
      <ReactFlow
        nodes={flow}
        edges={lines}
        nodeTypes={NODE_TYPES}
        onNodesChange={changeNodes}
        onEdgesChange={choose}
        onNodeDoubleClick={(_, node) => props.onOpen?.(node.id)}
        onDelete={({ nodes: gone, edges: cut }) => onDelete?.(gone.map((node) => node.id), cut.map(({ source, target }) => ({ source, target })))}
        {...connecting(props)}
        {...useDrops(props)}
        connectionMode={ConnectionMode.Strict}
        nodesDraggable={editable}
        nodesConnectable={editable}
        edgesFocusable={editable}
        deleteKeyCode={editable ? ["Delete", "Backspace"] : null}
        multiSelectionKeyCode={["Shift", "Meta", "Control"]}
        minZoom={0.05}
        maxZoom={2}
        fitView={!props.viewport}
        defaultViewport={props.viewport ?? undefined}
        onMoveEnd={(event, viewport) => event && props.onViewport?.(viewport)}
        fitViewOptions={{ maxZoom: 1, padding: 0.06 }}
        onlyRenderVisibleElements
        elevateNodesOnSelect={false}
        proOptions={{ hideAttribution: true }}
        ariaLabelConfig={spoken(editable)}
        aria-label={props.label ?? t("graph.label")}
      >
        <Background variant={BackgroundVariant.Dots} gap={20} size={1.2} />
        <GraphControls onViewport={props.onViewport} />
        {nodes.length > 12 && nodes.length < MINIMAP_UP_TO && <MiniMap pannable zoomable ariaLabel={null} nodeStrokeWidth={0} />}
        {props.children}
      </ReactFlow>
    </div>
  );
}

/** What the canvas tells screen readers, in the page's language. */
function spoken(editable: boolean) {
  return {
    "node.a11yDescription.default": t(editable ? "graph.help_node" : "graph.help_look"),
    "node.a11yDescription.keyboardDisabled": t("graph.help_look"),
    "node.a11yDescription.ariaLiveMessage": (moved: { direction: string; x: number; y: number }) =>
      t("graph.moved", { ...moved, direction: hasWords(`graph.direction.${moved.direction}`) ? t(`graph.direction.${moved.direction}`) : moved.direction }),
    "edge.a11yDescription.default": t(editable ? "graph.help_edge" : "graph.label"),
    "handle.ariaLabel": t("graph.handle"),
    "minimap.ariaLabel": t("graph.minimap"),
  };
}

/** Move the canvas when the node to reveal is not in it; the zoom stays. */
function useReveal({ nodes, reveal }: GraphProps) {
  const { getViewport, setCenter } = useReactFlow();
  const store = useStoreApi();
  const room = useStore((state) => state.width); // a panel that opens beside the canvas takes some of it
  const node = useMemo(() => (reveal ? nodes.find((each) => each.id === reveal) : undefined), [nodes, reveal]);
  const at = useRef(node);
  at.current = node;
  const known = node !== undefined;
  useEffect(() => {
    if (!at.current) return;
    const { x, y, zoom } = getViewport();
    const { width, height } = store.getState();
    const [across, down] = [(at.current.x + NODE_WIDTH / 2) * zoom + x, (at.current.y + NODE_HEIGHT / 2) * zoom + y];
    const inside = across >= 0 && down >= 0 && across <= width && down <= height;
    if (!inside && width > 0) void setCenter(at.current.x + NODE_WIDTH / 2, at.current.y + NODE_HEIGHT / 2, { zoom, duration: 150 });
  }, [reveal, known, room, getViewport, setCenter, store]);
}

function settled(changes: NodeChange<TaskFlowNode>[]): Positions | null {
  const moved: Positions = {};
  for (const change of changes) {
    if (change.type === "position" && change.dragging === false && change.position) {
      moved[change.id] = [Math.round(change.position.x), Math.round(change.position.y)];
    }
  }
  return Object.keys(moved).length ? moved : null;
}

function connecting({ onConnect, onConnectVoid }: GraphProps) {
  return {
    onConnect: ({ source, target }: Connection) => onConnect?.(source, target),
    isValidConnection: ({ source, target }: { source: string; target: string }) => source !== target,
    onConnectEnd: (_: MouseEvent | TouchEvent, state: FinalConnectionState) => {
      if (state.toNode || !state.fromNode || !state.to || !state.fromHandle) return;
      onConnectVoid?.(state.fromNode.id, state.fromHandle.type, [Math.round(state.to.x), Math.round(state.to.y - NODE_HEIGHT / 2)]);
    },
  };
}

function useDrops({ onDropType }: GraphProps) {
  const { screenToFlowPosition } = useReactFlow();
  return {
    onDragOver: (event: DragEvent) => {
      if (!onDropType || !event.dataTransfer.types.includes(DRAG_TYPE)) return;
      event.preventDefault();
      event.dataTransfer.dropEffect = "copy";
    },
    onDrop: (event: DragEvent) => {
      const type = event.dataTransfer.getData(DRAG_TYPE);
      if (!type) return;
      event.preventDefault();
      const { x, y } = screenToFlowPosition({ x: event.clientX, y: event.clientY });
      onDropType?.(type, [Math.round(x - NODE_WIDTH / 2), Math.round(y - NODE_HEIGHT / 2)], edgeUnder(event));
    },
  };
}

function edgeUnder(event: DragEvent): { source: string; target: string } | undefined {
  const found = document.elementsFromPoint(event.clientX, event.clientY).map((element) => element.closest(".react-flow__edge"));
  const id = found.find((element) => element)?.getAttribute("data-id");
  return (id && edgeOf(id)) || undefined;
}

function useViewport({ fitKey, focus, viewport }: GraphProps) {
  const { fitView } = useReactFlow();
  const begun = useRef(viewport ? fitKey : undefined); // with a place to begin at, only another key shows all
  useEffect(() => {
    if (fitKey === begun.current) return;
    begun.current = undefined;
    if (fitKey !== undefined) requestAnimationFrame(() => void fitView({ maxZoom: 1, padding: 0.06 }));
  }, [fitKey, fitView]);
  useEffect(() => {
    if (focus) void fitView({ nodes: [{ id: focus }], maxZoom: 1, duration: 200 });
  }, [focus, fitView]);
}

export { edgeId };
