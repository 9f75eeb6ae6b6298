import { lazy, type ReactNode, Suspense, useCallback, useEffect, useMemo, useRef, useState } from "react";

import { t } from "../lib/i18n";
import { edgeOf } from "../graph/types";
import { ErrorBoundary } from "../ui/ErrorBoundary";
import { errorWords } from "../ui/ErrorNote";
import { Spinner } from "../ui/Spinner";
import { addTask, arrangeAll } from "./actions";
import { readAddress, useAddress } from "./address";
import { CanvasView } from "./CanvasView";
import { DagPanel } from "./DagPanel";
import type { DesignerProps } from "./Designer";
import { tasksOf } from "./document";
import type { Drafts } from "./drafts";
import type { Schema } from "./form/schema";
import { Notes, useNotes } from "./Notes";
import { Palette } from "./Palette";
import { byTask } from "./problems";
import type { Stored } from "./SaveDialog";
import { keepLayout, type TaskType, useProblems, useVersion } from "./server";
import { useShortcuts } from "./shortcuts";
import { isChanged, isMoved, useDraft } from "./store";
import { TaskPanel } from "./TaskPanel";
import { Toolbar, type View } from "./Toolbar";
import { readTyped } from "./typed";
import { useKeptDraft } from "./useKeptDraft";

interface Props extends DesignerProps {
  types: TaskType[];
  schema: Schema;
  drafts: Drafts;
  /** When the draft was kept that is shown; null for the version itself. */
  restored: string | null;
}

// Fetched when they are opened.
const ConflictDialog = lazy(async () => ({ default: (await import("./ConflictDialog")).ConflictDialog }));
const HelpDialog = lazy(async () => ({ default: (await import("./HelpDialog")).HelpDialog }));
const ListView = lazy(async () => ({ default: (await import("./ListView")).ListView }));
const ProblemsDialog = lazy(async () => ({ default: (await import("./ProblemsDialog")).ProblemsDialog }));
const RunDialog = lazy(async () => ({ default: (await import("./RunDialog")).RunDialog }));
const saveDialog = async () => ({ default: (await import("./SaveDialog")).SaveDialog });
const SaveDialog = lazy(saveDialog);
const TemplateDialog = lazy(async () => ({ default: (await import("./TemplateDialog")).TemplateDialog }));
const TextDiff = lazy(async () => ({ default: (await import("./TextDiff")).TextDiff }));
const TextView = lazy(async () => ({ default: (await import("./TextView")).TextView }));

type Open = "save" | "conflict" | "run" | "help" | "problems" | "template" | null;

/** Palette, canvas and side panel around one draft. */
export function Workbench(props: Props) {
  const { types, schema, permissions, drafts } = props;
  const editable = permissions.publish === true;
  const draft = useDraft();
  const [dag, setDag] = useState(props.dag);
  const [begun] = useState(() => readAddress());
  const [view, setView] = useState<View>(draft.typed === null ? begun.view : "text");
  const [viewport, setViewport] = useState(begun.at);
  const [compare, setCompare] = useState(begun.compare);
  const [arranging, setArranging] = useState(false);
  const [dialog, setDialog] = useState<Open>(null);
  const [fitKey, setFitKey] = useState(0);
  const search = useRef<HTMLInputElement>(null);
  const { notes, say, drop } = useNotes();
  const { problems, checked, error } = useProblems(draft.document, draft.revision);
  const wrong = useMemo(() => byTask(problems), [problems]);
  const changed = isChanged(draft);
  // Only the version that the page was opened on is known to follow it.
  const template = draft.published.base === props.version ? props.template : null;
  const moved = isMoved(draft);
  const ids = useMemo(() => new Set(tasksOf(draft.document).map(([id]) => id)), [draft.document]);
  const chosen = useMemo(() => draft.selected.filter((id) => ids.has(id)), [draft.selected, ids]);
  const full = useCallback(() => say(t("designer.not_kept")), [say]);
  // Ahead of time: who types a note right after Ctrl+S must not type it into the page.
  useEffect(() => void saveDialog().catch(() => undefined), []);
  useKeptDraft(drafts, dag, editable, full);
  useAddress({ view, task: chosen.length === 1 ? (chosen[0] ?? null) : null, compare, at: viewport }, props.dag === null ? dag : null);
  const { data: compared = null, error: incomparable } = useVersion(dag, compare);
  const fit = useCallback(() => {
    setViewport(null);
    setFitKey((key) => key + 1);
  }, []);
  useEffect(() => {
    if (!incomparable) return;
    say(errorWords(incomparable));
    setCompare(null);
  }, [incomparable, say]);

  const discard = useCallback(() => {
    const { open, published } = useDraft.getState();
    open(published, published);
    fit();
  }, [fit]);
  useEffect(() => {
    if (props.restored) say(t("designer.restored", { when: new Date(props.restored).toLocaleString() }), { label: t("designer.discard"), run: discard });
  }, [props.restored, say, discard]);

  useEffect(() => {
    if (draft.refused) say(t("designer.unreadable"));
  }, [draft.refused, say]);
  /** Read what was typed first; what cannot be read is not left behind. */
  const settled = useCallback(
    (act: () => void) => {
      if (useDraft.getState().typed === null) act();
      else void readTyped().then((read) => (read ? act() : say(t("designer.unreadable"))));
    },
    [say],
  );

  const publish = useCallback(() => {
    const state = useDraft.getState();
    if (isChanged(state) || dag === null) setDialog("save");
    else if (isMoved(state)) {
      keepLayout(dag, state.base, state.positions).then(
        () => {
          state.placed(state.positions);
          say(t("designer.layout_saved"));
        },
        (problem: unknown) => say(errorWords(problem)),
      );
    }
  }, [dag, say]);
  const save = useCallback(() => settled(publish), [settled, publish]);
  const shortcuts = useMemo(
    () => ({ save, editable, search: () => search.current?.focus(), help: () => setDialog("help") }),
    [save, editable],
  );
  useShortcuts(shortcuts);

  const saved = (id: string, number: number, stored: Stored) => {
    if (stored !== "text") drafts.forget(dag);
    setDag(id);
    setDialog(null);
    if (stored === "text") say(t("designer.text_not_stored", { number }), { label: t("designer.discard"), run: discard });
    else say(t(stored === "old" ? "designer.saved_old" : "designer.saved", { number }), { label: t("designer.to_dag"), href: dagLink(props, id) });
  };
  const add = (type: string, connected: boolean) => {
    const [only, ...others] = draft.selected;
    const edge = only && !others.length ? edgeOf(only) : null;
    if (edge) addTask(type, { edge });
    else addTask(type, connected && chosen.length === 1 && chosen[0] ? { after: chosen[0] } : {});
    if (view === "text") setView("graph");
  };
  const arrangeNow = () => {
    setArranging(true);
    void arrangeAll().then((careful) => {
      setArranging(false);
      if (!careful) say(t("designer.arrange_failed"));
      fit();
    });
  };
  return (
    <div className="workbench">
      <Toolbar
        dag={dag}
        draft={draft}
        view={view}
        onView={(next) => settled(() => setView(next))}
        problems={problems.length}
        onProblems={() => setDialog("problems")}
        checked={checked}
        offline={error !== null}
        changed={changed}
        moved={moved}
        editable={editable}
        mayRun={permissions.run === true && dag !== null && draft.base > 0}
        compared={compare}
        onCompare={setCompare}
        onSave={save}
        onRun={() => settled(() => setDialog("run"))}
        onHelp={() => setDialog("help")}
        onArrange={() => settled(arrangeNow)}
        arranging={arranging}
        template={template}
        onTemplate={editable && dag === null && permissions.templates ? () => settled(() => setDialog("template")) : undefined}
      />
      <Notes notes={notes} onDrop={drop} />
      <div className={`workbench-body${editable ? "" : " is-reading"}`}>
        {editable && (
          <nav className="workbench-palette" aria-label={t("designer.palette")}>
            <Palette types={types} onAdd={(type, connected) => settled(() => add(type, connected))} searchRef={search} />
            <p className="ui-hint">{t("designer.palette_hint")}</p>
          </nav>
        )}
        <section className="workbench-view" aria-label={t(`designer.view_${view}`)}>
          {view === "graph" && (
            <CanvasView
              types={types}
              problems={wrong}
              editable={editable && compare === null}
              compared={compared}
              fitKey={fitKey}
              viewport={viewport}
              onViewport={setViewport}
            />
          )}
          <Fetched key={view} waiting={<Spinner />}>
            {view === "list" && <ListView document={draft.document} types={types} problems={wrong} selected={chosen} onSelect={draft.select} editable={editable} />}
            {view === "text" && (
              <div className="workbench-text">
                {compared && <TextDiff compared={compared} />}
                <TextView problems={problems} editable={editable} />
              </div>
            )}
          </Fetched>
        </section>
        <aside className="workbench-panel" aria-label={t("designer.panel")}>
          {chosen.length === 1 && chosen[0] && <TaskPanel key={chosen[0]} id={chosen[0]} types={types} schema={schema} problems={wrong.get(chosen[0]) ?? []} editable={editable && draft.unread === null} />}
          {chosen.length > 1 && <p className="task-panel">{t("designer.many_selected", { count: chosen.length })}</p>}
          {chosen.length === 0 && <DagPanel schema={schema} problems={problems} editable={editable && draft.unread === null} isNew={dag === null} />}
        </aside>
      </div>
      <Fetched key={dialog}>
        {dialog === "save" && (
          <SaveDialog dag={dag} problems={problems} template={template} onClose={() => setDialog(null)} onSaved={saved} onConflict={() => setDialog("conflict")} />
        )}
        {dialog === "conflict" && (
          <ConflictDialog
            dag={dag ?? String(draft.document.id)}
            onClose={() => setDialog(null)}
            onRebased={(conflicts) => {
              setDialog(null);
              say(conflicts.length ? t("designer.rebased_with", { names: conflicts.join(", ") }) : t("designer.rebased"));
            }}
          />
        )}
        {dialog === "run" && dag && (
          <RunDialog dag={dag} number={draft.base} unsaved={changed} runLink={(id) => props.links.run.replace("/0/", `/${id}/`)} onClose={() => setDialog(null)} />
        )}
        {dialog === "template" && (
          <TemplateDialog
            onClose={() => setDialog(null)}
            onOpened={(name) => {
              setDialog(null);
              say(t("designer.opened_template", { name }));
              fit();
            }}
          />
        )}
        {dialog === "help" && <HelpDialog onClose={() => setDialog(null)} />}
        {dialog === "problems" && (
          <ProblemsDialog
            problems={problems}
            onClose={() => setDialog(null)}
            onChoose={(tasks) => {
              draft.select(tasks.filter((id) => ids.has(id)));
              setDialog(null);
            }}
          />
        )}
      </Fetched>
    </div>
  );
}

/** What is fetched when it is opened; after a deployment its file may be gone, and the rest of the page still works. */
function Fetched({ waiting = null, children }: { waiting?: ReactNode; children: ReactNode }) {
  return (
    <ErrorBoundary>
      <Suspense fallback={waiting}>{children}</Suspense>
    </ErrorBoundary>
  );
}

function dagLink({ dag_pk, links }: Props, id: string): string {
  return dag_pk === null ? `${links.dags}?q=${encodeURIComponent(id)}` : links.dag.replace("/0/", `/${dag_pk}/`);
}
