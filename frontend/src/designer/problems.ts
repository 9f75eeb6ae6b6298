/** The server's problems, by the task and by the field that they are about. */

import type { Problem } from "../lib/api";
import { hasWords, t } from "../lib/i18n";

/** A problem in words. */
export function wordsOf(problem: Problem): string {
  return hasWords(`problem.${problem.code}`) ? `${t(`problem.${problem.code}`)} (${problem.message})` : problem.message;
}

/** What is wrong with each task. */
export function byTask(problems: Problem[]): Map<string, Problem[]> {
  const found = new Map<string, Problem[]>();
  for (const problem of problems) for (const id of new Set(problem.tasks)) found.set(id, [...(found.get(id) ?? []), problem]);
  return found;
}

/** The problems at a field of a task, or below it. `place` is the task's own path, as the server writes it. */
export function atField(problems: Problem[], place: string, field: string): string[] {
  const paths = [`${place}.${field}`, `${place}.parameters.${field}`];
  const hit = (path: string) => paths.some((each) => path === each || path.startsWith(`${each}.`) || path.startsWith(`${each}[`));
  return problems.filter((problem) => hit(problem.path)).map(wordsOf);
}

/** The problems that no field shows: those of the whole, and those at a place that the forms do not have. */
export function unplaced(problems: Problem[], place: string, fields: ReadonlySet<string>): Problem[] {
  return problems.filter(({ path }) => {
    if (place && path !== place && !path.startsWith(`${place}.`) && !path.startsWith(`${place}[`)) return true;
    const [first, second] = path.slice(place.length).split(/[.[\]]+/).filter(Boolean);
    return !fields.has((first === "parameters" && second) || first || "");
  });
}

/** The path of a task as the server writes it. */
export function placeOf(id: string, index: number, inList: boolean): string {
  if (inList) return `tasks[${index}]`;
  return /^[^.[\]\s"]+$/.test(id) ? `tasks.${id}` : `tasks[${JSON.stringify(id)}]`;
}
