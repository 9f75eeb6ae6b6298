/** The critical path of a run, and when it will be over. */

import { FINAL, ms, type TaskPicture } from "./types";

export type Medians = Readonly<Record<string, number>>;

/** When each task ends: as it did, or as it is to be expected from the medians (seconds); milliseconds. */
export function ends(tasks: readonly TaskPicture[], medians: Medians, now: number): number[] {
  const result: number[] = [];
  for (const task of tasks) {
    const ready = Math.max(now, ...task.upstream.map((place) => result[place] ?? now));
    result.push(endOf(task, medians, now, ready));
  }
  return result;
}

function endOf(task: TaskPicture, medians: Medians, now: number, ready: number): number {
  const ended = ms(task.ended_at);
  if (ended !== null && FINAL.has(task.state)) return ended;
  const usual = (medians[task.task_id] ?? 0) * 1000;
  const started = ms(task.started_at);
  if (task.state === "running" && started !== null) return Math.max(now, started + usual);
  return ready + usual;
}

/** When the run will be over; null without a past to judge from, and once it is. */
export function expectedEnd(tasks: readonly TaskPicture[], medians: Medians, now: number): number | null {
  if (!Object.keys(medians).length || tasks.every((task) => FINAL.has(task.state))) return null;
  return Math.max(...ends(tasks, medians, now));
}

/** Ids on the path that decides when the run ends: from the task that ends last, each time the upstream that ended last. */
export function criticalPath(tasks: readonly TaskPicture[], medians: Medians, now: number): Set<string> {
  const at = ends(tasks, medians, now);
  const path = new Set<string>();
  let place = last(tasks.map((_, index) => index).filter((index) => counts(tasks[index])), at);
  while (place !== null) {
    const task = tasks[place] as TaskPicture;
    path.add(task.task_id);
    place = last(task.upstream.filter((index) => counts(tasks[index])), at);
  }
  return path;
}

/** Tasks that never ran take no time and lead nowhere. */
function counts(task: TaskPicture | undefined): boolean {
  return task !== undefined && (task.started_at !== null || !FINAL.has(task.state));
}

function last(places: readonly number[], at: readonly number[]): number | null {
  let found: number | null = null;
  for (const place of places) if (found === null || (at[place] ?? 0) > (at[found] ?? 0)) found = place;
  return found;
}
