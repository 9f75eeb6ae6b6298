/** Give a task another id, wherever the document says it: edges, choices, and expressions over `tasks.<id>`. */

import { type Doc, type Fields, isFields, type Json, tasksOf, withTasks } from "./document";

const PLAIN = /^[A-Za-z_]\w*$/;
const LISTS = ["depends_on"];
const CHOICES = ["true_task", "false_task", "default", "task"];

/** The document with the task under its new id, in its old place. */
export function renamed(doc: Doc, from: string, to: string): Doc {
  const words = PLAIN.test(from) && PLAIN.test(to) ? new RegExp(`\\btasks\\.${from}(?![\\w-])`, "g") : null;
  const entries = tasksOf(doc).map(([id, fields]): [string, Fields] => {
    const changed = inTask(fields, from, to, words);
    return [id === from ? to : id, changed.id === from ? { ...changed, id: to } : changed];
  });
  const result = withTasks(doc, entries);
  if (!isFields(doc.dependencies)) return result;
  const apart = Object.entries(doc.dependencies).map(([id, ids]) => [id === from ? to : id, swapped(ids, from, to)]);
  return { ...result, dependencies: Object.fromEntries(apart) as Fields };
}

function inTask(fields: Fields, from: string, to: string, words: RegExp | null): Fields {
  const chooses = fields.type === "conditional" || fields.type === "switch";
  return mapped(fields, (key, value) => {
    if (LISTS.includes(key)) return swapped(value, from, to);
    if (chooses && CHOICES.includes(key) && value === from) return to;
    return words && typeof value === "string" ? value.replace(words, `tasks.${to}`) : value;
  }) as Fields;
}

function mapped(value: Json, change: (key: string, value: Json) => Json, key = ""): Json {
  const own = change(key, value);
  if (own !== value) return own;
  if (Array.isArray(value)) return value.map((item) => mapped(item, change));
  if (!isFields(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, mapped(item, change, name)]));
}

function swapped(value: Json, from: string, to: string): Json {
  if (Array.isArray(value)) return value.map((item) => (item === from ? to : item));
  return value === from ? to : value;
}
