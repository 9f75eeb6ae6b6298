import { describe, expect, it } from "vitest";

import { compared } from "../../src/runs/comparison";
import { criticalPath, ends, expectedEnd } from "../../src/runs/critical";
import { shortDuration, timescale } from "../../src/runs/timescale";
import { moment, snapshot, T0, task } from "./made";

describe("critical path and expected end", () => {
  const done = (id: string, upstream: number[], from: number, to: number) =>
    task(id, { upstream, state: "success", started_at: moment(from), ended_at: moment(to) });

  it("walks back over the upstream that ended last", () => {
    const tasks = [done("a", [], 0, 2), done("slow", [0], 2, 9), done("fast", [0], 2, 3), done("end", [1, 2], 9, 10)];
    expect([...criticalPath(tasks, {}, T0)]).toEqual(["end", "slow", "a"]);
  });

  it("leaves out what never ran", () => {
    const skipped = task("s", { state: "skipped", ended_at: moment(99) });
    expect([...criticalPath([done("a", [], 0, 2), skipped], {}, T0)]).toEqual(["a"]);
  });

  it("adds what is usual for what is still to come", () => {
    const tasks = [
      done("a", [], 0, 2),
      task("b", { upstream: [0], state: "running", started_at: moment(2) }),
      task("c", { upstream: [1] }),
    ];
    const usual = { a: 2, b: 10, c: 5 };
    expect(expectedEnd(tasks, usual, T0 + 4_000)).toBe(T0 + 17_000);
    expect(ends(tasks, usual, T0 + 20_000)[2]).toBe(T0 + 25_000); // b takes longer than usual
    expect(expectedEnd(tasks, {}, T0)).toBeNull();
    expect(expectedEnd([tasks[0] as (typeof tasks)[0]], usual, T0)).toBeNull();
  });
});

describe("a scale of time", () => {
  it("has round ticks, and not too many", () => {
    for (const span of [15, 900, 60_000, 3_700_000, 90_000_000, 4e9]) {
      const { ticks, at, end } = timescale(T0, T0 + span);
      expect(ticks.length).toBeLessThanOrEqual(9);
      expect(ticks.length).toBeGreaterThanOrEqual(2);
      expect([at(T0), at(end), at(T0 - 5)]).toEqual([0, 100, 0]);
    }
  });

  it("writes durations short", () => {
    expect([0, 400, 9_940, 12_400, 60_000, 200_000, 7_500_000, 273_600_000].map((n) => shortDuration(n))).toEqual([
      "0 s", "0.4 s", "9.9 s", "12 s", "1 min", "3 min 20 s", "2 h 5 min", "3 d 4 h",
    ]);
  });
});

describe("two runs", () => {
  it("differ in parameters, states and clearly in time", () => {
    const took = (id: string, seconds: number, state = "success") =>
      task(id, { state: state as "success", started_at: moment(0), ended_at: moment(seconds) });
    const one = snapshot([took("a", 1), took("b", 2), took("gone", 1)], { params: { x: 1, same: [1] } });
    const two = snapshot([took("a", 1.2), took("b", 8), took("new", 1, "failed")], { params: { x: 2, same: [1] } });
    const found = compared(one, two, T0);
    expect(found.params).toEqual([{ name: "x", values: [1, 2] }]);
    expect(found.tasks.map(({ task_id, differs }) => [task_id, differs])).toEqual([
      ["a", false], ["b", true], ["gone", true], ["new", true],
    ]);
  });
});
