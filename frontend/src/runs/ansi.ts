/** Colours of terminals, from a list of what is allowed; every other escape sequence is left out. */

export interface Span {
  text: string;
  /** Class names: ansi-bold, ansi-fg-1 … ansi-fg-15, ansi-bg-0 … */
  classes: string;
}

interface Style {
  bold: boolean;
  dim: boolean;
  italic: boolean;
  underline: boolean;
  fg: number | null;
  bg: number | null;
}

const PLAIN: Style = { bold: false, dim: false, italic: false, underline: false, fg: null, bg: null };
// CSI … letter; OSC … BEL or ST (titles, links); other two-character escapes; lone control characters.
// eslint-disable-next-line no-control-regex
const ESCAPE = /\x1b\[([0-9;:<=>?]*)[ -/]*([@-~])|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?|\x1b[ -~]?|[\x00-\x08\x0b\x0c\x0e-\x1a\x1c-\x1f\x7f]/g;

/** One line as spans. A carriage return writes over what is before it, as on a terminal. */
export function spansOf(line: string): Span[] {
  const spans: Span[] = [];
  const text = overwritten(line);
  let style = PLAIN;
  let from = 0;
  for (const found of text.matchAll(ESCAPE)) {
    push(spans, text.slice(from, found.index), style);
    if (found[2] === "m") style = styled(style, found[1] ?? "");
    from = found.index + found[0].length;
  }
  push(spans, text.slice(from), style);
  return spans;
}

/** The text alone. */
export function plainText(line: string): string {
  return overwritten(line).replace(ESCAPE, "");
}

function overwritten(line: string): string {
  const text = line.endsWith("\r") ? line.slice(0, -1) : line;
  return text.slice(text.lastIndexOf("\r") + 1);
}

function push(spans: Span[], text: string, style: Style): void {
  if (!text) return;
  const classes = classesOf(style);
  const before = spans[spans.length - 1];
  if (before && before.classes === classes) before.text += text;
  else spans.push({ text, classes });
}

function classesOf({ bold, dim, italic, underline, fg, bg }: Style): string {
  const names = [bold && "ansi-bold", dim && "ansi-dim", italic && "ansi-italic", underline && "ansi-underline"];
  return [...names, fg !== null && `ansi-fg-${fg}`, bg !== null && `ansi-bg-${bg}`].filter(Boolean).join(" ");
}

function styled(before: Style, codes: string): Style {
  const numbers = codes === "" ? [0] : codes.split(/[;:]/).map((code) => Number(code) || 0);
  const style = { ...before };
  for (let at = 0; at < numbers.length; at++) {
    const code = numbers[at] as number;
    if (code === 38 || code === 48) {
      const [colour, used] = extended(numbers.slice(at + 1));
      if (code === 38) style.fg = colour;
      else style.bg = colour;
      at += used;
    } else Object.assign(style, meaning(code));
  }
  return style;
}

/** 256 colours keep their first sixteen; what lies above, and true colours, is shown plain. */
function extended(rest: number[]): [number | null, number] {
  if (rest[0] === 5) return [rest[1] !== undefined && rest[1] < 16 ? rest[1] : null, 2];
  return [null, rest[0] === 2 ? 4 : 0];
}

function meaning(code: number): Partial<Style> {
  if (code === 0) return PLAIN;
  if (code === 1) return { bold: true };
  if (code === 2) return { dim: true };
  if (code === 3) return { italic: true };
  if (code === 4) return { underline: true };
  if (code === 22) return { bold: false, dim: false };
  if (code === 23) return { italic: false };
  if (code === 24) return { underline: false };
  if (code === 39) return { fg: null };
  if (code === 49) return { bg: null };
  if (code >= 30 && code <= 37) return { fg: code - 30 };
  if (code >= 40 && code <= 47) return { bg: code - 40 };
  if (code >= 90 && code <= 97) return { fg: code - 82 };
  if (code >= 100 && code <= 107) return { bg: code - 92 };
  return {};
}
