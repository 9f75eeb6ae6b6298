/** Drafts in this browser, kept while you work: a reload, a crash or a lost login costs nothing. */

import { placesOf } from "./places";
import { isChanged, isMoved, type Opened } from "./store";

export interface KeptDraft extends Opened {
  keptAt: string;
  /** Whether more differed from the version than the places of its tasks. */
  changed: boolean;
}

const FORM = 2;
const FORGOTTEN_AFTER_MS = 90 * 24 * 3_600_000;

/** The drafts of one user, as one open page keeps them: each page has a place of its own, so none writes over another's. */
export class Drafts {
  private restored: { key: string; keptAt: string } | null = null;

  constructor(
    private readonly user: string,
    private readonly page: string = Math.random().toString(36).slice(2),
  ) {}

  /** Keep a draft; false where the store is full or forbidden, which is no reason to stop anybody from working. */
  keep(dag: string | null, { document, positions, source, base, typed }: Opened, changed: boolean, now: Date): boolean {
    const kept: KeptDraft = { document, positions, source, base, typed, changed, keptAt: now.toISOString() };
    try {
      localStorage.setItem(this.own(dag), JSON.stringify(kept));
    } catch {
      return false;
    }
    this.forgetRestored();
    return true;
  }

  /** The newest draft that was kept, by whatever page, if it can be read. */
  kept(dag: string | null, now: Date): KeptDraft | null {
    const found = keysFrom(this.prefix(dag)).flatMap((key) => {
      const draft = read(key);
      if (draft && now.getTime() - Date.parse(draft.keptAt) < FORGOTTEN_AFTER_MS) return [{ key, draft }];
      erase(key);
      return [];
    });
    const newest = found.sort((a, b) => a.draft.keptAt.localeCompare(b.draft.keptAt)).at(-1);
    this.restored = newest ? { key: newest.key, keptAt: newest.draft.keptAt } : null;
    return newest?.draft ?? null;
  }

  /** Forget what this page kept, and what it was opened with. */
  forget(dag: string | null): void {
    erase(this.own(dag));
    this.forgetRestored();
  }

  /** Unless its page has written again meanwhile. */
  private forgetRestored(): void {
    if (this.restored && read(this.restored.key)?.keptAt === this.restored.keptAt && !this.restored.key.endsWith(`:${this.page}`)) erase(this.restored.key);
    this.restored = null;
  }

  private prefix(dag: string | null): string {
    return `celeriac:draft:${FORM}:${encodeURIComponent(this.user)}:${encodeURIComponent(dag ?? "")}:`;
  }

  private own(dag: string | null): string {
    return this.prefix(dag) + this.page;
  }
}

/** What to open of a kept draft, beside the version that is published now; null when it holds nothing more. */
export function restored(draft: KeptDraft, published: Opened): Opened | null {
  // Of a draft that only moved tasks the places are kept, and not the version that it was made of.
  const opened = draft.changed ? draft : { ...published, positions: { ...published.positions, ...draft.positions } };
  const placed = (each: Opened) => ({ ...each, positions: placesOf(each.document, each.positions) });
  const state = { ...placed(opened), published: placed(published) };
  return isChanged(state) || isMoved(state) ? opened : null;
}

function keysFrom(prefix: string): string[] {
  try {
    return Array.from({ length: localStorage.length }, (_, at) => localStorage.key(at) ?? "").filter((key) => key.startsWith(prefix));
  } catch {
    return [];
  }
}

function read(key: string): KeptDraft | null {
  try {
    const found = JSON.parse(localStorage.getItem(key) ?? "null") as KeptDraft | null;
    return found?.document && found.source && found.positions && found.keptAt ? found : null;
  } catch {
    return null;
  }
}

function erase(key: string): void {
  try {
    localStorage.removeItem(key);
  } catch {
    // A store that cannot be written holds no draft of ours.
  }
}
