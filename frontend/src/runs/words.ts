/** Durations, moments and states in the reader's language. */

import { hasWords, locale, t } from "../lib/i18n";
import { shortDuration } from "./timescale";

export { stateWord } from "../ui/states";

/** A duration, short. */
export function duration(milliseconds: number): string {
  return shortDuration(milliseconds, { s: t("run.unit.s"), m: t("run.unit.m"), h: t("run.unit.h"), d: t("run.unit.d") });
}

/** A moment by the reader's clock. */
export function moment(at: string | number | null | undefined): string {
  if (at === null || at === undefined) return "–";
  return new Intl.DateTimeFormat(locale(), { dateStyle: "medium", timeStyle: "medium" }).format(new Date(at));
}

/** The time of a day. */
export function clock(at: number): string {
  return new Intl.DateTimeFormat(locale(), { timeStyle: "medium" }).format(new Date(at));
}

/** A reason's words, where there are any. */
export function reasonWord(reason: string): string {
  return hasWords(`reason.${reason}`) ? t(`reason.${reason}`) : reason.replaceAll("_", " ");
}
