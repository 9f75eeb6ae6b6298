/** Runs, tasks and events for the tests. */

import type { RunEvent, Snapshot, TaskPicture } from "../../src/runs/types";

export const T0 = Date.parse("2026-01-01T00:00:00Z");

export function moment(seconds: number): string {
  return new Date(T0 + seconds * 1000).toISOString();
}

export function task(task_id: string, more: Partial<TaskPicture> = {}): TaskPicture {
  return {
    id: 1, task_id, name: task_id, type: "shell", pool: "default", upstream: [], mapped: false, items: {}, state: "pending", reason: "",
    message: "", attempt: 0, held: false, waiting_on: 0, node: "", queued_at: null, started_at: null, ended_at: null,
    next_attempt_at: null, earlier: [], ...more,
  };
}

export function snapshot(tasks: TaskPicture[], more: Partial<Snapshot["run"]> = {}): Snapshot {
  const run = { id: 1, state: "running", params: {}, started_at: moment(0), ended_at: null, ...more } as Snapshot["run"];
  return { run, tasks, cursor: 10, now: moment(0) };
}

export function event(task_id: string, change: [string, string], seconds: number, more: Partial<RunEvent> = {}): RunEvent {
  return {
    seq: 11, id: 1, task_execution_id: task_id ? 1 : null, task_id, attempt: 1, old: change[0], new: change[1], reason: "", message: "",
    node: "", at: moment(seconds), ...more,
  };
}
