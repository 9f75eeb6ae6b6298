/** Tasks as JSON on the clipboard: what is copied here can be pasted here, in another DAG, or in a mail. */

import type { Positions } from "../graph/types";
import { type Doc, type Fields, freeId, idsOf, isFields, type Json, tasksOf, withTasks } from "./document";
import { withUpstreams } from "./edges";
import { withNames } from "./rename";

const SHIFT = 48;

interface Copied {
  tasks: Fields;
  positions: Positions;
}

/** The chosen tasks as text. */
export function copied(doc: Doc, positions: Positions, ids: readonly string[]): string {
  const chosen = tasksOf(doc).filter(([id]) => ids.includes(id));
  const places = Object.fromEntries(chosen.flatMap(([id]) => (positions[id] ? [[id, positions[id]]] : [])));
  return JSON.stringify({ tasks: Object.fromEntries(chosen), positions: places }, null, 2);
}

function read(text: string): Copied | null {
  try {
    const data = JSON.parse(text) as Json;
    if (!isFields(data) || !isFields(data.tasks)) return null;
    const tasks = Object.fromEntries(Object.entries(data.tasks).filter(([, fields]) => isFields(fields)));
    if (!Object.keys(tasks).length) return null;
    return { tasks, positions: isFields(data.positions) ? (data.positions as Positions) : {} };
  } catch {
    return null;
  }
}

export interface Pasted {
  document: Doc;
  positions: Positions;
  ids: string[];
}

/** The document with the tasks of a text, under free ids; null if the text holds none. Edges from outside are cut. */
export function pasted(doc: Doc, positions: Positions, text: string): Pasted | null {
  const found = read(text);
  if (!found) return null;
  const known = new Set(tasksOf(doc).map(([id]) => id));
  const given = tasksOf({ tasks: found.tasks });
  const taken = new Set([...known, ...given.map(([id]) => id)]);
  const names = new Map<string, string>();
  for (const [id] of given) {
    names.set(id, known.has(id) ? freeId(id, taken) : id);
    taken.add(names.get(id) ?? id);
  }
  const inside = given.map(([id, fields]): [string, Fields] => {
    const kept = idsOf(fields.depends_on).filter((up) => names.has(up));
    return [id, "depends_on" in fields ? withUpstreams(fields, kept) : fields];
  });
  const places: Positions = { ...positions };
  for (const [id, name] of names) {
    const at = found.positions[id];
    if (at) places[name] = [at[0] + SHIFT, at[1] + SHIFT];
  }
  const added = tasksOf(withNames({ tasks: Object.fromEntries(inside) }, names));
  return { document: withTasks(doc, [...tasksOf(doc), ...added]), positions: places, ids: [...names.values()] };
}
