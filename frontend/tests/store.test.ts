import { beforeEach, describe, expect, it, vi } from "vitest";

import { addTask, editTask, move } from "../src/designer/actions";
import type { Doc } from "../src/designer/document";
import { edgesOf } from "../src/designer/edges";
import { isChanged, isMoved, type Opened, useDraft } from "../src/designer/store";
import { readTyped } from "../src/designer/typed";
import { edgeId } from "../src/graph/types";

const read = vi.hoisted(() => vi.fn<(text: string) => Promise<Doc>>());
vi.mock("../src/designer/server", () => ({ readText: read }));

const now = () => useDraft.getState();
const doc = (command: string) => ({ id: "sales", tasks: { a: { type: "shell", command } } });

function version(command: string, base: number): Opened {
  return { document: doc(command), positions: { a: [0, 0] }, source: { text: `# ${command}`, format: "yaml", says: doc(command) }, base };
}

const type = (command: string) => editTask("a", (fields) => ({ ...fields, command }), "command");

beforeEach(() => {
  vi.useFakeTimers();
  now().open(version("one", 5), version("one", 5));
});

it("goes back to the version that it came from, behind a rebase too", () => {
  type("mine");
  now().rebase(version("theirs", 6), doc("both"));
  expect([now().base, now().published.base, now().document]).toEqual([6, 6, doc("both")]);
  now().undo();
  // Saved from here, the server has to see that version 6 is not what this was made of.
  expect([now().base, now().published.base, now().document]).toEqual([5, 5, doc("mine")]);
  now().redo();
  expect([now().base, now().source.text]).toEqual([6, "# theirs"]);
});

it("goes on from what was saved when a step is undone", () => {
  type("two");
  now().saved(6, "# two", now());
  expect([isChanged(now()), now().base]).toEqual([false, 6]);
  now().undo();
  expect([isChanged(now()), now().base, now().document]).toEqual([true, 6, doc("one")]);
});

it("keeps steps from before a rebase behind it when that is saved", () => {
  type("mine");
  now().rebase(version("theirs", 6), doc("both"));
  now().saved(7, "# both", now());
  now().undo();
  expect(now().base).toBe(5);
});

it("joins what is typed in one go, until a pause or a save", () => {
  for (const word of ["t", "tw", "two"]) type(word);
  vi.advanceTimersByTime(1_500);
  type("two more");
  now().saved(6, "", now());
  type("two more words");
  expect(now().past.map((each) => each.document)).toEqual([doc("one"), doc("two"), doc("two more")]);
});

it("makes each drag a step, and held arrow keys one", () => {
  move({ a: [1, 1] });
  move({ a: [2, 2] });
  expect(now().past).toHaveLength(2);
  move({ a: [3, 3] }, true);
  move({ a: [4, 4] }, true);
  expect(now().past).toHaveLength(3);
});

it("knows that another comment is something to save", () => {
  const { document, source } = now();
  now().change({ document: { ...document }, source: { ...source, text: "# other" } });
  expect(isChanged(now())).toBe(true);
});

it("has nothing to save after places were kept, and has again when that move is undone", () => {
  move({ a: [9, 9] });
  now().placed(now().positions);
  expect([isChanged(now()), isMoved(now())]).toEqual([false, false]);
  now().undo();
  expect(isMoved(now())).toBe(true);
});

it("puts a task on an edge, between its ends", () => {
  const linked = { id: "sales", tasks: { a: { type: "shell" }, b: { type: "shell", depends_on: ["a"] } } };
  const opened = { ...version("one", 5), document: linked, positions: { a: [0, 0], b: [600, 100] } as Opened["positions"] };
  now().open(opened, opened);
  const id = addTask("python", { edge: { source: "a", target: "b" } });
  expect(now().positions[id]).toEqual([300, 50]);
  expect(edgesOf(now().document).map(edgeId)).toEqual(["python→b", "a→python"]);
});

describe("what is typed as text", () => {
  const says = (text: string) => ({ document: doc(text), source: { text, format: "yaml" as const, says: doc(text) } });

  it("is written over by nothing, and is something to save", () => {
    now().type("id: [");
    addTask("shell");
    type("other");
    move({ a: [9, 9] });
    expect([now().typed, now().document, now().refused]).toEqual(["id: [", doc("one"), 3]);
    expect(isChanged(now())).toBe(true);
  });

  it("is undone to the last text that could be read, and comes back", () => {
    type("two");
    now().type("id: [");
    now().undo();
    expect([now().typed, now().document]).toEqual([null, doc("two")]);
    now().redo();
    expect([now().typed, now().document]).toEqual(["id: [", doc("two")]);
    now().undo();
    now().undo();
    expect([now().typed, now().document]).toEqual([null, doc("one")]);
  });

  it("becomes the document when it is read, and then other changes go on", () => {
    now().type("two");
    now().change(says("two"), { key: "text" });
    type("three");
    expect([now().typed, now().unread, now().document]).toEqual([null, null, doc("three")]);
    now().undo();
    now().undo();
    expect([now().typed, now().document]).toEqual([null, doc("one")]);
  });

  it("is read as it stands at the end, and stays where it cannot be read", async () => {
    const answers: Record<string, () => Promise<Doc>> = { "tw": () => Promise.reject(new Error("bad")), two: () => Promise.resolve(doc("two")) };
    read.mockImplementation((text) => {
      if (text === "tw" && now().typed === "tw") now().type("two"); // typed on while the server reads
      return (answers[text] as () => Promise<Doc>)();
    });
    now().type("tw");
    expect(await readTyped()).toBe(true);
    expect([now().typed, now().document, now().source.text]).toEqual([null, doc("two"), "two"]);
    read.mockRejectedValue(new Error("bad"));
    now().type("id: [");
    expect(await readTyped()).toBe(false);
    expect([now().typed, String(now().unread)]).toEqual(["id: [", "Error: bad"]);
    now().open(version("one", 5), version("one", 5));
    expect([now().typed, now().unread, await readTyped()]).toEqual([null, null, true]);
  });
});
