import { beforeEach, expect, it, vi } from "vitest";

import { addTask, editTask, move } from "../src/designer/actions";
import { edgesOf } from "../src/designer/edges";
import { isChanged, isMoved, type Opened, useDraft } from "../src/designer/store";
import { edgeId } from "../src/graph/types";

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
