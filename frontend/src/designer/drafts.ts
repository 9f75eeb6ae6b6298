/** Drafts in this browser, kept while you work: a reload, a crash or a lost login costs nothing. */

import type { Opened } from "./store";

export interface KeptDraft extends Opened {
  keptAt: string;
}

const FORM = 1;

function key(user: string, dag: string | null): string {
  return `celeriac:draft:${FORM}:${user}:${dag ?? ""}`;
}

/** Keep a draft; a full or forbidden store is no reason to stop anybody from working. */
export function keep(user: string, dag: string | null, draft: Opened, now: Date): boolean {
  const { document, positions, source, base } = draft;
  const kept: KeptDraft = { document, positions, source, base, keptAt: now.toISOString() };
  try {
    localStorage.setItem(key(user, dag), JSON.stringify(kept));
    return true;
  } catch {
    return false;
  }
}

/** The draft that was kept, if it can be read. */
export function kept(user: string, dag: string | null): KeptDraft | null {
  try {
    const found = JSON.parse(localStorage.getItem(key(user, dag)) ?? "null") as KeptDraft | null;
    return found?.document && found.source && found.positions ? found : null;
  } catch {
    return null;
  }
}

/** Forget the draft. */
export function forget(user: string, dag: string | null): void {
  try {
    localStorage.removeItem(key(user, dag));
  } catch {
    // A store that cannot be written holds no draft of ours.
  }
}
