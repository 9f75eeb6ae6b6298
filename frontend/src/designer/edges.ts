/** The edges of a document, wherever it writes them: `depends_on`, `dependencies`, and the choices of a task. */

import type { GraphEdge } from "../graph/types";
import { type Doc, type Fields, idsOf, isFields, type Json, taskOf, tasksOf, withKey, withTask, withTasks } from "./document";

const CHOICES: Record<string, string[]> = { conditional: ["true_task", "false_task"], switch: ["default"] };

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

/** The tasks that a task chooses from, each with the word for its edge. */
export function choicesOf(fields: Fields): [target: string, label: string][] {
  const names = CHOICES[String(fields.type)] ?? [];
  const found: [string, string][] = names.flatMap((name) => {
    const target = shorthand(fields, name);
    return typeof target === "string" && target ? [[target, name.replace("_task", "")] as [string, string]] : [];
  });
  const cases = fields.type === "switch" ? shorthand(fields, "cases") : null;
  if (Array.isArray(cases)) {
    for (const each of cases) if (isFields(each) && typeof each.task === "string") found.push([each.task, String(each.when ?? "")]);
  }
  return found;
}

function shorthand(fields: Fields, name: string): Json | undefined {
  return fields[name] ?? (isFields(fields.parameters) ? fields.parameters[name] : undefined);
}

/** Set a parameter where the task has it already: as its own field or under `parameters`. */
export function withChoice(fields: Fields, name: string, value: Json | undefined): Fields {
  if (isFields(fields.parameters) && (name in fields.parameters || "condition" in fields.parameters || "cases" in fields.parameters)) {
    return { ...fields, parameters: withKey(fields.parameters, name, value) };
  }
  return withKey(fields, name, value);
}

/** The upstreams of a task by its own `depends_on` and by the document's `dependencies`. */
export function upstreamsOf(doc: Doc, id: string): string[] {
  const apart = isFields(doc.dependencies) ? idsOf(doc.dependencies[id]) : [];
  return [...new Set([...idsOf(taskOf(doc, id)?.depends_on), ...apart])];
}

/** Connect two tasks: the free side of a condition, or else `depends_on`. */
export function connect(doc: Doc, source: string, target: string): Doc {
  if (source === target || !taskOf(doc, target)) return doc;
  const from = taskOf(doc, source);
  if (!from || edgesOf(doc).some((edge) => edge.source === source && edge.target === target)) return doc;
  if (from.type === "conditional") {
    const side = ["true_task", "false_task"].find((name) => !shorthand(from, name));
    if (side) return withTask(doc, source, (fields) => withChoice(fields, side, target));
  }
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
  return withTask(withApart(cut, target, (ids) => ids.filter((id) => id !== source)), source, (fields) => withoutChoice(fields, target));
}

function withApart(doc: Doc, target: string, change: (ids: string[]) => string[]): Doc {
  if (!isFields(doc.dependencies) || !(target in doc.dependencies)) return doc;
  const before = idsOf(doc.dependencies[target]);
  const after = change(before);
  if (after.length === before.length) return doc;
  const dependencies = withKey(doc.dependencies, target, after.length ? after : undefined);
  return withKey(doc, "dependencies", Object.keys(dependencies).length ? dependencies : undefined);
}

function withoutChoice(fields: Fields, target: string): Fields {
  let result = fields;
  for (const name of CHOICES[String(fields.type)] ?? []) if (shorthand(fields, name) === target) result = withChoice(result, name, undefined);
  const cases = fields.type === "switch" ? shorthand(fields, "cases") : null;
  if (!Array.isArray(cases)) return result;
  const kept = cases.filter((each) => !isFields(each) || each.task !== target);
  return kept.length === cases.length ? result : withChoice(result, "cases", kept);
}

/** Remove tasks, and every edge to them. */
export function withoutTasks(doc: Doc, ids: readonly string[]): Doc {
  let result = doc;
  const gone = new Set(ids);
  for (const edge of edgesOf(doc)) if (gone.has(edge.source) !== gone.has(edge.target)) result = disconnect(result, edge.source, edge.target);
  for (const id of ids) result = withApart(result, id, () => []);
  return withTasks(result, tasksOf(result).filter(([id]) => !gone.has(id)));
}

/** Put a task between the two ends of an edge. */
export function insertOn(doc: Doc, id: string, edge: { source: string; target: string }): Doc {
  return connect(connect(disconnect(doc, edge.source, edge.target), edge.source, id), id, edge.target);
}
