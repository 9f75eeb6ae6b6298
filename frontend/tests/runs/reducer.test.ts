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

  it("told again on a final snapshot draw no attempt that never was", () => {
    const final = task("a", { state: "success", attempt: 1, queued_at: moment(1), started_at: moment(2), ended_at: moment(5) });
    const model = fromSnapshot(snapshot([final]), T0);
    const again = [event("a", ["pending", "queued"], 1), event("a", ["queued", "running"], 2), event("a", ["running", "success"], 5)];
    expect(after(model, ...again).tasks[0]).toEqual(final);
    expect(after(after(after(model, again[0] as RunEvent), again[1] as RunEvent), again[2] as RunEvent).tasks[0]).toEqual(final);
  });

  it("of an attempt before the snapshot's change nothing", () => {
    const bar = { number: 1, started_at: moment(2), ended_at: moment(3), end: "retrying" };
    const second = task("a", { state: "running", attempt: 2, started_at: moment(6), earlier: [bar] });
    const model = fromSnapshot(snapshot([second]), T0);
    expect(after(model, event("a", ["queued", "running"], 2), event("a", ["running", "retrying"], 3)).tasks[0]).toEqual(second);
  });

  it("of items are counted, and say that the picture is to be read again by and by", () => {
    const model = fromSnapshot(snapshot([task("a", { mapped: true, items: { queued: 2 } })]), T0);
    const next = after(model, event("a", ["queued", "running"], 1, { task_execution_id: 77 }));
    expect([next.stale, next.tasks[0]?.state, next.tasks[0]?.items]).toEqual([true, "pending", { queued: 1, running: 1 }]);
    const last = after(next, event("a", ["queued", "running"], 1, { task_execution_id: 78 }));
    expect(last.tasks[0]?.items).toEqual({ running: 2 });
  });

  it("that open a run again say that it may be on another version by now", () => {
    const model = fromSnapshot(snapshot([task("a")], { state: "failed", ended_at: moment(5) }), T0);
    const next = after(model, event("", ["failed", "running"], 9));
    expect([next.stale, next.run.state, next.run.ended_at]).toEqual([true, "running", null]);
  });

  it("that the model holds already are passed over", () => {
    const model = after(begin(), event("a", ["queued", "running"], 2));
    expect(applied(model, page([event("a", ["pending", "queued"], 1)], 9))).toBe(model);
    const overlapping = { ...page([event("a", ["running", "success"], 3)], 9), next_since: 14 };
    expect(applied(model, overlapping)).toMatchObject({ cursor: 14, tasks: [{ state: "success" }, {}] });
  });

  it("that do not follow on are a gap", () => {
    expect(applied(begin(), page([event("a", ["pending", "queued"], 1)], 12))).toBeNull();
    expect(applied(begin(), page([event("unknown", ["pending", "queued"], 1)]))).toBeNull();
  });
});
