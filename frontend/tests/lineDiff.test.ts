import { expect, it } from "vitest";

import { lineDiff } from "../src/designer/lineDiff";

const shown = (before: string, after: string) => lineDiff(before, after).map(({ mark, text }) => `${{ same: " ", added: "+", removed: "-", skipped: "@" }[mark]}${text}`);

it("shows what differs with the lines around it", () => {
  const before = ["id: sales", "tasks:", "  a: {type: shell}", "  b: {type: shell}", "  c: {type: shell}", "  d: {type: shell}", "  e: {type: shell}"];
  const after = before.with(1, "# mine").toSpliced(2, 0, "tasks:");
  expect(shown(before.join("\n"), after.join("\n"))).toEqual([" id: sales", "+# mine", " tasks:", "   a: {type: shell}", "   b: {type: shell}", "@…"]);
});

it("gives both texts back, whatever they are", () => {
  const texts = ["", "a", "a\nb\nc", "c\nb\na", "b\nb\na\nc\nd", "x\na\nb\ny\nc"];
  for (const before of texts)
    for (const after of texts) {
      const lines = lineDiff(before, after);
      if (before === after) expect(lines).toEqual([]);
      else {
        expect(lines.filter(({ mark }) => mark !== "added").map(({ text }) => text).join("\n")).toBe(before);
        expect(lines.filter(({ mark }) => mark !== "removed").map(({ text }) => text).join("\n")).toBe(after);
      }
    }
});

it("takes no time for texts of thousands of lines", () => {
  const text = (word: string) => Array.from({ length: 20_000 }, (_, at) => `${at % 3 ? at : word}`).join("\n");
  const start = performance.now();
  expect(lineDiff(text("a"), text("b")).length).toBeGreaterThan(20_000);
  expect(performance.now() - start).toBeLessThan(1_000);
});
