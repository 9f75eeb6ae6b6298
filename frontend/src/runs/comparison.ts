/** Two runs of a DAG beside each other: what differs in their parameters and, task by task, in state and time. */

import { ms, type Snapshot, type TaskPicture } from "./types";

export interface ComparedTask {
  task_id: string;
  states: [string | null, string | null];
  /** Milliseconds of the last attempt. */
  took: [number | null, number | null];
  attempts: [number, number];
  differs: boolean;
}

export interface ComparedRuns {
  params: { name: string; values: [unknown, unknown] }[];
  tasks: ComparedTask[];
}

/** How long a run, or a task's last attempt, took or has taken so far. */
export function tookOf(one: { started_at: string | null; ended_at: string | null }, now: number): number | null {
  const started = ms(one.started_at);
  if (started === null) return null;
  return Math.max(0, (ms(one.ended_at) ?? now) - started);
}

/** What differs between two runs; tasks in the order of the first, then those that only the second has. */
export function compared(one: Snapshot, two: Snapshot, now: number): ComparedRuns {
  const others = new Map(two.tasks.map((task) => [task.task_id, task]));
  const known = new Set(one.tasks.map((task) => task.task_id));
  const pairs: [TaskPicture | undefined, TaskPicture | undefined][] = [
    ...one.tasks.map((task): [TaskPicture, TaskPicture | undefined] => [task, others.get(task.task_id)]),
    ...two.tasks.filter((task) => !known.has(task.task_id)).map((task): [undefined, TaskPicture] => [undefined, task]),
  ];
  return { params: params(one, two), tasks: pairs.map(([a, b]) => comparedTask(a, b, now)) };
}

function comparedTask(a: TaskPicture | undefined, b: TaskPicture | undefined, now: number): ComparedTask {
  const took: [number | null, number | null] = [a ? tookOf(a, now) : null, b ? tookOf(b, now) : null];
  return {
    task_id: (a ?? b)?.task_id ?? "",
    states: [a?.state ?? null, b?.state ?? null],
    took,
    attempts: [a?.attempt ?? 0, b?.attempt ?? 0],
    differs: a?.state !== b?.state || slower(took),
  };
}

/** Half as long again and more than a second: what one would call a difference. */
function slower([a, b]: [number | null, number | null]): boolean {
  if (a === null || b === null) return false;
  return Math.abs(a - b) > 1_000 && Math.max(a, b) > 1.5 * Math.min(a, b);
}

function params(one: Snapshot, two: Snapshot): ComparedRuns["params"] {
  const left = one.run.params as Record<string, unknown>;
  const right = two.run.params as Record<string, unknown>;
  const names = [...new Set([...Object.keys(left), ...Object.keys(right)])];
  return names
    .filter((name) => JSON.stringify(left[name]) !== JSON.stringify(right[name]))
    .map((name) => ({ name, values: [left[name], right[name]] }));
}
