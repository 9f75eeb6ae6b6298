/** What differs between two texts, line by line. */

export interface Line {
  mark: "same" | "added" | "removed" | "skipped";
  text: string;
}

const CONTEXT = 3;
const MOST_CELLS = 4_000_000; // of the table below; beyond it what is in the middle is shown as replaced

/** The lines that differ, with some around them. Empty when nothing does. */
export function lineDiff(before: string, after: string): Line[] {
  if (before === after) return [];
  const [a, b] = [before.split("\n"), after.split("\n")];
  let head = 0;
  while (head < a.length && head < b.length && a[head] === b[head]) head++;
  let tail = 0;
  while (tail < a.length - head && tail < b.length - head && a[a.length - 1 - tail] === b[b.length - 1 - tail]) tail++;
  const middle = between(a.slice(head, a.length - tail), b.slice(head, b.length - tail));
  return shortened([...as("same", a.slice(0, head)), ...middle, ...as("same", a.slice(a.length - tail))]);
}

function as(mark: Line["mark"], lines: string[]): Line[] {
  return lines.map((text) => ({ mark, text }));
}

/** By the longest common subsequence. */
function between(a: string[], b: string[]): Line[] {
  if (a.length * b.length > MOST_CELLS) return [...as("removed", a), ...as("added", b)];
  const wide = b.length + 1;
  const common = new Uint32Array((a.length + 1) * wide);
  const at = (i: number, j: number) => common[i * wide + j] ?? 0;
  for (let i = a.length - 1; i >= 0; i--) {
    for (let j = b.length - 1; j >= 0; j--) common[i * wide + j] = a[i] === b[j] ? at(i + 1, j + 1) + 1 : Math.max(at(i + 1, j), at(i, j + 1));
  }
  const lines: Line[] = [];
  let [i, j] = [0, 0];
  while (i < a.length || j < b.length) {
    if (i < a.length && j < b.length && a[i] === b[j]) {
      lines.push({ mark: "same", text: a[i++] as string });
      j++;
    } else if (j === b.length || (i < a.length && at(i + 1, j) >= at(i, j + 1))) lines.push({ mark: "removed", text: a[i++] as string });
    else lines.push({ mark: "added", text: b[j++] as string });
  }
  return lines;
}

function shortened(lines: Line[]): Line[] {
  const near = new Uint8Array(lines.length);
  lines.forEach(({ mark }, at) => mark !== "same" && near.fill(1, Math.max(0, at - CONTEXT), at + CONTEXT + 1));
  return lines.flatMap((line, at): Line[] => {
    if (near[at]) return [line];
    return at === 0 || near[at - 1] ? [{ mark: "skipped", text: "…" }] : [];
  });
}
