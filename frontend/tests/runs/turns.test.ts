import { describe, expect, it } from "vitest";

import { Turns } from "../../src/runs/turns";

/** Work that says when it is done, unless it was let go of. */
function work(said: string[], name: string) {
  let end: () => void = () => undefined;
  const ended = new Promise<void>((resolve) => (end = resolve));
  const run = async (signal: AbortSignal) => {
    await ended;
    if (!signal.aborted) said.push(name);
  };
  return { run, end };
}

describe("requests that take turns", () => {
  it("do not begin while another one goes on", async () => {
    const said: string[] = [];
    const [first, second] = [work(said, "first"), work(said, "second")];
    const going = new Turns();
    const one = going.join(first.run);
    const two = going.join(second.run);
    first.end();
    second.end();
    expect([await one, await two, said]).toEqual([true, false, ["first"]]);
    expect(await going.join(second.run)).toBe(true);
  });

  it("give way to what is wanted more, and are heard of no more", async () => {
    const said: string[] = [];
    const [first, second] = [work(said, "first"), work(said, "second")];
    const going = new Turns();
    const one = going.join(first.run);
    const two = going.supersede(second.run);
    first.end();
    second.end();
    expect([await one, await two, said]).toEqual([false, true, ["second"]]);
  });

  it("fail when they are not let go of", async () => {
    const going = new Turns();
    await expect(going.join(() => Promise.reject(new Error("away")))).rejects.toThrow("away");
    expect(await going.join(() => Promise.resolve())).toBe(true);
  });
});
