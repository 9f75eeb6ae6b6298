/** The tasks that a task chooses from: the sides of a condition, the cases and the default of a switch. */

import { type Fields, isFields, type Json, withKey } from "./document";

/** What such a task chooses by, and the fields that name one task each. */
export const CHOOSERS: Record<string, { by: string; sides: string[] }> = {
  conditional: { by: "condition", sides: ["true_task", "false_task"] },
  switch: { by: "cases", sides: ["default"] },
};

function chooser(fields: Fields) {
  return CHOOSERS[String(fields.type)];
}

/** The chosen tasks, each with the word for its edge. */
export function choicesOf(fields: Fields): [target: string, label: string][] {
  const found = (chooser(fields)?.sides ?? []).flatMap((name): [string, string][] => {
    const target = parameter(fields, name);
    return typeof target === "string" && target ? [[target, name.replace("_task", "")]] : [];
  });
  for (const each of casesOf(fields)) if (isFields(each) && typeof each.task === "string") found.push([each.task, String(each.when ?? "")]);
  return found;
}

/** The first side of a condition that is still free. */
export function freeSide(fields: Fields): string | undefined {
  return fields.type === "conditional" ? CHOOSERS.conditional?.sides.find((name) => !parameter(fields, name)) : undefined;
}

/** The fields with other tasks to choose from, each in its place; undefined takes a choice away. */
export function withChoices(fields: Fields, change: (target: string) => string | undefined): Fields {
  let result = fields;
  for (const name of chooser(fields)?.sides ?? []) {
    const target = parameter(fields, name);
    if (typeof target === "string" && change(target) !== target) result = withParameter(result, name, change(target));
  }
  const cases = casesOf(fields);
  const next = cases.flatMap((each): Json[] => {
    if (!isFields(each) || typeof each.task !== "string") return [each];
    const task = change(each.task);
    if (task === undefined) return [];
    return [task === each.task ? each : { ...each, task }];
  });
  const unchanged = next.length === cases.length && next.every((each, at) => each === cases[at]);
  return unchanged ? result : withParameter(result, "cases", next);
}

/** Set a parameter of a task that chooses where it has it already: as its own field or under `parameters`. */
export function withParameter(fields: Fields, name: string, value: Json | undefined): Fields {
  const { parameters } = fields;
  if (!(name in fields) && isFields(parameters) && (name in parameters || (chooser(fields)?.by ?? "") in parameters)) {
    return { ...fields, parameters: withKey(parameters, name, value) };
  }
  return withKey(fields, name, value);
}

function casesOf(fields: Fields): Json[] {
  const cases = fields.type === "switch" ? parameter(fields, "cases") : null;
  return Array.isArray(cases) ? cases : [];
}

function parameter(fields: Fields, name: string): Json | undefined {
  return fields[name] ?? (isFields(fields.parameters) ? fields.parameters[name] : undefined);
}
