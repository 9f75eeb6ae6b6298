import { beforeEach, describe, expect, it } from "vitest";

import { Follower, type Line, type Source, type Surroundings, TICK } from "../../src/runs/follow";
import type { Page } from "../../src/runs/types";

class FakeSource implements Source {
  readyState = 0;
  private readonly heard = new Map<string, (event: MessageEvent) => void>();
  constructor(readonly from: number) {}
  addEventListener(type: string, listener: (event: MessageEvent) => void): void {
    this.heard.set(type, listener);
  }
  close(): void {
    this.readyState = 2;
  }
  say(type: string, data: unknown = 1): void {
    this.heard.get(type)?.({ data: JSON.stringify(data) } as MessageEvent);
  }
}

describe("following a run", () => {
  let now = 0;
  let hidden = false;
  let streams = true;
  let fails = false;
  let cursor = 5;
  let sources: FakeSource[] = [];
  let polls: number[] = [];
  let refreshed = 0;
  let lines: Line[] = [];
  let follower: Follower;

  const page = (since: number, next: number): Page => ({ since, events: [], next_since: next, run_state: "running" });
  const around: Surroundings = {
    open: (from) => (streams ? (sources.push(new FakeSource(from)), sources.at(-1) as FakeSource) : null),
    poll: async (from) => {
      polls.push(now);
      if (fails) throw new Error("away");
      return page(from, from);
    },
    hidden: () => hidden,
    now: () => now,
    take: (given) => {
      if (given.since !== cursor) return false;
      cursor = given.next_since;
      return true;
    },
    refresh: async () => {
      refreshed += 1;
      if (fails) throw new Error("away");
      return (cursor = 100);
    },
    onLine: (line) => void lines.push(line),
    cursor: () => cursor,
    idle: () => false,
  };

  async function pass(milliseconds: number): Promise<void> {
    for (const until = now + milliseconds; now < until; ) {
      now += TICK;
      await follower.tick();
    }
  }

  beforeEach(() => {
    now = 0;
    [hidden, streams, fails, cursor, sources, polls, refreshed, lines] = [false, true, false, 5, [], [], 0, []];
    follower = new Follower(around);
  });

  it("goes on from message to message of one stream", async () => {
    await pass(TICK);
    sources[0]?.say("message", page(5, 7));
    sources[0]?.say("message", page(7, 9));
    expect([sources.length, sources[0]?.from, cursor, refreshed, lines.at(-1)]).toEqual([1, 5, 9, 0, "live"]);
  });

  it("reads all again after a gap", async () => {
    await pass(TICK);
    sources[0]?.say("message", page(6, 7));
    await pass(2 * TICK);
    expect([refreshed, sources.at(-1)?.from, sources[0]?.readyState]).toEqual([1, 100, 2]);
  });

  it("reads all again after a sleep", async () => {
    await pass(TICK);
    now += 3_600_000;
    await follower.tick();
    expect([refreshed, sources.length, sources[1]?.from]).toEqual([1, 2, 100]);
  });

  it("takes a silent line for a dead one, and a beating one not", async () => {
    await pass(30_000);
    sources[0]?.say("beat");
    await pass(30_000);
    expect(refreshed).toBe(0);
    await pass(10_000);
    expect([refreshed, sources.length]).toEqual([1, 2]);
  });

  it("holds no connection while nobody looks", async () => {
    await pass(TICK);
    hidden = true;
    await pass(TICK);
    expect([sources[0]?.readyState, lines.at(-1)]).toEqual([2, "paused"]);
    await pass(60_000);
    hidden = false;
    await follower.wake();
    expect([sources.length, refreshed]).toEqual([2, 1]);
  });

  it("asks every second where streams are refused, and tries a stream a minute later", async () => {
    await pass(TICK);
    (sources[0] as FakeSource).readyState = 2;
    await pass(10_000);
    expect(polls.length).toBeGreaterThanOrEqual(9);
    expect(polls.length).toBeLessThanOrEqual(11);
    await pass(60_000);
    expect(sources.length).toBe(2);
  });

  it("asks less and less often while nobody answers", async () => {
    streams = false;
    fails = true;
    await pass(60_000);
    expect(polls.length).toBeLessThan(10);
    expect(lines.at(-1)).toBe("lost");
    fails = false;
    await pass(20_000);
    expect(lines.at(-1)).toBe("polling");
  });

  it("does nothing once it is stopped", async () => {
    await pass(TICK);
    follower.stop();
    await pass(60_000);
    expect([sources[0]?.readyState, sources.length, polls.length]).toEqual([2, 1, 0]);
  });
});
