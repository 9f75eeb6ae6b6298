/** What the server says of a run, and what it tells while the run goes on. */

import type { Event as RunEvent, Events, Snapshot, TaskPicture } from "../lib/schema";

export type { Estimate, Explanation, FoundLine, Grid, LogChunk, RunDetail } from "../lib/schema";
export type { RunEvent, Snapshot, TaskPicture };

/** A page of events; from a stream it says where it begins. */
export type Page = Events & { since?: number };

export const FINAL = new Set(["success", "failed", "skipped", "upstream_failed", "cancelled"]);
export const RUN_FINAL = new Set(["success", "failed", "cancelled"]);

/** Milliseconds of a moment; null for none. */
export function ms(moment: string | null | undefined): number | null {
  return moment ? Date.parse(moment) : null;
}
