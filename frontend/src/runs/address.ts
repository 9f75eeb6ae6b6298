/** What the reader looks at, kept in the page's address: it can be sent, and it is there again after a reload. */

import { useCallback, useSyncExternalStore } from "react";

export const VIEWS = ["graph", "gantt", "grid", "compare", "table"] as const;
export type View = (typeof VIEWS)[number];

const CHANGED = "celeriac:address";

export type Changes = Record<string, string | null>;

/** Change parameters of the address; `push` makes a step that the Back button undoes. */
export function setAddress(changes: Changes, push = false): void {
  const url = new URL(window.location.href);
  for (const [name, value] of Object.entries(changes)) {
    if (value === null || value === "") url.searchParams.delete(name);
    else url.searchParams.set(name, value);
  }
  if (url.href === window.location.href) return;
  window.history[push ? "pushState" : "replaceState"](null, "", url);
  window.dispatchEvent(new Event(CHANGED));
}

function subscribe(onChange: () => void): () => void {
  window.addEventListener("popstate", onChange);
  window.addEventListener(CHANGED, onChange);
  return () => {
    window.removeEventListener("popstate", onChange);
    window.removeEventListener(CHANGED, onChange);
  };
}

/** A parameter of the address; a change of another one draws nothing anew. */
export function useParam(name: string): string | null {
  const read = useCallback(() => new URLSearchParams(window.location.search).get(name), [name]);
  return useSyncExternalStore(subscribe, read);
}

/** An address of this page with parameters changed, for links. */
export function linkWith(changes: Changes): string {
  const query = new URLSearchParams(window.location.search);
  for (const [name, value] of Object.entries(changes)) {
    if (value === null) query.delete(name);
    else query.set(name, value);
  }
  return `?${query.toString()}`;
}

/** Choose a task, or none; what is looked at in it starts anew. */
export function chooseTask(task: string | null, tab: string | null = null): void {
  setAddress({ task, tab, attempt: null, line: null, item: null }, true);
}

/** The chosen view. */
export function useView(): View {
  const given = useParam("view");
  return VIEWS.find((view) => view === given) ?? "graph";
}
