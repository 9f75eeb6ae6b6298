/** Follows a run: by a stream where there is one, by asking otherwise; notices sleep, silence and lost connections. */

import type { Page } from "./types";

export type Line = "connecting" | "live" | "polling" | "lost" | "paused";

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
const LOST_AFTER = 5_000; // a stream that ends and is opened again is nothing that a reader should hear of
const SOON = 1_500; // until all is read again when events do not tell all; longer and longer while that goes on
const SOON_MOST = 24_000;
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
  private brokenFrom = Infinity;
  private wantedFrom = Infinity; // from when on all is to be read again
  private soon = SOON;
  private lastSoon = -Infinity;
  private meanwhile: Page[] = []; // what the stream told while all was read

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
    if (now >= this.wantedFrom) return this.reread();
    if (this.source) return this.look(now);
    if (this.failures && this.wantedFrom < Infinity) return; // without the whole there is nothing that events could go on from
    if (now >= this.streamFrom && this.connect(now)) return;
    const every = (around.idle() ? POLL_IDLE : POLL_ACTIVE) * this.patience();
    if (now - this.lastPoll >= every) await this.poll(now);
  }

  /** The page is looked at again, the network is back, or something was done: read all, now or once there is time for it. */
  async wake(reconnect = false): Promise<void> {
    if (this.stopped) return;
    if (reconnect) this.close();
    this.wantedFrom = this.around.now();
    if (!this.busy && !this.around.hidden()) await this.reread();
  }

  /** Read all again by and by: events did not tell all. */
  later(): void {
    const now = this.around.now();
    this.soon = now - this.lastSoon > 2 * SOON_MOST ? SOON : Math.min(2 * this.soon, SOON_MOST);
    this.lastSoon = now;
    this.wantedFrom = Math.min(this.wantedFrom, now + this.soon);
  }

  /** Forget the connection; read all again, and go on from there. */
  async again(): Promise<void> {
    this.close();
    await this.reread();
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

  /** Read all again; an open stream stays open, and what it tells meanwhile is taken afterwards. */
  private async reread(): Promise<void> {
    this.busy = true;
    this.wantedFrom = Infinity;
    this.meanwhile = [];
    try {
      await this.around.refresh();
      this.failures = 0;
    } catch {
      this.fail();
      this.wantedFrom = Math.min(this.wantedFrom, this.around.now() + POLL_ACTIVE * this.patience());
    } finally {
      this.busy = false;
    }
    if (this.stopped) return;
    for (const page of this.meanwhile.splice(0)) this.told(page);
    if (!this.source && !this.failures && !this.around.hidden()) this.connect(this.around.now());
  }

  private told(page: Page): void {
    if (this.busy) this.meanwhile.push(page);
    else if (!this.around.take(page)) void this.again();
    else if (this.around.idle()) this.close(); // what comes after a run's end is asked for now and then
  }

  /** How much longer to wait than usual, after failures. */
  private patience(): number {
    return 2 ** Math.min(this.failures, 4);
  }

  private connect(now: number): boolean {
    const source = this.around.idle() ? null : this.around.open(this.around.cursor());
    if (!source) return false;
    this.source = source;
    this.lastHeard = now;
    const heard = (): void => {
      if (this.source !== source) return;
      this.lastHeard = this.around.now();
      this.brokenFrom = Infinity;
      this.failures = 0;
      this.around.onLine("live");
    };
    source.addEventListener("open", heard);
    source.addEventListener("beat", heard);
    source.addEventListener("message", (event) => {
      heard();
      if (this.source === source) this.told(JSON.parse(event.data as string) as Page);
    });
    source.addEventListener("error", () => {
      if (this.source === source) this.brokenFrom = Math.min(this.brokenFrom, this.around.now());
    });
    return true;
  }

  private look(now: number): void {
    if (this.source?.readyState === CLOSED) {
      this.close();
      this.streamFrom = now + STREAM_AGAIN; // refused: ask without a stream for a while
    } else if (now - this.brokenFrom >= LOST_AFTER) this.around.onLine("lost"); // the browser connects again by itself, with the last id
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
    this.brokenFrom = Infinity;
  }
}
