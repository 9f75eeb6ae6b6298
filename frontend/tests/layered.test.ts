import { expect, it } from "vitest";

import { completed, layered } from "../src/graph/layered";
import { GAP_X, NODE_WIDTH } from "../src/graph/types";

const edges = [
  { source: "a", target: "b" },
  { source: "a", target: "c" },
  { source: "b", target: "d" },
  { source: "c", target: "d" },
];

it("puts each task right of its upstreams", () => {
  const at = layered(["d", "c", "b", "a"], edges);
  const column = (id: string) => (at[id]?.[0] ?? -1) / (NODE_WIDTH + GAP_X);
  expect(["a", "b", "c", "d"].map(column)).toEqual([0, 1, 1, 2]);
  expect(new Set(Object.values(at).map(String)).size).toBe(4);
});

it("does not fall over cycles and unknown tasks", () => {
  const at = layered(["a", "b"], [...edges, { source: "b", target: "a" }, { source: "a", target: "a" }]);
  expect(Object.keys(at).sort()).toEqual(["a", "b"]);
});

it("lays out 5,000 tasks in no time", () => {
  const ids = Array.from({ length: 5000 }, (_, at) => `t${at}`);
  const many = ids.slice(50).map((target, at) => ({ source: ids[at] as string, target }));
  const start = performance.now();
  expect(Object.keys(layered(ids, many))).toHaveLength(5000);
  expect(performance.now() - start).toBeLessThan(2000);
});

it("keeps what has a place, and puts what is new beside its upstreams", () => {
  const at = completed(["a", "b", "c"], edges, { a: [10, 20] });
  expect(at.a).toEqual([10, 20]);
  expect(at.b?.[0]).toBe(10 + NODE_WIDTH + GAP_X);
  expect(at.b).not.toEqual(at.c);
});
