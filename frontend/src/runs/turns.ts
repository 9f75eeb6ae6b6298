/** Requests that take turns: one at a time, and what is wanted more lets go of what is going on. */
export class Turns {
  private current: AbortController | null = null;

  /** Do it, unless something is going on. Answers whether it was done to its end; fails as the work does. */
  async join(work: (signal: AbortSignal) => Promise<void>): Promise<boolean> {
    return this.current === null && this.supersede(work);
  }

  /** Do it, whatever is going on: that ends, and says no more. */
  async supersede(work: (signal: AbortSignal) => Promise<void>): Promise<boolean> {
    this.current?.abort();
    const turn = new AbortController();
    this.current = turn;
    try {
      await work(turn.signal);
      return !turn.signal.aborted;
    } catch (error) {
      if (turn.signal.aborted) return false;
      throw error;
    } finally {
      if (this.current === turn) this.current = null;
    }
  }
}
