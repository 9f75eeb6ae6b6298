import { useCallback, useDeferredValue, useMemo, useState } from "react";

import { Graph } from "../graph/Graph";
import type { GraphNode, Point, Viewport } from "../graph/types";
import type { Problem } from "../lib/api";
import { t } from "../lib/i18n";
import { Dialog } from "../ui/Dialog";
import { type Added, addTask, connectTasks, move, remove } from "./actions";
import { tasksOf } from "./document";
import { edgesOf } from "./edges";
import { marked } from "./marks";
import { Palette, titleOf } from "./Palette";
import { placesOf } from "./places";
import { wordsOf } from "./problems";
import type { TaskType } from "./server";
import { type Opened, useDraft } from "./store";

interface Props {
  types: TaskType[];
  problems: Map<string, Problem[]>;
  editable: boolean;
  compared: Opened | null;
  fitKey: number;
  viewport: Viewport | null;
  onViewport: (viewport: Viewport) => void;
}

/** The draft as a graph. */
export function CanvasView({ types, problems, editable, compared, fitKey, viewport, onViewport }: Props) {
  const { document: newest, positions: placed, selected, select } = useDraft();
  // What is typed shows at once; the graph follows when there is time for it.
  const draft = useMemo(() => ({ document: newest, positions: placed }), [newest, placed]);
  const { document, positions } = useDeferredValue(draft);
  const [start] = useState(viewport);
  const [adding, setAdding] = useState<Added | null>(null);
  const kinds = useMemo(() => new Map(types.map((type) => [type.name, type])), [types]);
  const edges = useMemo(() => edgesOf(document), [document]);
  const nodes = useMemo(() => {
    const places = placesOf(document, positions);
    return tasksOf(document).map(([id, fields]): GraphNode => {
      const type = kinds.get(String(fields.type));
      const [x, y] = places[id] ?? [0, 0];
      const found = problems.get(id);
      return {
        id,
        label: typeof fields.name === "string" && fields.name ? fields.name : id,
        type: type ? titleOf(type) : String(fields.type ?? ""),
        icon: type?.icon,
        x,
        y,
        problems: found?.map(wordsOf),
      };
    });
  }, [document, positions, kinds, problems]);
  const shown = useMemo(
    () => (compared ? marked(nodes, edges, compared.document, document, compared.positions) : { nodes, edges }),
    [compared, nodes, edges, document],
  );
  const drop = useCallback((type: string, at: Point, edge?: Added["edge"]) => void addTask(type, { at, edge }), []);
  const connectVoid = useCallback((from: string, side: "source" | "target", at: Point) => setAdding(side === "source" ? { at, after: from } : { at, before: from }), []);
  return (
    <>
      <Graph
        nodes={shown.nodes}
        edges={shown.edges}
        selected={selected}
        onSelect={select}
        editable={editable}
        onMove={move}
        onConnect={connectTasks}
        onConnectVoid={connectVoid}
        onDelete={remove}
        onDropType={editable ? drop : undefined}
        onOpen={focusPanel}
        fitKey={fitKey}
        viewport={start}
        onViewport={onViewport}
        reveal={selected.length === 1 ? selected[0] : null}
        label={t("graph.label")}
      >
        {compared && (
          <ul className="canvas-legend" aria-label={t("designer.version", { number: compared.base })}>
            {(["added", "changed", "removed"] as const).map((mark) => (
              <li key={mark} className={`is-${mark}`}>
                {t(`designer.mark_${mark}`)}
              </li>
            ))}
          </ul>
        )}
        {nodes.length === 0 && <p className="canvas-empty">{t("designer.empty")}</p>}
      </Graph>
      {adding && (
        <Dialog title={t("designer.add_connected")} onClose={() => setAdding(null)}>
          <Palette
            types={types}
            draggable={false}
            autoFocus
            onAdd={(type) => {
              addTask(type, adding);
              setAdding(null);
            }}
          />
        </Dialog>
      )}
    </>
  );
}

/** Go on in the side panel: by double click. */
export function focusPanel(): void {
  requestAnimationFrame(() => window.document.querySelector<HTMLElement>(".workbench-panel input, .workbench-panel textarea")?.focus());
}
