/** Change a text by lines: those that a change does not concern stay as their author wrote them. */

const MOST_CHANGES = 800; // lines: beyond it so much is new that nobody looks for their spacing

/**
 * `original` with what changed from `before` to `after`, where `before` says the same as `original`, line for line,
 * in another spacing. Null when the lines do not match.
 */
export function respaced(original: string, before: string, after: string): string | null {
  const [own, old, now] = [original, before, after].map((text) => text.split("\n")) as [string[], string[], string[]];
  if (own.length !== old.length) return null;
  const pairs = matches(old, now);
  if (!pairs) return null;
  const from = new Map(pairs);
  return now.map((line, at) => (from.has(at) ? own[from.get(at) as number] : line)).join("\n");
}

/** Pairs (line of b, line of a) of a shortest edit from a to b (Myers); null when the edit is too long. */
function matches(a: string[], b: string[]): [number, number][] | null {
  const reach = new Int32Array(2 * MOST_CHANGES + 3);
  const middle = MOST_CHANGES + 1;
  const trace: Int32Array[] = [];
  for (let changes = 0; changes <= MOST_CHANGES; changes++) {
    trace.push(reach.slice(middle - changes - 1, middle + changes + 2));
    for (let lane = -changes; lane <= changes; lane += 2) {
      const down = lane === -changes || (lane !== changes && at(reach, middle + lane - 1) < at(reach, middle + lane + 1));
      let x = down ? at(reach, middle + lane + 1) : at(reach, middle + lane - 1) + 1;
      while (x < a.length && x - lane < b.length && a[x] === b[x - lane]) x++;
      reach[middle + lane] = x;
      if (x >= a.length && x - lane >= b.length) return walked(trace, a, b);
    }
  }
  return null;
}

function walked(trace: Int32Array[], a: string[], b: string[]): [number, number][] {
  const pairs: [number, number][] = [];
  let [x, y] = [a.length, b.length];
  for (let changes = trace.length - 1; changes >= 0; changes--) {
    const reach = trace[changes] as Int32Array;
    const middle = changes + 1;
    const lane = x - y;
    const down = lane === -changes || (lane !== changes && at(reach, middle + lane - 1) < at(reach, middle + lane + 1));
    const before = down ? lane + 1 : lane - 1;
    const [fromX, fromY] = changes === 0 ? [0, 0] : [at(reach, middle + before), at(reach, middle + before) - before];
    while (x > fromX && y > fromY && a[x - 1] === b[y - 1]) pairs.push([--y, --x]);
    [x, y] = [fromX, fromY];
  }
  return pairs;
}

function at(reach: Int32Array, index: number): number {
  return reach[index] ?? 0;
}
