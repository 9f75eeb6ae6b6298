/** The keys of the designer. The canvas brings its own: arrows move what is selected, Delete removes it. */

import { useEffect } from "react";

import { copySelected, paste, remove, selectAll } from "./actions";
import { useDraft } from "./store";

export interface Commands {
  save: () => void;
  search: () => void;
  help: () => void;
  editable: boolean;
}

function isTyping(target: EventTarget | null): boolean {
  return target instanceof HTMLElement && target.closest("input, textarea, select, dialog, [contenteditable]") !== null;
}

/** Listen while the designer is on the page. */
export function useShortcuts({ save, search, help, editable }: Commands): void {
  useEffect(() => {
    const down = (event: KeyboardEvent) => {
      const command = event.ctrlKey || event.metaKey;
      const key = event.key.toLowerCase();
      const draft = useDraft.getState();
      const run = (act: () => void) => {
        event.preventDefault();
        act();
      };
      if (command && key === "s") return editable ? run(save) : undefined;
      if (isTyping(event.target)) return undefined;
      if (command && editable && key === "z") return run(event.shiftKey ? draft.redo : draft.undo);
      if (command && editable && key === "y") return run(draft.redo);
      if (command && key === "a") return run(selectAll);
      if (!command && !event.altKey && key === "/") return run(search);
      if (!command && !event.altKey && key === "?") return run(help);
      return undefined;
    };
    const copy = (event: ClipboardEvent, cut: boolean) => {
      if (isTyping(event.target) || document.getSelection()?.toString()) return;
      const text = copySelected();
      if (!text) return;
      event.preventDefault();
      event.clipboardData?.setData("text/plain", text);
      if (cut && editable) remove(useDraft.getState().selected);
    };
    const onCopy = (event: ClipboardEvent) => copy(event, false);
    const onCut = (event: ClipboardEvent) => copy(event, true);
    const onPaste = (event: ClipboardEvent) => {
      if (editable && !isTyping(event.target) && paste(event.clipboardData?.getData("text/plain") ?? "")) event.preventDefault();
    };
    document.addEventListener("keydown", down);
    document.addEventListener("copy", onCopy);
    document.addEventListener("cut", onCut);
    document.addEventListener("paste", onPaste);
    return () => {
      document.removeEventListener("keydown", down);
      document.removeEventListener("copy", onCopy);
      document.removeEventListener("cut", onCut);
      document.removeEventListener("paste", onPaste);
    };
  }, [save, search, help, editable]);
}
