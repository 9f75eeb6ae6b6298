/** How a state looks: a colour of the tokens, a picture, and its word under `state.<name>`. */

import { hasWords, t } from "../lib/i18n";

export interface Look {
  colour: string;
  icon: string;
  final: boolean;
}

const LOOKS: Record<string, Look> = {
  pending: { colour: "var(--c-muted)", icon: "circle-dashed", final: false },
  queued: { colour: "var(--c-queue)", icon: "clock", final: false },
  running: { colour: "var(--c-run)", icon: "play", final: false },
  deferred: { colour: "var(--c-wait)", icon: "hourglass", final: false },
  retrying: { colour: "var(--c-retry)", icon: "rotate-ccw", final: false },
  success: { colour: "var(--c-ok)", icon: "circle-check", final: true },
  failed: { colour: "var(--c-fail)", icon: "circle-x", final: true },
  skipped: { colour: "var(--c-skip)", icon: "skip-forward", final: true },
  upstream_failed: { colour: "var(--c-fail)", icon: "ban", final: true },
  cancelled: { colour: "var(--c-cancel)", icon: "square", final: true },
};

const UNKNOWN: Look = { colour: "var(--c-muted)", icon: "circle", final: false };

/** The look of a state of a run, a task or an attempt. */
export function lookOf(state: string): Look {
  return LOOKS[state] ?? UNKNOWN;
}

/** A state's word. */
export function stateWord(state: string): string {
  return hasWords(`state.${state}`) ? t(`state.${state}`) : state;
}
