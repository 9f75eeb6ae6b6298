/** The edges of a document, wherever it writes them: `depends_on`, `dependencies`, and the choices of a task. */

import type { GraphEdge } from "../graph/types";
import { choicesOf, freeSide, withChoices, withParameter } from "./choices";
import { type Doc, type Fields, idsOf, isFields, taskOf, tasksOf, withKey, withTask, withTasks } from "./document";

/** Every edge between tasks that exist, each once. */
export function edgesOf(doc: Doc): GraphEdge[] {
  const entries = tasksOf(doc);
  const known = new Set(entries.map(([id]) => id));
  const found = new Map<string, GraphEdge>();
  const add = (edge: GraphEdge) => {
    const key = `${edge.source}\n${edge.target}`;
    const before = found.get(key);
    if (!known.has(edge.source) || !known.has(edge.target)) return;
    if (!before) found.set(key, edge);
    else if (edge.label) found.set(key, { ...edge, label: before.label ? `${before.label}, ${edge.label}` : edge.label });
  };
  for (const [target, fields] of entries) for (const source of idsOf(fields.depends_on)) add({ source, target });
  const apart = doc.dependencies;
  if (isFields(apart)) for (const [target, ids] of Object.entries(apart)) for (const source of idsOf(ids)) add({ source, target });
  for (const [source, fields] of entries) for (const [target, label] of choicesOf(fields)) add({ source, target, branch: true, label });
  return [...found.values()];
}

/** Connect two tasks: the free side of a condition, or else `depends_on`. */
export function connect(doc: Doc, source: string, target: string): Doc {
  if (source === target || !taskOf(doc, target)) return doc;
  const from = taskOf(doc, source);
  if (!from || edgesOf(doc).some((edge) => edge.source === source && edge.target === target)) return doc;
  const side = freeSide(from);
  if (side) return withTask(doc, source, (fields) => withParameter(fields, side, target));
  return after(doc, source, target);
}

function after(doc: Doc, source: string, target: string): Doc {
  return withTask(doc, target, (fields) => withUpstreams(fields, [...idsOf(fields.depends_on), source]));
}

/** The fields with exactly these upstreams, in the form in which they were written. */
export function withUpstreams(fields: Fields, ids: string[]): Fields {
  return withKey(fields, "depends_on", ids.length ? ids : undefined);
}

/** Take an edge away, wherever it is written. */
export function disconnect(doc: Doc, source: string, target: string): Doc {
  const cut = withTask(doc, target, (fields) => {
    const ids = idsOf(fields.depends_on);
    return ids.includes(source) ? withUpstreams(fields, ids.filter((id) => id !== source)) : fields;
  });
  return withTask(withApart(cut, target, (ids) => ids.filter((id) => id !== source)), source, (fields) => withChoices(fields, (each) => (each === target ? undefined : each)));
}

function withApart(doc: Doc, target: string, change: (ids: string[]) => string[]): Doc {
  if (!isFields(doc.dependencies) || !(target in doc.dependencies)) return doc;
  const before = idsOf(doc.dependencies[target]);
  const after = change(before);
  if (after.length === before.length) return doc;
  const dependencies = withKey(doc.dependencies, target, after.length ? after : undefined);
  return withKey(doc, "dependencies", Object.keys(dependencies).length ? dependencies : undefined);
}

/** Remove tasks, and every edge to them. */
export function withoutTasks(doc: Doc, ids: readonly string[]): Doc {
  let result = doc;
  const gone = new Set(ids);
  for (const edge of edgesOf(doc)) if (gone.has(edge.source) !== gone.has(edge.target)) result = disconnect(result, edge.source, edge.target);
  for (const id of ids) result = withApart(result, id, () => []);
  return withTasks(result, tasksOf(result).filter(([id]) => !gone.has(id)));
}

/** Put a task between the two ends of an edge. A choice stays the choice that it was, and leads to that task. */
export function insertOn(doc: Doc, id: string, { source, target }: { source: string; target: string }): Doc {
  const chosen = choicesOf(taskOf(doc, source) ?? {}).some(([each]) => each === target);
  const led = withTask(doc, source, (fields) => withChoices(fields, (each) => (each === target ? id : each)));
  const cut = disconnect(led, source, target);
  return connect(chosen ? cut : after(cut, source, id), id, target);
}
