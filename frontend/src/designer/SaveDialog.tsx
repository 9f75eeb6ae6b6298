import { useMutation, useQueryClient } from "@tanstack/react-query";
import { type FormEvent, useId, useState } from "react";

import { ApiError, type Problem } from "../lib/api";
import { hasWords, t } from "../lib/i18n";
import { Button } from "../ui/Button";
import { Dialog } from "../ui/Dialog";
import { ErrorNote } from "../ui/ErrorNote";
import { Field } from "../ui/Field";
import { equal } from "./document";
import { marksOf } from "./marks";
import { placesOf } from "./places";
import { wordsOf } from "./problems";
import { openVersion, publish } from "./server";
import { useDraft } from "./store";
import { patched } from "./text";

/** What saving stored: a new version, nothing but that an old one is current again, or nothing, since only the text differs. */
export type Stored = "new" | "old" | "text";

interface Props {
  dag: string | null;
  problems: Problem[];
  /** The template that the DAG follows, and leaves when it is saved here. */
  template: string | null;
  onClose: () => void;
  onSaved: (dag: string, number: number, stored: Stored) => void;
  onConflict: () => void;
}

/** Publish the draft as the next version, with a note. */
export function SaveDialog({ dag, problems, template, onClose, onSaved, onConflict }: Props) {
  const id = useId();
  const [note, setNote] = useState("");
  const queries = useQueryClient();
  const { document, source, published } = useDraft();
  const settings = [...new Set([...Object.keys(document), ...Object.keys(published.document)])]
    .filter((name) => name !== "tasks" && !equal(document[name], published.document[name]))
    .map((name) => (hasWords(`field.${name}`) ? t(`field.${name}`) : name));
  const counts = [summary(marksOf(published.document, document).tasks.values()), settings.length > 0 && t("designer.settings_changed", { names: settings.join(", ") })]
    .filter(Boolean)
    .join(" · ");
  const save = useMutation({
    mutationFn: async () => {
      const { document: doc, positions, source, base } = useDraft.getState();
      const written = useDraft.getState().published;
      const text = await patched(source.text, source.format, source.says, doc);
      const layout = placesOf(doc, positions);
      const answer = await publish(dag, { source: text, format: source.format, note, base, layout });
      const number = answer.current_version;
      const snapshot = { document: doc, positions, source, base };
      if (number === written.base) return { answer, stored: "text" as Stored, text: written.source.text, snapshot };
      // The same content is the same version: an old one keeps the text and the note that it has.
      const old = number < written.base;
      return { answer, stored: (old ? "old" : "new") as Stored, text: old ? (await openVersion(answer.dag_id, number)).source.text : text, snapshot };
    },
    onSuccess: ({ answer, stored, text, snapshot }) => {
      const state = useDraft.getState();
      if (stored === "text") state.placed(snapshot.positions);
      else state.saved(answer.current_version, text, snapshot);
      void queries.invalidateQueries({ queryKey: ["versions"] });
      onSaved(answer.dag_id, answer.current_version, stored);
    },
    onError: (error) => {
      if (dag !== null && isConflict(error)) onConflict();
    },
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (!save.isPending) save.mutate();
  };
  const refused = save.error instanceof ApiError ? save.error.problems : [];
  return (
    <Dialog
      title={t("designer.save_title")}
      onClose={onClose}
      actions={
        <>
          <Button label={t("ui.cancel")} onClick={onClose} />
          <Button look="primary" icon="save" label={t("designer.save_version")} type="submit" form={id} disabled={save.isPending || problems.length > 0} />
        </>
      }
    >
      <form id={id} onSubmit={submit}>
        <p className="ui-muted">{counts || t(source.text === published.source.text ? "designer.no_task_changed" : "designer.only_text")}</p>
        <Field id={`${id}-note`} label={t("designer.note")} hint={t("designer.note_hint")}>
          <input id={`${id}-note`} className="ui-input" value={note} maxLength={500} autoFocus onChange={(event) => setNote(event.target.value)} />
        </Field>
        {template && <p className="ui-problems">{t("designer.leaves_template", { name: template })}</p>}
        {problems.length > 0 && <p className="ui-problems">{t("designer.mend_first", { count: problems.length })}</p>}
        {save.error && <ErrorNote error={dag === null && isConflict(save.error) ? new Error(t("designer.id_taken")) : save.error} />}
        <ul className="ui-problems">
          {refused.map((problem) => (
            <li key={problem.path + problem.code}>
              <code>{problem.path}</code> {wordsOf(problem)}
            </li>
          ))}
        </ul>
      </form>
    </Dialog>
  );
}

function isConflict(error: unknown): boolean {
  return error instanceof ApiError && error.code === "version_conflict";
}

function summary(marks: Iterable<string>): string {
  const counts = new Map<string, number>();
  for (const mark of marks) counts.set(mark, (counts.get(mark) ?? 0) + 1);
  return [...counts].map(([mark, count]) => t(`designer.tasks_${mark}`, { count })).join(" · ");
}
