/** A layered layout without a library: longest path for the columns, barycentres for the rows. Fast at any size. */

import { GAP_X, GAP_Y, type GraphEdge, NODE_HEIGHT, NODE_WIDTH, type Positions } from "./types";

const SWEEPS = 4;

interface Links {
  up: Map<string, string[]>;
  down: Map<string, string[]>;
}

/** Positions for every id; edges that name others are ignored, and those that close a cycle do no harm. */
export function layered(ids: string[], edges: GraphEdge[]): Positions {
  const links = linksOf(ids, edges);
  const columns = columnsOf(ids, links);
  for (let sweep = 0; sweep < SWEEPS; sweep++) order(columns, sweep % 2 ? links.down : links.up, sweep % 2 === 1);
  return placed(columns);
}

function linksOf(ids: string[], edges: GraphEdge[]): Links {
  const up = new Map<string, string[]>(ids.map((id) => [id, []]));
  const down = new Map<string, string[]>(ids.map((id) => [id, []]));
  for (const { source, target } of edges) {
    if (!up.has(source) || !up.has(target) || source === target) continue;
    up.get(target)?.push(source);
    down.get(source)?.push(target);
  }
  return { up, down };
}

function columnsOf(ids: string[], { up, down }: Links): string[][] {
  const waiting = new Map(ids.map((id) => [id, up.get(id)?.length ?? 0]));
  const depth = new Map<string, number>();
  const queue = ids.filter((id) => waiting.get(id) === 0);
  for (const id of queue) depth.set(id, 0);
  for (let at = 0; at < queue.length; at++) {
    const id = queue[at] as string;
    for (const next of down.get(id) ?? []) {
      depth.set(next, Math.max(depth.get(next) ?? 0, (depth.get(id) ?? 0) + 1));
      const left = (waiting.get(next) ?? 0) - 1;
      waiting.set(next, left);
      if (left === 0) queue.push(next);
    }
  }
  const columns: string[][] = [];
  for (const id of ids) (columns[depth.get(id) ?? 0] ??= []).push(id);
  return Array.from(columns, (column) => column ?? []);
}

function order(columns: string[][], neighbours: Map<string, string[]>, backwards: boolean): void {
  const walk = backwards ? [...columns].reverse() : columns;
  const rank = new Map<string, number>();
  for (const column of columns) column.forEach((id, at) => rank.set(id, at - column.length / 2));
  for (const column of walk) {
    const weight = new Map(column.map((id) => [id, mean(neighbours.get(id) ?? [], rank) ?? rank.get(id) ?? 0]));
    column.sort((a, b) => (weight.get(a) ?? 0) - (weight.get(b) ?? 0));
    column.forEach((id, at) => rank.set(id, at - column.length / 2));
  }
}

function mean(ids: string[], rank: Map<string, number>): number | null {
  if (!ids.length) return null;
  return ids.reduce((sum, id) => sum + (rank.get(id) ?? 0), 0) / ids.length;
}

function placed(columns: string[][]): Positions {
  const positions: Positions = {};
  columns.forEach((column, depth) => {
    const top = -((column.length - 1) * (NODE_HEIGHT + GAP_Y)) / 2;
    column.forEach((id, at) => {
      positions[id] = [depth * (NODE_WIDTH + GAP_X), top + at * (NODE_HEIGHT + GAP_Y)];
    });
  });
  return positions;
}

/** The positions that are known, and places beside their upstreams for what has none yet. */
export function completed(ids: string[], edges: GraphEdge[], known: Positions): Positions {
  const missing = ids.filter((id) => !known[id]);
  if (missing.length === 0) return known;
  if (missing.length === ids.length) return layered(ids, edges);
  const result: Positions = { ...known };
  const taken = new Set(ids.flatMap((id) => (known[id] ? [spot(known[id])] : [])));
  for (const id of missing) result[id] = free(beside(id, edges, result), taken);
  return result;
}

function beside(id: string, edges: GraphEdge[], known: Positions): [number, number] {
  const points = edges.flatMap((edge) => (edge.target === id && known[edge.source] ? [known[edge.source] as [number, number]] : []));
  if (!points.length) {
    const all = Object.values(known);
    return [Math.min(...all.map((p) => p[0])), Math.max(...all.map((p) => p[1])) + NODE_HEIGHT + GAP_Y];
  }
  const x = Math.max(...points.map((p) => p[0])) + NODE_WIDTH + GAP_X;
  return [x, points.reduce((sum, p) => sum + p[1], 0) / points.length];
}

function free(point: [number, number], taken: Set<string>): [number, number] {
  let [x, y] = point;
  while (taken.has(spot([x, y]))) y += NODE_HEIGHT + GAP_Y;
  taken.add(spot([x, y]));
  return [x, y];
}

function spot([x, y]: [number, number]): string {
  return `${Math.round(x / (NODE_WIDTH / 2))}:${Math.round(y / (NODE_HEIGHT / 2))}`;
}
