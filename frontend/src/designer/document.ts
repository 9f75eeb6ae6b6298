/** The document as data, read and changed without touching what a change does not concern: order and form stay. */

export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };
export type Fields = { [key: string]: Json };
export type Doc = Fields;
export type TaskEntry = [id: string, fields: Fields];

export function isFields(value: Json | undefined): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The tasks in their order, from a mapping or from a list with ids. */
export function tasksOf(doc: Doc): TaskEntry[] {
  const { tasks } = doc;
  if (Array.isArray(tasks)) return tasks.flatMap((task) => (isFields(task) && typeof task.id === "string" ? [[task.id, task]] : []));
  if (!isFields(tasks)) return [];
  return Object.entries(tasks).map(([id, fields]) => [id, isFields(fields) ? fields : {}]);
}

/** The document with other tasks, in the form in which it lists them. */
export function withTasks(doc: Doc, entries: TaskEntry[]): Doc {
  if (Array.isArray(doc.tasks)) return { ...doc, tasks: entries.map(([id, fields]) => (fields.id === id ? fields : { ...fields, id })) };
  return { ...doc, tasks: Object.fromEntries(entries) };
}

/** One task's fields. */
export function taskOf(doc: Doc, id: string): Fields | undefined {
  return tasksOf(doc).find(([known]) => known === id)?.[1];
}

/** Change one task's fields. */
export function withTask(doc: Doc, id: string, change: (fields: Fields) => Fields): Doc {
  return withTasks(doc, tasksOf(doc).map(([known, fields]) => [known, known === id ? change(fields) : fields]));
}

/** The object with a key set, or left out for undefined; keys keep their order. */
export function withKey<T extends Fields>(fields: T, key: string, value: Json | undefined): T {
  if (value !== undefined) return { ...fields, [key]: value };
  return Object.fromEntries(Object.entries(fields).filter(([known]) => known !== key)) as T;
}

/** The document with one of its sections; before the tasks where it is new, and gone when it is empty. */
export function withSection(doc: Doc, name: string, value: Json | undefined): Doc {
  const empty = value === undefined || value === "" || (isFields(value) && Object.keys(value).length === 0);
  if (empty || name in doc || !("tasks" in doc)) return withKey(doc, name, empty ? undefined : value);
  return Object.fromEntries(Object.entries(doc).flatMap((entry) => (entry[0] === "tasks" ? [[name, value as Json], entry] : [entry])));
}

/** Ids as a text, a list or nothing stand for them. */
export function idsOf(value: Json | undefined): string[] {
  if (typeof value === "string") return [value];
  return Array.isArray(value) ? value.filter((id): id is string => typeof id === "string") : [];
}

/** A free id made from a type's name: `shell`, `shell_2`, … */
export function freeId(base: string, taken: ReadonlySet<string>): string {
  const clean = base.replace(/[^A-Za-z0-9_]/g, "_").replace(/^(\d)/, "_$1") || "task";
  if (!taken.has(clean)) return clean;
  const stem = clean.replace(/_\d+$/, "");
  for (let count = 2; ; count++) if (!taken.has(`${stem}_${count}`)) return `${stem}_${count}`;
}

/** What a new task of a type begins with. */
export function newTask(type: string): Fields {
  const commands: Record<string, Fields> = { shell: { command: "" }, conditional: { condition: "" }, switch: { cases: [] } };
  return { type, ...commands[type] };
}

/** Whether two values are the same, whatever the order of their keys. */
export function equal(a: Json | undefined, b: Json | undefined): boolean {
  if (a === b) return true;
  if (Array.isArray(a)) return Array.isArray(b) && a.length === b.length && a.every((item, at) => equal(item, b[at]));
  if (!isFields(a) || !isFields(b)) return false;
  const keys = Object.keys(a);
  return keys.length === Object.keys(b).length && keys.every((key) => key in b && equal(a[key], b[key]));
}
