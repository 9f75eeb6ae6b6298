/** Give tasks other ids, wherever the document says them: edges, choices, and expressions over `tasks.<id>`. */

import { withChoices } from "./choices";
import { type Doc, type Fields, isFields, type Json, tasksOf, withTasks } from "./document";

type Names = ReadonlyMap<string, string>;

const PLAIN = /^[A-Za-z_]\w*$/;
const EXPRESSIONS = ["condition", "when"]; // written without braces
const BRACES = /\{\{[^]*?\}\}|\{%[^]*?%\}/g;
const REFERENCE = /(?<![\w.])tasks(?:\s*\.\s*([A-Za-z_]\w*)|\s*\[\s*(["'])(.*?)\2\s*\])/g;

/** The document with the task under its new id, in its old place. */
export function renamed(doc: Doc, from: string, to: string): Doc {
  return withNames(doc, new Map([[from, to]]));
}

/** The document with several tasks under new ids at once: one may take the id that another gives up. */
export function withNames(doc: Doc, names: Names): Doc {
  const entries = tasksOf(doc).map(([id, fields]): [string, Fields] => {
    const changed = inTask(fields, names);
    return [names.get(id) ?? id, changed.id === id ? { ...changed, id: names.get(id) ?? id } : changed];
  });
  const result = withTasks(doc, entries);
  if (!isFields(doc.dependencies)) return result;
  const apart = Object.entries(doc.dependencies).map(([id, ids]) => [names.get(id) ?? id, swapped(ids, names)]);
  return { ...result, dependencies: Object.fromEntries(apart) as Fields };
}

function inTask(fields: Fields, names: Names): Fields {
  const chosen = withChoices(inExpressions(fields, names), (target) => names.get(target) ?? target);
  const texts = inTexts(chosen, names) as Fields;
  return "depends_on" in texts ? { ...texts, depends_on: swapped(texts.depends_on ?? null, names) } : texts;
}

/** What is an expression as a whole: the condition of a task, and those that it chooses by. */
function inExpressions(fields: Fields, names: Names): Fields {
  const entries = Object.entries(fields).map(([key, value]): [string, Json] => {
    if (EXPRESSIONS.includes(key) && typeof value === "string") return [key, inExpression(value, names)];
    if (key === "parameters" && isFields(value) && (fields.type === "conditional" || fields.type === "switch")) return [key, inExpressions(value, names)];
    if (key === "cases" && Array.isArray(value)) return [key, value.map((each) => (isFields(each) ? inExpressions(each, names) : each))];
    return [key, value];
  });
  return entries.some(([key, value]) => value !== fields[key]) ? (Object.fromEntries(entries) as Fields) : fields;
}

/** Expressions in the braces of any text. */
function inTexts(value: Json, names: Names): Json {
  if (typeof value === "string") return value.replace(BRACES, (found) => inExpression(found, names));
  if (Array.isArray(value)) return value.map((item) => inTexts(item, names));
  if (!isFields(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, inTexts(item, names)]));
}

function inExpression(text: string, names: Names): string {
  return text.replace(REFERENCE, (found: string, plain?: string, quote = '"', quoted?: string) => {
    const to = names.get(plain ?? quoted ?? "");
    if (to === undefined) return found;
    return plain !== undefined && PLAIN.test(to) ? `tasks.${to}` : `tasks[${quote}${to}${quote}]`;
  });
}

function swapped(value: Json, names: Names): Json {
  if (Array.isArray(value)) return value.map((item) => swapped(item, names));
  return typeof value === "string" ? (names.get(value) ?? value) : value;
}
