import { expect, it } from "vitest";

import { queryOf, readAddress } from "../src/designer/address";

it("brings back what was looked at", () => {
  const looked = { view: "list" as const, task: "a", compare: 3, at: { x: -10, y: 25, zoom: 0.5 } };
  expect(readAddress(queryOf(looked, "sales"))).toEqual(looked);
  expect(queryOf({ view: "graph", task: null, compare: null, at: null }, null)).toBe("");
});

it("does not believe what it cannot read", () => {
  expect(readAddress("?view=x&compare=-1&at=1,b,2")).toEqual({ view: "graph", task: null, compare: null, at: null });
});
