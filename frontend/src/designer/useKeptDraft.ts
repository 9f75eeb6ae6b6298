import { useEffect } from "react";

import { forget, keep } from "./drafts";
import { useDraft } from "./store";

const REST_MS = 500;

/** Keep the draft in this browser a moment after each change, and forget it when there is nothing left to save. */
export function useKeptDraft(user: string, dag: string | null, changed: boolean): void {
  const revision = useDraft((state) => state.revision);
  useEffect(() => {
    const write = () => (changed ? keep(user, dag, useDraft.getState(), new Date()) : forget(user, dag));
    const timer = setTimeout(write, REST_MS);
    window.addEventListener("pagehide", write);
    return () => {
      clearTimeout(timer);
      window.removeEventListener("pagehide", write);
    };
  }, [user, dag, changed, revision]);
}
