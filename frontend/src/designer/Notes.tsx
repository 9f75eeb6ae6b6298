import { useCallback, useState } from "react";

import { t } from "../lib/i18n";
import { Button } from "../ui/Button";

interface Action {
  label: string;
  run?: () => void;
  href?: string;
}

interface Note {
  id: number;
  text: string;
  action?: Action;
}

/** The last thing that happened, until the next one. */
export function useNotes() {
  const [notes, setNotes] = useState<Note[]>([]);
  const say = useCallback((text: string, action?: Action) => setNotes((before) => [{ id: (before[0]?.id ?? 0) + 1, text, action }]), []);
  const drop = useCallback((id: number) => setNotes((before) => before.filter((note) => note.id !== id)), []);
  return { notes, say, drop };
}

/** Says it, and reads it out. */
export function Notes({ notes, onDrop }: { notes: Note[]; onDrop: (id: number) => void }) {
  return (
    <div className="notes" role="status">
      {notes.map((note) => (
        <p className="note" key={note.id}>
          <span className="ui-grow">{note.text}</span>
          {note.action?.href && (
            <a className="ui-button" href={note.action.href}>
              {note.action.label}
            </a>
          )}
          {note.action?.run && (
            <Button
              label={note.action.label}
              onClick={() => {
                note.action?.run?.();
                onDrop(note.id);
              }}
            />
          )}
          <Button icon="x" bare look="ghost" label={t("ui.close")} onClick={() => onDrop(note.id)} />
        </p>
      ))}
    </div>
  );
}
