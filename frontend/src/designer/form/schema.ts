/** As much of JSON Schema as forms need: what kind of control a value wants. */

import type { Json } from "../document";

export interface Schema {
  $ref?: string;
  $defs?: Record<string, Schema>;
  type?: string;
  title?: string;
  description?: string;
  default?: Json;
  examples?: Json[];
  enum?: Json[];
  const?: Json;
  format?: string;
  anyOf?: Schema[];
  oneOf?: Schema[];
  properties?: Record<string, Schema>;
  required?: string[];
  items?: Schema;
  additionalProperties?: Schema | boolean;
  minimum?: number;
  maximum?: number;
  pattern?: string;
  "x-order"?: string[];
}

export type Kind = "text" | "lines" | "number" | "boolean" | "choice" | "list" | "map" | "object" | "any";

export interface Shape {
  kind: Kind;
  schema: Schema;
  title: string;
  hint: string;
  choices: Json[];
}

const LONG = new Set(["script", "query", "prompt"]);

/** A schema with its reference followed. */
export function resolve(schema: Schema, root: Schema): Schema {
  let found = schema;
  for (let depth = 0; found.$ref && depth < 10; depth++) {
    const name = found.$ref.replace("#/$defs/", "");
    found = { ...(root.$defs?.[name] ?? {}), ...withoutRef(found) };
  }
  return found;
}

function withoutRef({ $ref: _, ...rest }: Schema): Schema {
  return rest;
}

/** What a value of this schema looks like in a form. `name` is its key. */
export function shapeOf(name: string, schema: Schema, root: Schema, value?: Json): Shape {
  const whole = resolve(schema, root);
  const chosen = narrowed(whole, root, value);
  const kind = kindOf(name, chosen, value);
  return {
    kind,
    schema: chosen,
    title: whole.title ?? chosen.title ?? name,
    hint: whole.description ?? "",
    choices: chosen.enum ?? [],
  };
}

/** The alternative that the value is of; else the first one that is not null. */
function narrowed(schema: Schema, root: Schema, value?: Json): Schema {
  const options = (schema.anyOf ?? schema.oneOf ?? []).map((each) => resolve(each, root)).filter((each) => each.type !== "null");
  if (!options.length || schema.type) return schema;
  if (options.length > 1 && !schema.enum && options.every((each) => ["string", "number", "integer", "boolean"].includes(each.type ?? ""))) {
    return { ...(options.find((each) => each.type === "string") ?? options[0]), type: "scalar" } as Schema;
  }
  return options.find((each) => value !== undefined && each.type === typeOf(value)) ?? options[0] ?? schema;
}

function typeOf(value: Json): string {
  if (Array.isArray(value)) return "array";
  if (value === null) return "null";
  return typeof value;
}

function kindOf(name: string, schema: Schema, value?: Json): Kind {
  const odd = value !== undefined && value !== null;
  if (schema.enum && !(typeof value === "string" && value.includes("{{"))) return "choice";
  switch (schema.type) {
    case "string":
      if (odd && typeof value === "object") return "any";
      return LONG.has(name) || schema.format === "multiline" || (typeof value === "string" && value.includes("\n")) ? "lines" : "text";
    case "scalar":
      return odd && typeof value === "object" ? "any" : "text";
    case "integer":
    case "number":
      return odd && typeof value === "object" ? "any" : "number";
    case "boolean":
      return odd && typeof value !== "boolean" ? "text" : "boolean";
    case "array":
      if (odd && !Array.isArray(value)) return "any";
      return schema.items?.type === "string" ? "list" : "any";
    case "object":
      if (odd && (typeof value !== "object" || Array.isArray(value))) return "any";
      return schema.properties ? "object" : "map";
    default:
      return "any";
  }
}

/** The fields of an object's schema in their order, what is required first. */
export function fieldsOf(schema: Schema): [name: string, schema: Schema, required: boolean][] {
  const required = new Set(schema.required ?? []);
  const order = schema["x-order"] ?? Object.keys(schema.properties ?? {});
  const all = order.flatMap((name): [string, Schema, boolean][] => {
    const found = schema.properties?.[name];
    return found ? [[name, found, required.has(name)]] : [];
  });
  return schema["x-order"] ? all : [...all.filter((each) => each[2]), ...all.filter((each) => !each[2])];
}

/** What was typed into a field for a number: the number, or the text where it is an expression. */
export function numberOf(text: string): Json | undefined {
  const clean = text.trim();
  if (clean === "") return undefined;
  const number = Number(clean);
  return Number.isFinite(number) && /^[-+.\d]/.test(clean) && !/^[-+]?0[xob]/i.test(clean) ? number : text;
}

/** What was typed as one value of a map: JSON where it is JSON, text where it is not. */
export function scalarOf(text: string): Json {
  if (!/^(?:-?\d|true$|false$|null$|[[{"])/.test(text.trim()) || text.includes("{{")) return text;
  try {
    return JSON.parse(text) as Json;
  } catch {
    return text;
  }
}

/** What was typed for any value: JSON, or a text with an expression; null for what is neither yet. */
export function jsonOf(text: string): { value: Json | undefined } | null {
  if (text.trim() === "") return { value: undefined };
  try {
    return { value: JSON.parse(text) as Json };
  } catch {
    return /^\s*[[{"](?!\{|%)/.test(text) ? null : { value: text };
  }
}

/** Any value as it is typed: a text that would be read as something else is quoted. */
export function jsonText(value: Json | undefined): string {
  return typeof value === "string" && jsonOf(value)?.value !== value ? JSON.stringify(value) : textOf(value);
}

/** A value as it is typed. */
export function textOf(value: Json | undefined): string {
  if (value === undefined || value === null) return "";
  if (typeof value === "string") return value;
  return typeof value === "object" ? JSON.stringify(value, null, 2) : String(value);
}

/** One value of a map as it is typed: texts that would be read as JSON are quoted. */
export function scalarText(value: Json): string {
  if (typeof value === "string") return scalarOf(value) === value ? value : JSON.stringify(value);
  return JSON.stringify(value);
}
