/** The document as text. A change touches the lines that it concerns: comments and the author's form stay. */

import type { Document } from "yaml";

import { type Doc, equal, isFields, type Json } from "./document";
import { respaced } from "./lines";

export type Format = "yaml" | "json";
type Path = (string | number)[];

// Long lines stay on one line: folding would change commands that people search for.
const STYLE = { lineWidth: 0, flowCollectionPadding: false } as const;

/** The text that says `after`, from the text that says `before`. */
export async function patched(text: string, format: Format, before: Doc | null, after: Doc): Promise<string> {
  if (before !== null && equal(before, after) && sameOrder(before, after)) return text;
  if (format === "json") return `${JSON.stringify(after, null, 2)}\n`;
  const yaml = await import("yaml");
  if (before !== null && text.trim()) {
    const document = yaml.parseDocument(text);
    if (document.errors.length === 0 && yaml.isMap(document.contents)) {
      const style = { ...STYLE, indent: indentOf(text), indentSeq: !/^( *)[^\s#-][^\n]*:[^\n]*\n\1- /m.test(text) };
      const plain = document.toString(style);
      apply(document, [], before, after);
      const result = document.toString(style);
      for (const each of [respaced(text, plain, result), result]) if (each !== null && says(yaml.parse, each, after)) return each;
    }
  }
  return yaml.stringify(after, STYLE);
}

function says(parse: (text: string) => unknown, text: string, wanted: Doc): boolean {
  try {
    return equal(parse(text) as Json, wanted);
  } catch {
    return false;
  }
}

/** How far the author indents. */
function indentOf(text: string): number {
  const found = /^[^\s#-][^\n]*:[ \t]*(?:#[^\n]*)?\n(?:[ \t]*#[^\n]*\n)*( +)[^\s#-]/m.exec(text);
  return found?.[1]?.length ?? 2;
}

function apply(document: Document, path: Path, before: Json | undefined, after: Json): void {
  if (equal(before, after) && sameOrder(before, after)) return;
  if (isFields(before) && isFields(after) && sameOrder(before, after)) {
    for (const key of Object.keys(before)) if (!(key in after)) document.deleteIn([...path, key]);
    for (const [key, value] of Object.entries(after)) apply(document, [...path, key], before[key], value);
  } else if (path.length) {
    const old = document.getIn(path, true);
    if (isScalarNode(old) && typeof old.value === "string" && typeof after === "string") {
      old.value = after; // in its quotes, and with its comment
      return;
    }
    const node = document.createNode(after);
    const flow = (old as { flow?: boolean } | undefined)?.flow ?? (before === undefined && isFlow(document, path));
    if (flow && typeof node === "object") (node as { flow?: boolean }).flow = true;
    document.setIn(path, node);
  } else {
    document.contents = document.createNode(after) as typeof document.contents;
  }
}

function isScalarNode(node: unknown): node is { value: unknown } {
  return typeof node === "object" && node !== null && "value" in node;
}

/** Whether a new value should be written in braces, as its neighbours are. */
function isFlow(document: Document, path: Path): boolean {
  if (path.length !== 2 || path[0] !== "tasks") return false;
  const parent = document.getIn(path.slice(0, -1), true) as { items?: { value?: { flow?: boolean } }[] } | undefined;
  const items = parent?.items ?? [];
  return items.length > 0 && items.every((item) => item.value?.flow);
}

/** Whether the keys that both have come in the same order, new ones last. */
function sameOrder(before: Json | undefined, after: Json | undefined): boolean {
  if (Array.isArray(before) && Array.isArray(after)) return before.every((item, at) => sameOrder(item, after[at]));
  if (!isFields(before) || !isFields(after)) return true;
  const kept = Object.keys(before).filter((key) => key in after);
  const now = Object.keys(after);
  return kept.every((key, at) => now[at] === key) && kept.every((key) => sameOrder(before[key], after[key]));
}
