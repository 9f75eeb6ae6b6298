/** Follows a run: by a stream where there is one, by asking otherwise; notices sleep, silence and lost connections. */

import type { Page } from "./types";

export type Line = "live" | "polling" | "lost" | "paused";

export interface Source {
  addEventListener(type: string, listener: (event: MessageEvent) => void): void;
  close(): void;
  readonly readyState: number;
}

export interface Surroundings {
  open: (cursor: number) => Source | null;
  poll: (cursor: number) => Promise<Page>;
  hidden: () => boolean;
  now: () => number;
  /** Called with a page; answers whether it followed on what was known. */
  take: (page: Page) => boolean;
  /** Read everything again: resolves to the cursor to go on from. */
  refresh: () => Promise<number>;
  onLine: (line: Line) => void;
  cursor: () => number;
  idle: () => boolean;
}

export const TICK = 250;
const SLEPT_AFTER = 6_000; // our own tick did not come for so long: the machine slept
const SILENT_AFTER = 35_000; // the server beats every 15 s
const POLL_ACTIVE = 900;
const POLL_IDLE = 10_000;
const STREAM_AGAIN = 60_000;
const CLOSED = 2;

/** One follower per page. `tick` is to be called every TICK; everything else follows from it. */
export class Follower {
  private source: Source | null = null;
  private lastTick: number;
  private lastHeard: number;
  private lastPoll = -Infinity;
  private streamFrom = -Infinity;
  private busy = false;
  private stopped = false;
  private failures = 0;

  constructor(private readonly around: Surroundings) {
    this.lastTick = this.lastHeard = around.now();
  }

  /** Do what is due. */
  async tick(): Promise<void> {
    const { around } = this;
    const now = around.now();
    const slept = now - this.lastTick > SLEPT_AFTER;
    this.lastTick = now;
    if (this.stopped || this.busy) return;
    if (around.hidden()) return this.pause();
    if (slept || this.silent(now)) return this.again();
    if (this.source) return this.look(now);
    if (now >= this.streamFrom && this.connect(now)) return;
    const every = (around.idle() ? POLL_IDLE : POLL_ACTIVE) * 2 ** Math.min(this.failures, 4);
    if (now - this.lastPoll >= every) await this.poll(now);
  }

  /** The page is looked at again, or the network is back. */
  async wake(): Promise<void> {
    if (!this.stopped && !this.busy && !this.around.hidden()) await this.again();
  }

  /** Forget the connection; read all again, and go on from there. */
  async again(): Promise<void> {
    this.close();
    this.busy = true;
    try {
      await this.around.refresh();
      this.failures = 0;
      if (!this.stopped) this.connect(this.around.now());
    } catch {
      this.fail();
    } finally {
      this.busy = false;
    }
  }

  /** No more. */
  stop(): void {
    this.stopped = true;
    this.close();
  }

  private silent(now: number): boolean {
    return this.source !== null && now - this.lastHeard > SILENT_AFTER;
  }

  private pause(): void {
    if (!this.source) return;
    this.close(); // a browser opens six connections to a server, and hidden pages shall not hold them
    this.around.onLine("paused");
  }

  private connect(now: number): boolean {
    const source = this.around.open(this.around.cursor());
    if (!source) return false;
    this.source = source;
    this.lastHeard = now;
    const heard = (): void => {
      this.lastHeard = this.around.now();
      this.failures = 0;
      if (this.source === source) this.around.onLine("live");
    };
    source.addEventListener("open", heard);
    source.addEventListener("beat", heard);
    source.addEventListener("message", (event) => {
      heard();
      if (this.source === source && !this.around.take(JSON.parse(event.data as string) as Page)) void this.again();
    });
    source.addEventListener("error", () => {
      if (this.source === source) this.around.onLine("lost");
    });
    return true;
  }

  private look(now: number): void {
    if (this.source?.readyState !== CLOSED) return; // the browser connects again by itself, with the last id
    this.close();
    this.streamFrom = now + STREAM_AGAIN; // refused: ask without a stream for a while
  }

  private async poll(now: number): Promise<void> {
    this.busy = true;
    this.lastPoll = now;
    const asked = this.around.cursor();
    try {
      const page = await this.around.poll(asked);
      this.failures = 0;
      this.around.onLine("polling");
      if (!this.around.take({ since: asked, ...page })) await this.around.refresh();
    } catch {
      this.fail();
    } finally {
      this.busy = false;
    }
  }

  private fail(): void {
    this.failures += 1;
    this.lastPoll = this.around.now();
    this.around.onLine("lost");
  }

  private close(): void {
    this.source?.close();
    this.source = null;
  }
}
