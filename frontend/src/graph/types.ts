/** What the canvas draws: one shape for the designer, the run page and version diffs. */

export type Mark = "added" | "removed" | "changed";

export interface GraphNode {
  id: string;
  label: string;
  type: string;
  icon?: string;
  x: number;
  y: number;
  state?: string;
  /** A second line, small: a duration, a count of items. */
  note?: string;
  /** What is wrong with it, as words. */
  problems?: string[];
  mark?: Mark;
  /** Not what is looked for: drawn faintly. */
  dim?: boolean;
}

/** Where the canvas is and how large: x, y and zoom. */
export interface Viewport {
  x: number;
  y: number;
  zoom: number;
}

export interface GraphEdge {
  source: string;
  target: string;
  /** A choice of the source, and not an edge that may be taken away by hand. */
  branch?: boolean;
  /** A word on the edge, such as the case of a choice. */
  label?: string;
  mark?: Mark;
  state?: string;
}

export type Point = [x: number, y: number];
export type Positions = Record<string, Point>;

export const NODE_WIDTH = 184;
export const NODE_HEIGHT = 52;
export const GAP_X = 60;
export const GAP_Y = 24;

/** The id of an edge: task ids hold no such arrow. */
export function edgeId(edge: { source: string; target: string }): string {
  return `${edge.source}→${edge.target}`;
}

/** The edge of such an id; null for the id of a task. */
export function edgeOf(id: string): { source: string; target: string } | null {
  const [source, target] = id.split("→");
  return source && target ? { source, target } : null;
}
