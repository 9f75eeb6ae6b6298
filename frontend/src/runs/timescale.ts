/** Time on a line: ticks at round distances, and where a moment lies. */

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

const STEPS = [
  10, 20, 50, 100, 200, 500, SECOND, 2 * SECOND, 5 * SECOND, 10 * SECOND, 15 * SECOND, 30 * SECOND, MINUTE, 2 * MINUTE, 5 * MINUTE,
  10 * MINUTE, 15 * MINUTE, 30 * MINUTE, HOUR, 2 * HOUR, 3 * HOUR, 6 * HOUR, 12 * HOUR, DAY, 2 * DAY, 7 * DAY, 14 * DAY, 28 * DAY,
];

export interface Scale {
  start: number;
  end: number;
  /** Distances from the start, in milliseconds. */
  ticks: number[];
  /** Percent of the width. */
  at: (moment: number) => number;
}

/** A scale from start to end with at most `most` ticks. */
export function timescale(start: number, end: number, most = 8): Scale {
  const span = Math.max(end - start, 10);
  const step = STEPS.find((size) => span / size <= most) ?? Math.ceil(span / most / DAY) * DAY;
  const ticks: number[] = [];
  for (let at = 0; at <= span; at += step) ticks.push(at);
  return { start, end: start + span, ticks, at: (moment) => (100 * (Math.min(Math.max(moment, start), start + span) - start)) / span };
}

/** A duration in a few characters: 0.4 s, 12 s, 3 min 20 s, 2 h 5 min, 3 d 4 h. */
export function shortDuration(milliseconds: number, units: Units = ENGLISH): string {
  const total = Math.max(0, milliseconds);
  if (total < 9_950) return `${(total / SECOND).toFixed(1).replace(/\.0$/, "")} ${units.s}`;
  const seconds = Math.round(total / SECOND);
  if (seconds < 60) return `${seconds} ${units.s}`;
  if (seconds < 3_600) return two(seconds, 60, units.m, units.s);
  const minutes = Math.round(seconds / 60);
  return minutes < 1_440 ? two(minutes, 60, units.h, units.m) : two(Math.round(minutes / 60), 24, units.d, units.h);
}

export interface Units {
  s: string;
  m: string;
  h: string;
  d: string;
}

const ENGLISH: Units = { s: "s", m: "min", h: "h", d: "d" };

function two(amount: number, size: number, large: string, small: string): string {
  const rest = amount % size;
  return `${Math.floor(amount / size)} ${large}${rest ? ` ${rest} ${small}` : ""}`;
}
