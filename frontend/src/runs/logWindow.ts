/** A window of a log: neighbouring chunks, cut into lines; it grows at both ends and lets go of what is far away. */

import type { LogChunk } from "./types";

/** A line by the chunk that it begins in, and the line ends before it there. */
export interface LogLine {
  seq: number;
  line: number;
  /** Number in the whole log, from 1; null while nobody counted. */
  number: number | null;
  stream: string;
  text: string;
}

export interface LogWindow {
  chunks: LogChunk[];
  /** Nothing comes before the first chunk. */
  begins: boolean;
  /** The attempt has ended and nothing comes after the last chunk. */
  complete: boolean;
  /** Number of the line that the first chunk begins in. */
  firstLine: number | null;
}

export interface Piece {
  chunks: LogChunk[];
  begins: boolean;
  complete: boolean;
  first_line: number | null;
}

export const EMPTY: LogWindow = { chunks: [], begins: false, complete: false, firstLine: null };
export const MOST_CHARS = 1_500_000; // in the page at one time
const LINE_MOST = 20_000; // characters of a line; the download has the rest

/** A window that is one answer of the server. */
export function opened(piece: Piece): LogWindow {
  const first = piece.begins ? 1 : piece.first_line;
  return { chunks: piece.chunks, begins: piece.begins, complete: piece.complete, firstLine: first };
}

/** The window with the chunks that come after it; from the other end it loses what is too much. */
export function grownDown(window: LogWindow, piece: Piece): LogWindow {
  const last = window.chunks.at(-1)?.seq ?? -1;
  const chunks = [...window.chunks, ...piece.chunks.filter((chunk) => chunk.seq > last)];
  let { firstLine, begins } = window;
  let chars = sizeOf(chunks);
  let dropped = 0;
  while (chars > MOST_CHARS && dropped < chunks.length - 1) {
    const gone = chunks[dropped++] as LogChunk;
    chars -= gone.text.length;
    begins = false;
    if (firstLine !== null) firstLine += lineEnds(gone.text);
  }
  return { chunks: chunks.slice(dropped), begins, complete: piece.complete, firstLine };
}

/** The window with the chunks that come before it. */
export function grownUp(window: LogWindow, piece: Piece): LogWindow {
  const first = window.chunks[0]?.seq ?? Infinity;
  const before = piece.chunks.filter((chunk) => chunk.seq < first);
  const chunks = [...before, ...window.chunks];
  const ends = before.reduce((sum, chunk) => sum + lineEnds(chunk.text), 0);
  const firstLine = piece.begins ? 1 : window.firstLine === null ? null : window.firstLine - ends;
  let chars = sizeOf(chunks);
  let complete = window.complete;
  while (chars > MOST_CHARS && chunks.length > 1) {
    chars -= (chunks.pop() as LogChunk).text.length;
    complete = false;
  }
  return { chunks, begins: piece.begins, complete, firstLine };
}

/** The window, now that the number of the line is known that one of its chunks begins in. */
export function numbered(window: LogWindow, seq: number, line: number): LogWindow {
  const place = window.chunks.findIndex((chunk) => chunk.seq === seq);
  if (place < 0) return window;
  const before = window.chunks.slice(0, place).reduce((sum, chunk) => sum + lineEnds(chunk.text), 0);
  return { ...window, firstLine: line - before };
}

/** The lines of the window, in order; a line that several chunks share is one. */
export function linesOf(window: LogWindow): LogLine[] {
  const lines: LogLine[] = [];
  let open: LogLine | null = null;
  let number = window.firstLine;
  for (const chunk of window.chunks) {
    const parts = chunk.text.split("\n");
    for (const [index, part] of parts.entries()) {
      const last = index === parts.length - 1;
      if (open) open.text = (open.text + part).slice(0, LINE_MOST);
      else if (!last || part) {
        open = { seq: chunk.seq, line: index, number, stream: chunk.stream, text: part.slice(0, LINE_MOST) };
        lines.push(open);
      }
      if (!last) {
        open = null;
        if (number !== null) number += 1;
      }
    }
  }
  return lines;
}

/** The line below or above a marked one; without one, the first or the last. */
export function neighbour(lines: LogLine[], marked: string | null, below: boolean): LogLine | undefined {
  const at = marked === null ? -1 : lines.findIndex((line) => placeOf(line) === marked);
  if (at < 0) return below ? lines[0] : lines.at(-1);
  return lines[below ? at + 1 : at - 1];
}

/** The name of a line in an address. */
export function placeOf(line: { seq: number; line: number }): string {
  return `${line.seq}.${line.line}`;
}

/** The chunk and the line of a name; null for what is none. */
export function parsePlace(text: string | null): { seq: number; line: number } | null {
  const found = /^(\d{1,9})\.(\d{1,9})$/.exec(text ?? "");
  return found ? { seq: Number(found[1]), line: Number(found[2]) } : null;
}

function lineEnds(text: string): number {
  let count = 0;
  for (let at = text.indexOf("\n"); at >= 0; at = text.indexOf("\n", at + 1)) count++;
  return count;
}

function sizeOf(chunks: LogChunk[]): number {
  return chunks.reduce((sum, chunk) => sum + chunk.text.length, 0);
}
