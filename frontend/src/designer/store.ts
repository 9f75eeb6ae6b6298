/** The draft: one document, where its tasks are shown, and the way back. Graph, list and text are views of it. */

import { create } from "zustand";

import type { Positions } from "../graph/types";
import { type Doc, equal } from "./document";
import { placesOf } from "./places";
import type { Format } from "./text";

const UNDO_STEPS = 200;

/** What undo brings back. */
export interface Snapshot {
  document: Doc;
  positions: Positions;
  source: Source;
}

/** A text, and the document that it says: the lines that a change does not concern are taken from it. */
export interface Source {
  text: string;
  format: Format;
  says: Doc | null;
}

/** A version as it was opened, or what a draft was kept as. */
export interface Opened extends Snapshot {
  /** The number of the version that the draft began with; 0 for a new DAG. */
  base: number;
}

interface DraftState extends Opened {
  /** What is published, to tell whether there is something to save. */
  published: { document: Doc; positions: Positions };
  selected: string[];
  revision: number;
  past: Snapshot[];
  future: Snapshot[];
  /** Changes with the same key one after another are one step of undo: typing, mostly. */
  lastKey: string;
  open: (opened: Opened, published: Opened) => void;
  change: (change: Partial<Snapshot>, more?: { key?: string; select?: string[] }) => void;
  select: (ids: string[]) => void;
  undo: () => void;
  redo: () => void;
  saved: (number: number, text: string, published: Snapshot) => void;
  moveBase: (number: number) => void;
}

const EMPTY: Doc = { id: "", tasks: {} };
const NO_TEXT: Source = { text: "", format: "yaml", says: null };

function snapshot({ document, positions, source }: Snapshot): Snapshot {
  return { document, positions, source };
}

export const useDraft = create<DraftState>()((set) => ({
  document: EMPTY,
  positions: {},
  source: NO_TEXT,
  base: 0,
  published: { document: EMPTY, positions: {} },
  selected: [],
  revision: 0,
  past: [],
  future: [],
  lastKey: "",
  open: (opened, published) =>
    set((state) => ({
      ...opened,
      positions: placesOf(opened.document, opened.positions),
      published: { document: published.document, positions: placesOf(published.document, published.positions) },
      selected: [],
      past: [],
      future: [],
      lastKey: "",
      revision: state.revision + 1,
    })),
  change: (change, { key = "", select } = {}) =>
    set((state) => {
      const joined = key !== "" && key === state.lastKey && state.past.length > 0;
      const past = joined ? state.past : [...state.past.slice(-UNDO_STEPS + 1), snapshot(state)];
      return { ...change, past, future: [], lastKey: key, selected: select ?? state.selected, revision: state.revision + 1 };
    }),
  select: (selected) => set({ selected }),
  undo: () => set((state) => step(state, state.past, state.future, true)),
  redo: () => set((state) => step(state, state.future, state.past, false)),
  saved: (number, text, published) =>
    set((state) => ({
      base: number,
      published: { document: published.document, positions: published.positions },
      source: state.document === published.document ? { text, format: state.source.format, says: published.document } : state.source,
    })),
  moveBase: (base) => set({ base }),
}));

function step(state: DraftState, from: Snapshot[], to: Snapshot[], back: boolean): Partial<DraftState> {
  const found = from.at(-1);
  if (!found) return {};
  const rest = from.slice(0, -1);
  const other = [...to, snapshot(state)];
  return { ...found, past: back ? rest : other, future: back ? other : rest, lastKey: "", revision: state.revision + 1 };
}

/** Whether the document differs from what is published. */
export function isChanged(state: Pick<DraftState, "document" | "published">): boolean {
  return state.document !== state.published.document && !equal(state.document, state.published.document);
}

/** Whether only places of tasks differ. */
export function isMoved(state: Pick<DraftState, "positions" | "published">): boolean {
  return state.positions !== state.published.positions && !equal(state.positions, state.published.positions);
}
