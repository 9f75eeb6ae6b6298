/** Rows of one height: only those near the screen are drawn, whatever their number. */

import { type RefObject, useEffect, useRef, useState } from "react";

const AHEAD = 12;
const ALL_UP_TO = 300; // so many rows are drawn at once, so that the browser's own search finds them

export interface Rows {
  ref: RefObject<HTMLDivElement | null>;
  first: number;
  last: number;
  /** Heights of what is not drawn. */
  above: number;
  below: number;
}

/** What of `count` rows is to be drawn inside the element that `ref` is put on, which scrolls. */
export function useRows(count: number, height: number): Rows {
  const ref = useRef<HTMLDivElement>(null);
  const [range, setRange] = useState<[number, number]>([0, 60]);
  const all = count <= ALL_UP_TO;
  useEffect(() => {
    const element = ref.current;
    if (!element || all) return;
    const look = () => {
      const first = Math.max(0, Math.floor(element.scrollTop / height) - AHEAD);
      const last = first + Math.ceil(element.clientHeight / height) + 2 * AHEAD;
      setRange((before) => (before[0] === first && before[1] === last ? before : [first, last]));
    };
    look();
    element.addEventListener("scroll", look, { passive: true });
    window.addEventListener("resize", look);
    return () => {
      element.removeEventListener("scroll", look);
      window.removeEventListener("resize", look);
    };
  }, [all, height, count]);
  const first = all ? 0 : Math.min(range[0], Math.max(0, count - 1));
  const last = all ? count : Math.min(range[1], count);
  return { ref, first, last, above: first * height, below: (count - last) * height };
}
