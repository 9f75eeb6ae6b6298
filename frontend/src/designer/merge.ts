/** Two people changed the same DAG: put one's changes on the other's version, task by task. */

import { type Doc, equal, type Json, tasksOf, withKey, withTasks } from "./document";

export interface Merged {
  document: Doc;
  /** Task ids, and names of the document's own fields, that both changed in different ways; mine are kept. */
  conflicts: string[];
}

/** My changes since `base`, on top of `theirs`. */
export function rebased(base: Doc, mine: Doc, theirs: Doc): Merged {
  const conflicts: string[] = [];
  const settle = (name: string, was: Json | undefined, my: Json | undefined, their: Json | undefined) => {
    if (equal(my, was)) return their;
    if (!equal(their, was) && !equal(their, my)) conflicts.push(name);
    return my;
  };
  let document = theirs;
  for (const name of new Set([...Object.keys(base), ...Object.keys(mine), ...Object.keys(theirs)])) {
    if (name !== "tasks") document = withKey(document, name, settle(name, base[name], mine[name], theirs[name]));
  }
  const [was, my, their] = [base, mine, theirs].map((doc) => new Map(tasksOf(doc))) as [Map<string, Doc>, Map<string, Doc>, Map<string, Doc>];
  const entries = [...new Set([...their.keys(), ...my.keys()])].flatMap((id): [string, Doc][] => {
    const fields = settle(id, was.get(id), my.get(id), their.get(id));
    return fields === undefined ? [] : [[id, fields as Doc]];
  });
  return { document: withTasks(document, entries), conflicts };
}
