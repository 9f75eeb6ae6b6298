import { beforeEach, expect, it, vi } from "vitest";

import { Drafts, restored } from "../src/designer/drafts";
import type { Opened } from "../src/designer/store";

const doc = (name: string) => ({ id: "sales", name, tasks: { a: { type: "shell" } } });
const draft = (name: string, base = 1): Opened => ({ document: doc(name), positions: { a: [0, 0] }, source: { text: name, format: "yaml", says: doc(name) }, base });
const at = (minute: number) => new Date(Date.UTC(2030, 0, 1, 12, minute));
let full = false;

beforeEach(() => {
  const rows = new Map<string, string>();
  full = false;
  vi.stubGlobal("localStorage", {
    getItem: (key: string) => rows.get(key) ?? null,
    setItem: (key: string, value: string) => {
      if (full) throw new Error("full");
      rows.set(key, value);
    },
    removeItem: (key: string) => rows.delete(key),
    key: (index: number) => [...rows.keys()][index] ?? null,
    get length() {
      return rows.size;
    },
  });
});

const opened = (dag: string | null = "sales") => new Drafts("ann", "later").kept(dag, at(59))?.document.name;

it("is not forgotten by another page that has nothing to save", () => {
  const [one, two] = [new Drafts("ann", "one"), new Drafts("ann", "two")];
  two.kept("sales", at(0));
  one.keep("sales", draft("mine"), true, at(1));
  two.forget("sales");
  expect(opened()).toBe("mine");
});

it("is not written over by another page", () => {
  const [one, two] = [new Drafts("ann", "one"), new Drafts("ann", "two")];
  one.keep(null, draft("first new DAG"), true, at(1));
  two.keep(null, draft("second new DAG"), true, at(2));
  expect(opened(null)).toBe("second new DAG");
  two.forget(null);
  expect(opened(null)).toBe("first new DAG");
});

it("goes on from what was restored, and both are forgotten together", () => {
  new Drafts("ann", "one").keep("sales", draft("old"), true, at(1));
  const two = new Drafts("ann", "two");
  expect(two.kept("sales", at(2))?.document.name).toBe("old");
  two.keep("sales", draft("newer"), true, at(3));
  expect(opened()).toBe("newer");
  two.forget("sales");
  expect(opened()).toBeUndefined();
});

it("leaves a restored draft that its own page has written again", () => {
  const [one, two] = [new Drafts("ann", "one"), new Drafts("ann", "two")];
  one.keep("sales", draft("old"), true, at(1));
  two.kept("sales", at(2));
  one.keep("sales", draft("went on"), true, at(3));
  two.forget("sales");
  expect(opened()).toBe("went on");
});

it("says when it could not be kept, and is somebody's own", () => {
  const drafts = new Drafts("ann", "one");
  drafts.keep("sales", draft("mine"), true, at(1));
  expect(new Drafts("bob", "one").kept("sales", at(2))).toBeNull();
  full = true;
  expect(drafts.keep("sales", draft("more"), true, at(2))).toBe(false);
});

it("brings moved tasks to the version that is current now", () => {
  const kept = { ...draft("old", 1), positions: { a: [7, 7] as [number, number] }, changed: false, keptAt: "" };
  expect(restored(kept, draft("new", 2))).toMatchObject({ base: 2, document: doc("new"), positions: { a: [7, 7] } });
  expect(restored({ ...draft("new", 2), changed: true, keptAt: "" }, draft("new", 2))).toBeNull();
});

it("keeps what was typed and could not be read", () => {
  const typed = { ...draft("mine"), typed: "id: [" };
  new Drafts("ann", "one").keep("sales", typed, true, at(1));
  const kept = new Drafts("ann", "two").kept("sales", at(2));
  expect(kept && restored(kept, draft("mine"))?.typed).toBe("id: [");
});
