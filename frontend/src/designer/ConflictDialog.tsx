import { useQuery, useQueryClient } from "@tanstack/react-query";

import { t } from "../lib/i18n";
import { Button } from "../ui/Button";
import { Dialog } from "../ui/Dialog";
import { ErrorNote } from "../ui/ErrorNote";
import { Spinner } from "../ui/Spinner";
import { marksOf } from "./marks";
import { rebased } from "./merge";
import { openCurrent, openVersion } from "./server";
import { useDraft } from "./store";

interface Props {
  dag: string;
  onClose: () => void;
  onRebased: (conflicts: string[]) => void;
}

/** Somebody else saved meanwhile: what they changed, and a way to put one's own changes on top. */
export function ConflictDialog({ dag, onClose, onRebased }: Props) {
  const queries = useQueryClient();
  const base = useDraft((state) => state.base);
  const { data, error } = useQuery({
    queryKey: ["conflict", dag, base],
    queryFn: async () => ({ theirs: await openCurrent(dag), old: base > 0 ? await openVersion(dag, base) : null }),
    gcTime: 0,
    staleTime: 0,
  });
  const theirs = data?.theirs;
  const changed = theirs ? [...marksOf(data.old?.document ?? {}, theirs.document).tasks] : [];
  const merge = () => {
    if (!theirs) return;
    const { document, rebase } = useDraft.getState();
    const { document: next, conflicts } = rebased(data.old?.document ?? {}, document, theirs.document);
    rebase(theirs, next);
    void queries.invalidateQueries({ queryKey: ["versions"] });
    onRebased(conflicts);
  };
  return (
    <Dialog
      title={t("designer.conflict_title")}
      onClose={onClose}
      actions={
        <>
          <Button label={t("ui.cancel")} onClick={onClose} />
          <Button look="primary" label={t("designer.rebase", { number: theirs?.base ?? "…" })} disabled={!theirs} onClick={merge} />
        </>
      }
    >
      {error && <ErrorNote error={error} />}
      {!theirs && !error && <Spinner />}
      {theirs && (
        <>
          <p>{t("designer.conflict_words", { number: theirs.base, base })}</p>
          <ul>
            {changed.map(([id, mark]) => (
              <li key={id}>
                <code>{id}</code> <span className="ui-muted">{t(`designer.mark_${mark}`)}</span>
              </li>
            ))}
          </ul>
          <p className="ui-muted">{t("designer.conflict_hint")}</p>
        </>
      )}
    </Dialog>
  );
}
