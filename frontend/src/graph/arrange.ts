/** The careful layout: ELK, fetched and run in a worker when it is first asked for. */

import type { ELK, ElkNode } from "elkjs/lib/elk-api";

import { layered } from "./layered";
import { GAP_X, GAP_Y, type GraphEdge, NODE_HEIGHT, NODE_WIDTH, type Positions } from "./types";

const CAREFUL_UP_TO = 800; // tasks: above it ELK's best settings take seconds
const GIVE_UP_AT = 3_000; // tasks: above it the layered layout is what people wait for

interface Engine {
  elk: ELK;
  /** Rejects when the worker does not start: ELK itself would wait for its answer for ever. */
  broken: Promise<never>;
}

let engine: Promise<Engine> | null = null;

async function started(): Promise<Engine> {
  const [{ default: Elk }, { default: script }] = await Promise.all([
    import("elkjs/lib/elk-api.js"),
    import("elkjs/lib/elk-worker.min.js?url"),
  ]);
  let worker: Worker | undefined;
  const elk = new Elk({ workerFactory: () => (worker = new Worker(script)) });
  const broken = new Promise<never>((_, reject) => worker?.addEventListener("error", (event) => reject(new Error(event.message || script))));
  broken.catch(() => undefined); // raced with when somebody waits
  return { elk, broken };
}

/** Positions for every id, in the order of the document where that is possible. */
export async function arrange(ids: string[], edges: GraphEdge[]): Promise<Positions> {
  if (ids.length > GIVE_UP_AT) return layered(ids, edges);
  engine ??= started();
  const known = new Set(ids);
  const graph: ElkNode = {
    id: "root",
    layoutOptions: options(ids.length),
    children: ids.map((id) => ({ id, width: NODE_WIDTH, height: NODE_HEIGHT })),
    edges: edges
      .filter((edge) => known.has(edge.source) && known.has(edge.target))
      .map((edge, at) => ({ id: String(at), sources: [edge.source], targets: [edge.target] })),
  };
  const done = await laidOut(engine, graph);
  return Object.fromEntries((done.children ?? []).map((node) => [node.id, [Math.round(node.x ?? 0), Math.round(node.y ?? 0)]]));
}

async function laidOut(from: Promise<Engine>, graph: ElkNode): Promise<ElkNode> {
  try {
    const { elk, broken } = await from;
    return await Promise.race([elk.layout(graph), broken]);
  } catch (problem) {
    engine = null; // the next time it is fetched anew
    throw problem;
  }
}

function options(count: number): Record<string, string> {
  const careful: Record<string, string> =
    count <= CAREFUL_UP_TO
      ? { "elk.layered.considerModelOrder.strategy": "NODES_AND_EDGES" }
      : { "elk.layered.thoroughness": "1", "elk.layered.nodePlacement.strategy": "SIMPLE" };
  return {
    "elk.algorithm": "layered",
    "elk.direction": "RIGHT",
    "elk.layered.spacing.nodeNodeBetweenLayers": String(GAP_X),
    "elk.spacing.nodeNode": String(GAP_Y),
    ...careful,
  };
}
