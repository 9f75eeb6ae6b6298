/** An attempt's log on the screen: a window of it, moved by the reader, and growing while the attempt writes. */

import { useCallback, useEffect, useReducer, useRef } from "react";

import { api } from "../lib/api";
import { EMPTY, grownDown, grownUp, type LogWindow, numbered, opened, type Piece } from "./logWindow";
import { Turns } from "./turns";

const CHARS = 131_072; // asked for at one time
const END = 2_147_483_647;
const TAIL_EVERY = 1_000;

export interface LogTarget {
  run: number;
  task: string;
  mapIndex: number;
  /** 0: the current one. */
  attempt: number;
  /** The attempt may still write. */
  moving: boolean;
}

interface State {
  window: LogWindow;
  loaded: boolean;
  error: unknown;
}

type Step = { kind: "open" | "down" | "up"; piece: Piece } | { kind: "number"; seq: number; line: number } | { kind: "fail"; error: unknown };

function stepped(state: State, step: Step): State {
  if (step.kind === "fail") return { ...state, error: step.error };
  if (step.kind === "number") return { ...state, window: numbered(state.window, step.seq, step.line) };
  const window =
    step.kind === "open" ? opened(step.piece) : step.kind === "down" ? grownDown(state.window, step.piece) : grownUp(state.window, step.piece);
  return { window, loaded: true, error: null };
}

export interface Log extends State {
  /** Open the log's end, its beginning, or the neighbourhood of a chunk, whatever else is being read; false: it was given up. */
  open: (where: "end" | "start" | number) => Promise<boolean>;
  up: () => Promise<void>;
  down: () => Promise<void>;
}

type Asked = { after?: number; before?: number; numbered?: boolean; limit?: number; chars?: number };

/** The log of an attempt. While `following`, what is written appears. */
export function useLog(target: LogTarget, following: boolean): Log {
  const { run, task, mapIndex, attempt, moving } = target;
  const [state, step] = useReducer(stepped, { window: EMPTY, loaded: false, error: null });
  const held = useRef(state.window);
  held.current = state.window;
  const turns = useRef(new Turns());
  const failed = useCallback((error: unknown) => (step({ kind: "fail", error }), false), []);
  const ask = useCallback(
    (asked: Asked, signal?: AbortSignal) =>
      api.get("/runs/{run_id}/tasks/{task_id}/logs", {
        path: { run_id: run, task_id: task },
        query: { map_index: mapIndex, attempt: attempt || undefined, chars: CHARS, limit: 500, ...asked },
        signal,
      }),
    [run, task, mapIndex, attempt],
  );
  const taken = useCallback(
    async (kind: "open" | "down" | "up", asked: Asked, signal: AbortSignal) => {
      const piece = await ask(asked, signal);
      if (!signal.aborted) step({ kind, piece });
      return piece;
    },
    [ask],
  );
  // Counting what comes before is work for the server: the text is shown first.
  const count = useCallback(
    async (piece: Piece) => {
      const first = piece.chunks[0];
      if (!first || piece.begins) return;
      const { first_line } = await ask({ after: first.seq - 1, limit: 1, chars: 1, numbered: true });
      if (first_line !== null) step({ kind: "number", seq: first.seq, line: first_line });
    },
    [ask],
  );
  const open = useCallback(
    (where: "end" | "start" | number) =>
      turns.current
        .supersede(async (signal) => {
          const piece = await taken("open", where === "end" ? { before: END } : { after: where === "start" ? -1 : where - 1 }, signal);
          if (typeof where === "number" && where > 0) await taken("up", { before: where, chars: CHARS / 4 }, signal);
          void count(piece).catch(() => undefined);
        })
        .catch(failed),
    [taken, count, failed],
  );
  const up = useCallback(async () => {
    const first = held.current.chunks[0];
    if (first && !held.current.begins) await turns.current.join(async (signal) => void (await taken("up", { before: first.seq }, signal))).catch(failed);
  }, [taken, failed]);
  const down = useCallback(async () => {
    const after = held.current.chunks.at(-1)?.seq ?? -1;
    if (!held.current.complete) await turns.current.join(async (signal) => void (await taken("down", { after }, signal))).catch(failed);
  }, [taken, failed]);
  const open_end = state.loaded && !state.window.complete;
  useEffect(() => {
    if (!open_end || !following) return;
    const timer = window.setInterval(() => !document.hidden && void down(), moving ? TAIL_EVERY : 3 * TAIL_EVERY);
    return () => window.clearInterval(timer);
  }, [open_end, following, moving, down]);
  return { ...state, open, up, down };
}
