/** The draft: one document, where its tasks are shown, and the way back. Graph, list and text are views of it. */

import { create } from "zustand";

import type { Positions } from "../graph/types";
import { type Doc, equal } from "./document";
import { placesOf } from "./places";
import type { Format } from "./text";

const UNDO_STEPS = 200;
const PAUSE_MS = 1_000; // what is typed after it is a step of its own

/** A text, and the document that it says: the lines that a change does not concern are taken from it. */
export interface Source {
  text: string;
  format: Format;
  says: Doc | null;
}

/** What is drawn and written. */
export interface Drawn {
  document: Doc;
  positions: Positions;
  source: Source;
}

/** A version as it was opened, or what a draft was kept as. */
export interface Opened extends Drawn {
  /** The number of the version that the draft began with; 0 for a new DAG. */
  base: number;
  /** What stands in the text view, where it has not been read: it is not in the document yet. */
  typed?: string | null;
}

/** What undo brings back. The base belongs to it: without it, what stood before a rebase would replace the other's work. */
export interface Snapshot extends Opened {
  /** What is published, to tell whether there is something to save. */
  published: Opened;
}

interface DraftState extends Snapshot {
  typed: string | null;
  /** Why what was typed could not be read; null while nobody knows. */
  unread: unknown;
  /** Counts the changes that were refused: they would write over what was typed. */
  refused: number;
  selected: string[];
  revision: number;
  past: Snapshot[];
  future: Snapshot[];
  /** Changes with the same key, one soon after another, are one step of undo: typing, mostly. */
  lastKey: string;
  lastAt: number;
  open: (opened: Opened, published: Opened) => void;
  /** Text was typed. Until it is read, nothing else can be changed. */
  type: (text: string) => void;
  change: (change: Partial<Drawn>, more?: { key?: string; select?: string[] }) => void;
  select: (ids: string[]) => void;
  undo: () => void;
  redo: () => void;
  /** `saved` became the version `number`, whose text is `text`. */
  saved: (number: number, text: string, saved: Opened) => void;
  /** The places were kept with the version. */
  placed: (positions: Positions) => void;
  /** Go on from the version of somebody else, with this on top of it. */
  rebase: (theirs: Opened, document: Doc) => void;
}

const EMPTY: Opened = { document: { id: "", tasks: {} }, positions: {}, source: { text: "", format: "yaml", says: null }, base: 0 };

function snapshot({ document, positions, source, base, published, typed = null }: Snapshot) {
  return { document, positions, source, base, published, typed };
}

export const useDraft = create<DraftState>()((set) => ({
  ...EMPTY,
  published: EMPTY,
  typed: null,
  unread: null,
  refused: 0,
  selected: [],
  revision: 0,
  past: [],
  future: [],
  lastKey: "",
  lastAt: 0,
  open: (opened, published) =>
    set((state) => ({
      ...shown(opened),
      published: shown(published),
      typed: opened.typed ?? null,
      unread: null,
      selected: [],
      past: [],
      future: [],
      lastKey: "",
      revision: state.revision + 1,
    })),
  type: (typed) => set((state) => ({ typed, future: [], revision: state.revision + 1 })),
  change: (change, { key = "", select } = {}) =>
    set((state) => {
      if (state.typed !== null && state.typed !== change.source?.text) return { refused: state.refused + 1 };
      const now = Date.now();
      const joined = key !== "" && key === state.lastKey && now - state.lastAt < PAUSE_MS && state.past.length > 0;
      const past = joined ? state.past : remembered(state);
      return { ...change, typed: null, unread: null, past, future: [], lastKey: key, lastAt: now, selected: select ?? state.selected, revision: state.revision + 1 };
    }),
  select: (selected) => set({ selected }),
  undo: () => set((state) => (state.typed === null ? step(state, state.past, state.future, true) : untyped(state))),
  redo: () => set((state) => step(state, state.future, state.past, false)),
  saved: (number, text, { document, positions, source, base }) =>
    set((state) => {
      const stored = { text, format: source.format, says: document };
      const published = { document, positions, source: stored, base: number };
      // Another step of the same draft goes on from what was saved; one from before a rebase does not.
      const settled = <T extends Snapshot>(each: T): T => (each.base === base ? { ...each, base: number, published } : each);
      return {
        ...settled(snapshot(state)),
        source: state.source === source ? stored : state.source,
        past: state.past.map(settled),
        future: state.future.map(settled),
        lastKey: "",
      };
    }),
  placed: (positions) =>
    set((state) => {
      const published = { ...state.published, positions };
      const settled = (each: Snapshot) => (each.published === state.published ? { ...each, published } : each);
      return { published, past: state.past.map(settled), future: state.future.map(settled), lastKey: "" };
    }),
  rebase: (theirs, document) =>
    set((state) => ({
      document,
      positions: { ...theirs.positions, ...state.positions },
      source: theirs.source,
      base: theirs.base,
      published: shown(theirs),
      past: remembered(state),
      future: [],
      lastKey: "",
      revision: state.revision + 1,
    })),
}));

/** With a place for every task. */
function shown({ document, positions, source, base }: Opened): Opened {
  return { document, positions: placesOf(document, positions), source, base };
}

function remembered(state: DraftState): Snapshot[] {
  return [...state.past.slice(-UNDO_STEPS + 1), { ...snapshot(state), typed: null }];
}

/** Back to the last text that could be read; redo brings back what was typed. */
function untyped(state: DraftState): Partial<DraftState> {
  return { typed: null, unread: null, future: [snapshot(state)], lastKey: "", revision: state.revision + 1 };
}

function step(state: DraftState, from: Snapshot[], to: Snapshot[], back: boolean): Partial<DraftState> {
  const found = from.at(-1);
  if (!found) return {};
  const rest = from.slice(0, -1);
  const other = found.typed ? to : [...to, snapshot(state)]; // typed text is no step: it stands on the one before it
  return { ...found, typed: found.typed ?? null, past: back ? rest : other, future: back ? other : rest, lastKey: "", revision: state.revision + 1 };
}

/** Whether the document, or the text that says it, differs from what is published. */
export function isChanged({ document, source, published, typed }: Pick<Snapshot, "document" | "source" | "published" | "typed">): boolean {
  if (typed !== null && typed !== undefined) return true;
  if (document !== published.document && !equal(document, published.document)) return true;
  return source !== published.source && source.text !== published.source.text;
}

/** Whether only places of tasks differ. */
export function isMoved({ positions, published }: Pick<Snapshot, "positions" | "published">): boolean {
  return positions !== published.positions && !equal(positions, published.positions);
}
