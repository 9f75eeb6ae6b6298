import { describe, expect, it } from "vitest";

import { applied, fromSnapshot, type RunModel } from "../../src/runs/reducer";
import type { RunEvent } from "../../src/runs/types";
import { event, moment, snapshot, T0, task } from "./made";

function page(events: RunEvent[], since = 10) {
  return { since, events, next_since: 11, run_state: "running" as const };
}

function after(model: RunModel, ...events: RunEvent[]): RunModel {
  const next = applied(model, { ...page(events, model.cursor), next_since: model.cursor + 1 });
  expect(next).not.toBeNull();
  return next as RunModel;
}

describe("events on a run", () => {
  const begin = () => fromSnapshot(snapshot([task("a"), task("b", { id: 2, upstream: [0] })]), T0);

  it("move tasks with their times", () => {
    let model = after(begin(), event("a", ["pending", "queued"], 1), event("a", ["queued", "running"], 2, { node: "w" }));
    expect(model.tasks[0]).toMatchObject({ state: "running", queued_at: moment(1), started_at: moment(2), node: "w", attempt: 1 });
    model = after(model, event("a", ["running", "success"], 5));
    expect(model.tasks[0]).toMatchObject({ state: "success", ended_at: moment(5) });
    expect(model.tasks[1]).toBe(begin().tasks[1] && model.tasks[1]);
  });

  it("leave what they do not concern the same object", () => {
    const model = begin();
    expect(after(model, event("a", ["pending", "queued"], 1)).tasks[1]).toBe(model.tasks[1]);
  });

  it("told twice change nothing", () => {
    const events = [event("a", ["queued", "running"], 2), event("a", ["running", "retrying"], 3)];
    const once = after(begin(), ...events);
    expect(after(once, ...events).tasks).toEqual(once.tasks);
  });

  it("keep an attempt that another one follows", () => {
    const model = after(
      begin(),
      event("a", ["queued", "running"], 2),
      event("a", ["running", "retrying"], 3),
      event("a", ["retrying", "queued"], 4, { attempt: 2 }),
    );
    expect(model.tasks[0]?.earlier).toEqual([{ number: 1, started_at: moment(2), ended_at: moment(3), end: "retrying" }]);
    expect(model.tasks[0]).toMatchObject({ state: "queued", attempt: 2, started_at: null });
  });

  it("end the run and open it again", () => {
    let model = after(begin(), event("", ["running", "failed"], 9));
    expect(model.run).toMatchObject({ state: "failed", ended_at: moment(9) });
    model = after(model, event("", ["failed", "running"], 12));
    expect(model.run).toMatchObject({ state: "running", ended_at: null, started_at: moment(0) });
    expect(after(model, event("", ["running", "running"], 13, { reason: "late" })).run).toEqual(model.run);
  });

  it("of items only say that the picture is old", () => {
    const model = after(begin(), event("a", ["queued", "running"], 1, { task_execution_id: 77 }));
    expect([model.stale, model.tasks[0]?.state]).toEqual([true, "pending"]);
  });

  it("that do not follow on are a gap", () => {
    expect(applied(begin(), page([event("a", ["pending", "queued"], 1)], 9))).toBeNull();
    expect(applied(begin(), page([event("unknown", ["pending", "queued"], 1)]))).toBeNull();
    expect(applied(begin(), { events: [], next_since: 3, run_state: "running" })).toBeNull();
  });
});
