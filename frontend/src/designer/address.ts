/** What is looked at, in the address: a reload, a bookmark and a link in a mail show the same. */

import { useEffect } from "react";

import type { Viewport } from "../graph/types";
import type { View } from "./Toolbar";

const VIEWS: readonly string[] = ["graph", "list", "text"];

export interface Looked {
  view: View;
  task: string | null;
  /** The number of the version that the draft is compared with. */
  compare: number | null;
  /** Where the canvas is, when it was moved by hand. */
  at: Viewport | null;
}

/** What the address names. */
export function readAddress(search: string = location.search): Looked {
  const query = new URLSearchParams(search);
  const view = query.get("view") ?? "";
  const compare = Number(query.get("compare"));
  return {
    view: VIEWS.includes(view) ? (view as View) : "graph",
    task: query.get("task"),
    compare: Number.isInteger(compare) && compare > 0 ? compare : null,
    at: viewportOf(query.get("at")),
  };
}

/** The query that names it; `dag` names a DAG that was saved here for the first time. */
export function queryOf({ view, task, compare, at }: Looked, dag: string | null): string {
  const query = new URLSearchParams();
  if (dag) query.set("dag", dag);
  if (view !== "graph") query.set("view", view);
  if (task) query.set("task", task);
  if (compare) query.set("compare", String(compare));
  if (at) query.set("at", [Math.round(at.x), Math.round(at.y), at.zoom.toFixed(3)].join());
  const text = query.toString();
  return text && `?${text}`;
}

/** Keep the address what is looked at. */
export function useAddress(looked: Looked, dag: string | null): void {
  const query = queryOf(looked, dag);
  useEffect(() => history.replaceState(history.state, "", location.pathname + query), [query]);
}

function viewportOf(text: string | null): Viewport | null {
  const [x, y, zoom] = (text ?? "").split(",").map(Number);
  return x !== undefined && y !== undefined && zoom && [x, y, zoom].every(Number.isFinite) ? { x, y, zoom } : null;
}
