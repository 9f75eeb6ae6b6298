import { memo, type MouseEvent, useMemo, useRef } from "react";

import { t } from "../lib/i18n";
import { linkWith, setAddress } from "./address";
import { spansOf } from "./ansi";
import { type LogLine, placeOf } from "./logWindow";

const BLOCK = 200; // lines, about: the browser lays out only the blocks near the screen

/** Lines in blocks, which stay as they are when lines come before or after them. */
export function LogLines({ lines, marked }: { lines: LogLine[]; marked: string | null }) {
  const size = useRef(0);
  const blocks = useMemo(() => {
    if (!size.current && lines.length) size.current = chunksPerBlock(lines);
    return blocksOf(lines, size.current || 1);
  }, [lines]);
  return (
    <>
      {blocks.map(([id, block]) => (
        <Block key={id} lines={block} marked={marked && block.some((line) => placeOf(line) === marked) ? marked : null} />
      ))}
    </>
  );
}

function chunksPerBlock(lines: LogLine[]): number {
  const chunks = (lines.at(-1)?.seq ?? 0) - (lines[0]?.seq ?? 0) + 1;
  return Math.max(1, Math.round((BLOCK * chunks) / lines.length));
}

function blocksOf(lines: LogLine[], size: number): [number, LogLine[]][] {
  const blocks = new Map<number, LogLine[]>();
  for (const line of lines) {
    const id = Math.floor(line.seq / size);
    const block = blocks.get(id);
    if (block) block.push(line);
    else blocks.set(id, [line]);
  }
  return [...blocks];
}

interface BlockProps {
  lines: LogLine[];
  marked: string | null;
}

function sameBlock(a: BlockProps, b: BlockProps): boolean {
  const [one, two] = [a.lines, b.lines];
  return (
    a.marked === b.marked &&
    one.length === two.length &&
    one[0]?.number === two[0]?.number &&
    one[0]?.seq === two[0]?.seq &&
    one[0]?.text === two[0]?.text &&
    one.at(-1)?.text === two.at(-1)?.text
  );
}

const Block = memo(function Block({ lines, marked }: BlockProps) {
  return (
    <div className="log-block" style={{ containIntrinsicSize: `auto ${lines.length * 19}px` }}>
      {lines.map((line) => (
        <Line key={placeOf(line)} line={line} marked={placeOf(line) === marked} />
      ))}
    </div>
  );
}, sameBlock);

function Line({ line, marked }: { line: LogLine; marked: boolean }) {
  const place = placeOf(line);
  const mark = (event: MouseEvent) => {
    event.preventDefault();
    setAddress({ line: place });
  };
  return (
    <div className={`log-line is-${line.stream}${marked ? " is-marked" : ""}`} data-place={place}>
      <a className="log-number" href={linkWith({ line: place })} onClick={mark} tabIndex={-1} aria-label={t("run.log.line_link")} data-number={line.number ?? "·"} />
      <span className="log-text">
        {spansOf(line.text).map((span, index) => (
          <span key={index} className={span.classes || undefined}>{span.text}</span>
        ))}
        {"\n"}
      </span>
    </div>
  );
}
