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
  /** As a browser does: it says so, and connects again by itself unless it was refused. */
  breaks(refused = false): void {
    this.readyState = refused ? 2 : 0;
    this.say("error");
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
  let ended = false;
  let slowly: (() => void) | null = null; // what lets a slow answer come
  let slow = false;
  let lines: Line[] = [];
  let follower: Follower;

  const page = (since: number, next: number): Page => ({ since, events: [], next_since: next, run_state: "running" });
  const around: Surroundings = {
    open: (from) => (streams ? (sources.push(new FakeSource(from)), sources.at(-1) as FakeSource) : null),
    poll: async (from) => {
      polls.push(now);
      if (fails) throw new Error("away");
      if (slow) await new Promise<void>((go) => (slowly = go));
      return page(from, from);
    },
    hidden: () => hidden,
    now: () => now,
    take: (given) => {
      if (given.since === undefined || given.since > cursor) return false;
      cursor = given.next_since;
      return true;
    },
    refresh: async () => {
      refreshed += 1;
      if (fails) throw new Error("away");
      if (slow) await new Promise<void>((go) => (slowly = go));
      return (cursor = 100);
    },
    onLine: (line) => void lines.push(line),
    cursor: () => cursor,
    idle: () => ended,
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
    [ended, slow, slowly] = [false, false, null];
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
    sources[0]?.breaks(true);
    await pass(10_000);
    expect(lines).not.toContain("lost");
    expect(polls.length).toBeGreaterThanOrEqual(9);
    expect(polls.length).toBeLessThanOrEqual(11);
    await pass(60_000);
    expect(sources.length).toBe(2);
  });

  it("says nothing of a stream that the server ended and the browser opens again", async () => {
    await pass(TICK);
    sources[0]?.say("open");
    sources[0]?.breaks();
    await pass(1_000);
    sources[0]?.say("open");
    await pass(10_000);
    expect(lines).not.toContain("lost");
  });

  it("says that the connection is lost when it does not come back", async () => {
    await pass(TICK);
    sources[0]?.say("open");
    for (let second = 0; second < 7; second++) {
      sources[0]?.breaks();
      await pass(1_000);
    }
    expect(lines.at(-1)).toBe("lost");
    sources[0]?.say("open");
    expect(lines.at(-1)).toBe("live");
  });

  it("reads all again once there is time for it, and keeps the stream", async () => {
    streams = false;
    slow = true;
    now += 1_000;
    const polling = follower.tick();
    await follower.wake();
    expect(refreshed).toBe(0);
    slow = false;
    slowly?.();
    await polling;
    await pass(TICK);
    expect(refreshed).toBe(1);
    streams = true;
    await pass(TICK);
    await follower.wake();
    expect([refreshed, sources.length, sources[0]?.readyState]).toEqual([2, 1, 0]);
  });

  it("takes what the stream told while all was read", async () => {
    await pass(TICK);
    slow = true;
    const reading = follower.wake();
    sources[0]?.say("message", page(5, 7));
    sources[0]?.say("message", page(7, 120));
    expect(cursor).toBe(5);
    slowly?.();
    await reading;
    expect([cursor, refreshed, sources.length]).toEqual([120, 1, 1]);
  });

  it("reads all again less and less often while events do not tell all, and again after a failure", async () => {
    await pass(TICK);
    for (let second = 0; second < 60; second++) {
      sources[0]?.say("beat");
      follower.later();
      await pass(1_000);
    }
    expect(refreshed).toBeGreaterThanOrEqual(3);
    expect(refreshed).toBeLessThanOrEqual(8);
    fails = true;
    await follower.wake();
    fails = false;
    const before = refreshed;
    await pass(3_000);
    expect(refreshed).toBeGreaterThan(before);
  });

  it("holds no stream of a run that is over, and asks now and then", async () => {
    await pass(TICK);
    ended = true;
    sources[0]?.say("message", page(5, 7));
    expect(sources[0]?.readyState).toBe(2);
    await pass(25_000);
    expect([sources.length, polls.length]).toEqual([1, 3]);
    ended = false;
    await pass(TICK);
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
