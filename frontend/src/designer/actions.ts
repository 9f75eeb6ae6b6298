/** What people do to the draft, by mouse or by key: each is one step of undo. */

import { arrange } from "../graph/arrange";
import { layered } from "../graph/layered";
import { GAP_X, GAP_Y, NODE_HEIGHT, NODE_WIDTH, type Point, type Positions } from "../graph/types";
import { copied, pasted } from "./clipboard";
import { type Doc, type Fields, freeId, newTask, tasksOf, withTask, withTasks } from "./document";
import { connect, disconnect, edgesOf, insertOn, withoutTasks } from "./edges";
import { placesOf } from "./places";
import { renamed } from "./rename";
import { useDraft } from "./store";

export interface Added {
  at?: Point;
  /** Connect the new task: after this one, or before it. */
  after?: string;
  before?: string;
  /** Put it on this edge. */
  edge?: { source: string; target: string };
}

const now = () => useDraft.getState();

/** Add a task of a type and select it; returns its id. */
export function addTask(type: string, { at, after, before, edge }: Added = {}): string {
  const { document, positions, change } = now();
  const entries = tasksOf(document);
  const id = freeId(type, new Set(entries.map(([known]) => known)));
  let next = withTasks(document, [...entries, [id, newTask(type)]]);
  if (after) next = connect(next, after, id);
  if (before) next = connect(next, id, before);
  if (edge) next = insertOn(next, id, edge);
  const places = placesOf(document, positions);
  const place = at ?? (edge ? between(places, edge) : after ? beside(places, after) : below(places));
  change({ document: next, positions: { ...places, [id]: place } }, { select: [id] });
  return id;
}

function between(places: Positions, { source, target }: { source: string; target: string }): Point {
  const [[ax, ay], [bx, by]] = [places[source] ?? [0, 0], places[target] ?? [0, 0]];
  return clear(places, [Math.round((ax + bx) / 2), Math.round((ay + by) / 2)]);
}

function beside(places: Positions, id: string): Point {
  const [x, y] = places[id] ?? [0, 0];
  return clear(places, [x + NODE_WIDTH + GAP_X, y]);
}

/** The place, or the first free one below it. */
function clear(places: Positions, spot: Point): Point {
  const taken = Object.values(places);
  while (taken.some(([a, b]) => Math.abs(a - spot[0]) < NODE_WIDTH && Math.abs(b - spot[1]) < NODE_HEIGHT)) spot[1] += NODE_HEIGHT + GAP_Y;
  return spot;
}

function below(places: Positions): Point {
  const all = Object.values(places);
  if (!all.length) return [0, 0];
  return [Math.min(...all.map((place) => place[0])), Math.max(...all.map((place) => place[1])) + NODE_HEIGHT + GAP_Y];
}

/** Connect two tasks. */
export function connectTasks(source: string, target: string): void {
  const { document, change } = now();
  const next = connect(document, source, target);
  if (next !== document) change({ document: next });
}

/** Remove tasks and edges. */
export function remove(ids: readonly string[], edges: readonly { source: string; target: string }[] = []): void {
  const { document, change } = now();
  if (!ids.length && !edges.length) return;
  let next = document;
  for (const edge of edges) if (!ids.includes(edge.source) && !ids.includes(edge.target)) next = disconnect(next, edge.source, edge.target);
  change({ document: withoutTasks(next, ids) }, { select: [] });
}

/** Move tasks. Each drag is one step of undo, and so is what arrow keys move in one go. */
export function move(moved: Positions, byKey = false): void {
  const { document, positions, change } = now();
  change({ positions: { ...placesOf(document, positions), ...moved } }, { key: byKey ? `move:${Object.keys(moved).join()}` : "" });
}

/** Change one task's fields; edits of one field one after another are one step of undo. */
export function editTask(id: string, change: (fields: Fields) => Fields, field = ""): void {
  const state = now();
  state.change({ document: withTask(state.document, id, change) }, { key: field && `edit:${id}:${field}` });
}

/** Change the document's own fields. */
export function editDocument(document: Doc, field = ""): void {
  now().change({ document }, { key: field && `document:${field}` });
}

/** Give a task another id. False when it is taken or no id. */
export function renameTask(from: string, to: string): boolean {
  const { document, positions, selected, change } = now();
  if (from === to) return true;
  if (!/^[A-Za-z_][A-Za-z0-9_.-]{0,199}$/.test(to) || tasksOf(document).some(([id]) => id === to)) return false;
  const { [from]: place, ...others } = placesOf(document, positions);
  change({ document: renamed(document, from, to), positions: place ? { ...others, [to]: place } : others }, { select: selected.map((id) => (id === from ? to : id)) });
  return true;
}

/** Lay out everything anew; false where the careful layout could not be had, and the simple one was used. */
export async function arrangeAll(): Promise<boolean> {
  const { document, change } = now();
  const [ids, edges] = [tasksOf(document).map(([id]) => id), edgesOf(document)];
  const careful = await arrange(ids, edges).catch(() => null);
  if (now().document === document) change({ positions: careful ?? layered(ids, edges) });
  return careful !== null;
}

let memory = "";

/** The selected tasks as text, also kept here for a browser that denies its clipboard. */
export function copySelected(): string {
  const { document, positions, selected } = now();
  const chosen = tasksOf(document).filter(([id]) => selected.includes(id));
  if (!chosen.length) return "";
  memory = copied(document, placesOf(document, positions), selected);
  return memory;
}

/** Paste tasks from a text; false if it holds none. */
export function paste(text: string = memory): boolean {
  const { document, positions, change } = now();
  const result = pasted(document, placesOf(document, positions), text);
  if (result) change({ document: result.document, positions: placesOf(result.document, result.positions) }, { select: result.ids });
  return result !== null;
}

/** Select every task. */
export function selectAll(): void {
  const { document, select } = now();
  select(tasksOf(document).map(([id]) => id));
}
