import type { ReactNode } from "react";

/** A short fact in a pill. */
export function Badge({ children, tone = "plain" }: { children: ReactNode; tone?: "plain" | "ok" | "fail" | "warn" | "run" }) {
  return <span className={`ui-badge ui-tone-${tone}`}>{children}</span>;
}
