import { useEffect, useRef } from "react";

import type { Drafts } from "./drafts";
import { isChanged, isMoved, useDraft } from "./store";

const REST_MS = 500;

/** Keep the draft in this browser a moment after each change, and forget it when there is nothing left to save. */
export function useKeptDraft(drafts: Drafts, dag: string | null, editable: boolean, onFull: () => void): void {
  const revision = useDraft((state) => state.revision);
  const dirty = useDraft((state) => isChanged(state) || isMoved(state));
  const written = useRef(revision);
  const told = useRef(false);
  useEffect(() => {
    if (!editable) return undefined;
    const write = () => {
      if (!dirty) return drafts.forget(dag);
      if (written.current === revision) return undefined;
      const state = useDraft.getState();
      if (drafts.keep(dag, state, isChanged(state), new Date())) {
        written.current = revision;
        told.current = false;
      } else if (!told.current) {
        told.current = true;
        onFull();
      }
      return undefined;
    };
    const timer = setTimeout(write, REST_MS);
    window.addEventListener("pagehide", write);
    return () => {
      clearTimeout(timer);
      window.removeEventListener("pagehide", write);
    };
  }, [drafts, dag, editable, dirty, revision, onFull]);
}
