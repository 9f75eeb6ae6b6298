/** YAML changed in its own tree: what a change does not concern keeps its comments, its form and its place. */

import {
  type Alias, type Document, isAlias, isCollection, isMap, isScalar, isSeq, type Node, type Pair, parse, parseDocument, stringify, visit, type YAMLMap, type YAMLSeq,
} from "yaml";

import { type Doc, equal, type Fields, isFields, type Json } from "./document";
import { respaced } from "./lines";

// As the server reads it: `<<` merges, more than once too, and every key is a text.
const READ = {
  merge: true,
  stringKeys: true,
  uniqueKeys: (a: unknown, b: unknown) => isScalar(a) && isScalar(b) && a.value === b.value && a.value !== "<<",
} as const;
const NEW = { aliasDuplicateObjects: false } as const;
// Long lines stay on one line: folding would change commands that people search for.
const STYLE = { lineWidth: 0, flowCollectionPadding: false } as const;

/** The text that says `after`, from the text that says `before`; written anew where it cannot be changed. */
export function edited(text: string, before: Doc | null, after: Doc): string {
  const found = before !== null && text.trim() ? (changed(text, before, after, false) ?? changed(text, before, after, true)) : null;
  return found ?? stringify(after, { ...NEW, ...STYLE });
}

/** Null where the result would say something else. `plainly` writes out what aliases stand for first. */
function changed(text: string, before: Doc, after: Doc, plainly: boolean): string | null {
  try {
    const document = parseDocument(text, READ);
    if (document.errors.length || !isMap(document.contents)) return null;
    const style = { ...STYLE, indent: indentOf(text), indentSeq: !/^( *)[^\s#-][^\n]*:[^\n]*\n\1- /m.test(text) };
    const old = document.toString(style);
    if (plainly) spellOut(document);
    document.contents = put(document, document.contents, before, after) as typeof document.contents;
    const result = document.toString(style);
    return [respaced(text, old, result), result].find((each) => each !== null && equal(parse(each, READ) as Json, after)) ?? null;
  } catch {
    return null; // an alias before its anchor, mostly
  }
}

/** How far the author indents. */
function indentOf(text: string): number {
  const found = /^[^\s#-][^\n]*:[ \t]*(?:#[^\n]*)?\n(?:[ \t]*#[^\n]*\n)*( +)[^\s#-]/m.exec(text);
  return found?.[1]?.length ?? 2;
}

/** The node that says `after`: the given one, changed as little as can be. */
function put(document: Document, node: unknown, before: Json | undefined, after: Json): Node {
  if (isAlias(node)) return same(before, after) ? node : put(document, copied(document, node), before, after);
  if (same(before, after) && (isScalar(node) || isCollection(node))) return node;
  if ((isScalar(node) || isCollection(node)) && node.anchor) spellOut(document, node);
  if (isMap(node) && isFields(before) && isFields(after)) return inMap(document, node, before, after);
  if (isSeq(node) && Array.isArray(before) && Array.isArray(after) && node.items.length === before.length) return inSeq(document, node, before, after);
  if (isScalar(node) && typeof node.value === "string" && typeof after === "string") {
    node.value = after; // in its quotes
    return node;
  }
  const fresh = document.createNode(after, NEW) as Node;
  if (isScalar(node)) Object.assign(fresh, { comment: node.comment, commentBefore: node.commentBefore, spaceBefore: node.spaceBefore });
  else if (isCollection(node) && isCollection(fresh)) fresh.flow = node.flow;
  return fresh;
}

function inMap(document: Document, map: YAMLMap, before: Fields, after: Fields): YAMLMap {
  const [old, now] = [Object.keys(before), Object.keys(after)];
  const from = matched(old, now);
  const inFlow = allInFlow(map.items.map((pair) => pair.value));
  if (!map.items.length) map.flow = false;
  const own = new Map(map.items.filter((pair) => !isMerge(pair)).map((pair) => [String(isScalar(pair.key) ? pair.key.value : pair.key), pair]));
  // What is merged cannot be taken away: then all of it becomes the map's own.
  const merges = old.every((key) => key in after || own.has(key));
  const kept = new Set<Pair>();
  const pairs = now.flatMap((key, at): Pair[] => {
    const was = old[from[at] ?? -1];
    const pair = was === undefined ? undefined : own.get(was);
    if (!pair) return merges && was === key && same(before[key], after[key]) ? [] : [newPair(document, key, after[key], inFlow)];
    if (was !== key && isScalar(pair.key)) pair.key.value = key;
    pair.value = put(document, pair.value, before[was ?? key], after[key] ?? null);
    kept.add(pair);
    return [pair];
  });
  const items = map.items.filter((pair) => kept.has(pair) || (merges && isMerge(pair)));
  map.items = placed(items, pairs, kept, rising(from));
  return map;
}

/** All pairs in their order. Those that were there stay where they are, unless their own order changed. */
function placed(items: Pair[], pairs: Pair[], kept: ReadonlySet<Pair>, asBefore: boolean): Pair[] {
  const queue = pairs.filter((pair) => kept.has(pair));
  const result = asBefore ? items : items.map((pair) => (kept.has(pair) ? (queue.shift() as Pair) : pair));
  let next: Pair | undefined;
  for (const pair of [...pairs].reverse()) {
    if (!kept.has(pair)) result.splice(next ? result.indexOf(next) : result.length, 0, pair);
    next = pair;
  }
  return result;
}

function inSeq(document: Document, seq: YAMLSeq, before: Json[], after: Json[]): YAMLSeq {
  const from = matched(before.map(idOf), after.map(idOf));
  const inFlow = allInFlow(seq.items);
  if (!seq.items.length) seq.flow = false;
  const old = [...seq.items];
  seq.items = after.map((item, at) => {
    const was = from[at];
    return was === undefined ? flowing(document.createNode(item, NEW), inFlow) : put(document, old[was], before[was], item);
  });
  return seq;
}

function idOf(item: Json): string {
  return isFields(item) && typeof item.id === "string" ? item.id : JSON.stringify(item);
}

/** Where each of `now` was in `old`; in lists of one length, one that is new stands for the one whose place it took. */
function matched(old: string[], now: string[]): (number | undefined)[] {
  const places = new Map<string, number[]>();
  for (const [at, id] of [...old.entries()].reverse()) {
    const known = places.get(id);
    if (known) known.push(at);
    else places.set(id, [at]);
  }
  const found = now.map((id) => places.get(id)?.pop());
  if (old.length !== now.length) return found;
  const used = new Set(found);
  return found.map((was, at) => was ?? (used.has(at) ? undefined : at));
}

function rising(places: (number | undefined)[]): boolean {
  const known = places.filter((at) => at !== undefined);
  return known.every((at, index) => index === 0 || at > (known[index - 1] ?? -1));
}

function newPair(document: Document, key: string, value: Json | undefined, inFlow: boolean): Pair {
  const pair = document.createPair(key, value ?? null, NEW);
  flowing(pair.value, inFlow);
  return pair;
}

/** A new value is written in braces where all its neighbours are. */
function flowing<T>(node: T, inFlow: boolean): T {
  if (inFlow && isCollection(node)) node.flow = true;
  return node;
}

function allInFlow(nodes: unknown[]): boolean {
  return nodes.length > 0 && nodes.every((node) => isCollection(node) && node.flow === true);
}

function isMerge({ key }: Pair): boolean {
  return isScalar(key) && key.value === "<<" && (!key.type || key.type === "PLAIN");
}

/** Write out what aliases stand for: those of one node, which is about to change without them, or all. */
function spellOut(document: Document, only?: Node): void {
  visit(document, { Alias: (_, alias) => (!only || alias.resolve(document) === only ? copied(document, alias) : undefined) });
  visit(document, { Value: (_, node) => void ((!only || node === only) && delete node.anchor) });
}

/** What an alias stands for, as a node of its own: with the comments of the alias, and no anchors. */
function copied(document: Document, alias: Alias): Node {
  const copy = alias.resolve(document)?.clone() as Node;
  const bare = { anchor: undefined, comment: undefined, commentBefore: undefined };
  visit(copy, { Value: (_, node) => void Object.assign(node, bare) });
  return Object.assign(copy, { comment: alias.comment, commentBefore: alias.commentBefore });
}

/** Whether two values are the same, in the same order. */
function same(a: Json | undefined, b: Json | undefined): boolean {
  return a === b || JSON.stringify(a) === JSON.stringify(b);
}
