/** What is looked at, in the address: a reload, a bookmark and a link in a mail show the same. */

import { useEffect } from "react";

import type { View } from "./Toolbar";

const VIEWS: readonly string[] = ["graph", "list", "text"];

/** The view and the task that the address names. */
export function readAddress(): { view: View; task: string | null } {
  const query = new URLSearchParams(location.search);
  const view = query.get("view") ?? "";
  return { view: VIEWS.includes(view) ? (view as View) : "graph", task: query.get("task") };
}

/** Keep the address what is looked at; `dag` names a DAG that was saved here for the first time. */
export function useAddress(view: View, selected: readonly string[], dag: string | null): void {
  const [only, ...others] = selected;
  const task = only && !others.length ? only : null;
  useEffect(() => {
    const query = new URLSearchParams();
    if (dag) query.set("dag", dag);
    if (view !== "graph") query.set("view", view);
    if (task) query.set("task", task);
    const text = query.toString();
    history.replaceState(history.state, "", location.pathname + (text && `?${text}`));
  }, [view, task, dag]);
}
