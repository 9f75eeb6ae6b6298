import { t } from "../lib/i18n";
import { Badge } from "../ui/Badge";
import { Button } from "../ui/Button";
import { Icon } from "../ui/Icon";
import { copySelected, paste } from "./actions";
import type { Doc } from "./document";
import { useVersions } from "./server";

export type View = "graph" | "list" | "text";
const VIEWS: View[] = ["graph", "list", "text"];

interface Props {
  dag: string | null;
  draft: { document: Doc; base: number; typed: string | null; past: unknown[]; future: unknown[]; selected: string[]; undo: () => void; redo: () => void };
  view: View;
  onView: (view: View) => void;
  problems: number;
  onProblems: () => void;
  checked: boolean;
  offline: boolean;
  changed: boolean;
  moved: boolean;
  editable: boolean;
  mayRun: boolean;
  compared: number | null;
  onCompare: (number: number | null) => void;
  onSave: () => void;
  onRun: () => void;
  onHelp: () => void;
  /** The template that the DAG follows. */
  template: string | null;
  onTemplate?: () => void;
  onArrange: () => void;
  arranging: boolean;
}

/** What can be done with the whole draft. */
export function Toolbar(props: Props) {
  const { dag, draft, editable, changed, moved } = props;
  return (
    <div className="toolbar" role="toolbar" aria-label={t("designer.toolbar")}>
      <strong className="toolbar-name">{String(draft.document.id ?? "")}</strong>
      <Badge>{draft.base ? t("designer.version", { number: draft.base }) : t("designer.new")}</Badge>
      {props.template && <Badge>{t("designer.made_from", { name: props.template })}</Badge>}
      <Standing {...props} />
      <span className="ui-grow" />
      <div className="toolbar-group" role="group" aria-label={t("designer.views")}>
        {VIEWS.map((view) => (
          <Button key={view} label={t(`designer.view_${view}`)} aria-pressed={view === props.view} onClick={() => props.onView(view)} />
        ))}
      </div>
      {dag !== null && <Compare dag={dag} compared={props.compared} onCompare={props.onCompare} />}
      {props.onTemplate && <Button label={t("designer.from_template")} onClick={props.onTemplate} />}
      {editable && (
        <>
          <Button icon="undo-2" bare label={t("designer.undo")} disabled={!draft.past.length && draft.typed === null} onClick={draft.undo} />
          <Button icon="redo-2" bare label={t("designer.redo")} disabled={!draft.future.length} onClick={draft.redo} />
          <Button icon="copy" bare label={t("designer.copy")} disabled={!draft.selected.length} onClick={copyToClipboard} />
          <Button icon="clipboard-paste" bare label={t("designer.paste")} onClick={() => void pasteFromClipboard()} />
          <Button icon="wand-sparkles" bare label={t("designer.arrange")} aria-busy={props.arranging} disabled={props.arranging} onClick={props.onArrange} />
        </>
      )}
      <Button icon="keyboard" bare label={t("designer.keys")} onClick={props.onHelp} />
      {props.mayRun && <Button icon="play" label={t("designer.run")} onClick={props.onRun} />}
      {editable && (
        <Button
          icon="save"
          look="primary"
          label={!changed && moved && dag !== null ? t("designer.save_layout") : t("designer.save")}
          disabled={!changed && !moved}
          onClick={props.onSave}
        />
      )}
    </div>
  );
}

/** Whether the draft is right, and whether it is saved. */
function Standing({ problems, onProblems, checked, offline, changed, editable }: Props) {
  return (
    <span className="toolbar-standing" aria-live="polite" data-testid="standing" data-checked={checked}>
      {offline ? (
        <Badge tone="warn">{t("designer.not_checked")}</Badge>
      ) : problems ? (
        <button type="button" className="toolbar-problems" title={t("designer.show_problems")} onClick={onProblems}>
          <Badge tone="fail">
            <Icon name="triangle-alert" size={13} /> {t("graph.problems", { count: problems })}
          </Badge>
        </button>
      ) : !checked ? (
        <Badge>{t("designer.checking")}</Badge>
      ) : (
        <Badge tone="ok">
          <Icon name="check" size={13} /> {t("designer.valid")}
        </Badge>
      )}
      {!editable ? <Badge>{t("designer.read_only")}</Badge> : changed && <Badge tone="warn">{t("designer.unsaved")}</Badge>}
    </span>
  );
}

function Compare({ dag, compared, onCompare }: { dag: string; compared: number | null; onCompare: (number: number | null) => void }) {
  const { data } = useVersions(dag);
  return (
    <select className="ui-input toolbar-compare" aria-label={t("designer.compare")} value={compared ?? ""} onChange={(event) => onCompare(event.target.value ? Number(event.target.value) : null)}>
      <option value="">{t("designer.compare")}</option>
      {(data ?? []).map((version) => (
        <option key={version.number} value={version.number}>
          {t("designer.version", { number: version.number })} {version.note}
        </option>
      ))}
    </select>
  );
}

function copyToClipboard(): void {
  const text = copySelected();
  // Without a secure context there is no clipboard; what was copied can be pasted here all the same.
  if (text) navigator.clipboard?.writeText(text).catch(() => undefined);
}

async function pasteFromClipboard(): Promise<void> {
  const text = await navigator.clipboard?.readText?.().catch(() => undefined);
  if (!text || !paste(text)) paste();
}

