/** A run as events change it. Events say the state that a task came to, so that telling one twice does no harm. */

import { FINAL, type Page, RUN_FINAL, type RunEvent, type Snapshot, type TaskPicture } from "./types";

export interface RunModel {
  run: Snapshot["run"];
  tasks: TaskPicture[];
  /** Up to where events are in here. */
  cursor: number;
  /** The server's clock minus ours, in milliseconds. */
  skew: number;
  /** Something happened that events do not tell for sure (items by state, a run's version): ask for a snapshot by and by. */
  stale: boolean;
}

/** The model of a snapshot that came at `at` by our clock. */
export function fromSnapshot(snapshot: Snapshot, at: number): RunModel {
  const { run, tasks, cursor, now } = snapshot;
  return { run, tasks, cursor, skew: Date.parse(now) - at, stale: false };
}

/** The model after a page; null when the page begins after what the model holds: then a snapshot is needed. */
export function applied(model: RunModel, page: Page): RunModel | null {
  if (page.since !== undefined && page.since > model.cursor) return null;
  if (page.next_since <= model.cursor) return model;
  const places = new Map(model.tasks.map((task, place) => [task.task_id, place]));
  const tasks = [...model.tasks];
  let { run, stale } = model;
  for (const event of page.events) {
    if (!event.task_id) {
      run = movedRun(run, event);
      stale ||= RUN_FINAL.has(event.old); // opened again, perhaps with another version
    } else {
      const place = places.get(event.task_id);
      const task = place === undefined ? undefined : tasks[place];
      if (!task || place === undefined) return null;
      const own = task.id === event.task_execution_id || task.id === 0;
      tasks[place] = own ? movedTask(task, event) : { ...task, items: movedItems(task.items, event) };
      stale ||= task.id !== event.task_execution_id;
    }
  }
  return { ...model, run, tasks, stale, cursor: page.next_since };
}

function movedRun(run: Snapshot["run"], event: RunEvent): Snapshot["run"] {
  if (event.old === event.new) return run;
  const state = event.new as typeof run.state;
  return {
    ...run,
    state,
    reason: event.reason as typeof run.reason,
    started_at: state === "running" ? (run.started_at ?? event.at) : run.started_at,
    ended_at: RUN_FINAL.has(state) ? event.at : null,
  };
}

/** How many items are in which state; what is told twice is counted twice, until all is read again. */
function movedItems(items: TaskPicture["items"], event: RunEvent): TaskPicture["items"] {
  if (event.old === event.new) return items;
  const left = Math.max(0, (items[event.old] ?? 0) - 1);
  const { [event.old]: _, ...others } = items;
  return { ...others, ...(left && { [event.old]: left }), [event.new]: (items[event.new] ?? 0) + 1 };
}

function movedTask(task: TaskPicture, event: RunEvent): TaskPicture {
  if (event.attempt < task.attempt) return task; // the snapshot was ahead of this
  const state = event.new as TaskPicture["state"];
  const moved: TaskPicture = {
    ...task,
    id: event.task_execution_id ?? task.id,
    state,
    reason: event.reason,
    message: event.message,
    attempt: Math.max(task.attempt, event.attempt),
    node: event.node || task.node,
    held: false,
    next_attempt_at: null,
    ended_at: FINAL.has(state) ? event.at : null,
    earlier: earlierBars(task, event),
  };
  if (state === "running") moved.started_at = event.at;
  if (state === "queued") moved.queued_at = event.at;
  if (state === "queued" || state === "pending") moved.started_at = null;
  if (state === "pending") moved.queued_at = null;
  return moved;
}

/** An attempt that an event closes, or that another one follows, becomes a bar of its own. */
function earlierBars(task: TaskPicture, event: RunEvent): TaskPicture["earlier"] {
  const opensAgain = event.new === "queued" || event.new === "pending" || event.new === "retrying";
  if (!opensAgain || !task.started_at || !task.attempt) return task.earlier;
  const closed = event.old === "running" || FINAL.has(event.old);
  if (!closed && event.attempt === task.attempt) return task.earlier; // told again: the attempt began after this
  const told = task.earlier.some((bar) => bar.number === task.attempt);
  if (told && event.old === "retrying") return task.earlier;
  const bar = { number: task.attempt, started_at: task.started_at, ended_at: task.ended_at ?? event.at, end: event.old };
  if (event.new === "retrying") bar.end = "retrying";
  return [...task.earlier.filter((other) => other.number !== bar.number), bar];
}
