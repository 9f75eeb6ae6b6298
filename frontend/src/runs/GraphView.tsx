import { useQuery } from "@tanstack/react-query";
import { useCallback, useEffect, useMemo, useState } from "react";

import { Graph } from "../graph/Graph";
import { completed } from "../graph/layered";
import type { GraphEdge, GraphNode, Positions, Viewport } from "../graph/types";
import { api } from "../lib/api";
import { t } from "../lib/i18n";
import { Spinner } from "../ui";
import { chooseTask, setAddress, useParam } from "./address";
import { useFiltered } from "./FilterBar";
import type { RunModel } from "./reducer";
import { ms, type TaskPicture } from "./types";
import { useNow } from "./useRun";
import { duration } from "./words";

/** The DAG with the states of this run. */
export function GraphView({ model }: { model: RunModel }) {
  const { run, tasks } = model;
  const positions = usePositions(model);
  const icons = useIcons();
  const nodes = useNodes(model, positions, icons);
  const shape = tasks.map((task) => task.upstream.join(",")).join(";");
  // The edges of a run never change; `shape` says so without comparing every task.
  const edges = useMemo(() => edgesOf(tasks), [shape]); // eslint-disable-line react-hooks/exhaustive-deps
  const chosen = useParam("task");
  const [viewport] = useState(() => readViewport(new URLSearchParams(window.location.search).get("at")));
  const focus = useFocus(tasks);
  const select = useCallback((ids: string[]) => {
    const task = ids.filter((id) => !id.includes("→")).at(-1);
    if (task) chooseTask(task, null);
  }, []);
  const selected = useMemo(() => (chosen ? [chosen] : []), [chosen]);
  if (!positions || !icons) return <Spinner />; // drawn once, with all that there is to draw
  return (
    <div className="run-graph">
      <Graph
        nodes={nodes}
        edges={edges}
        selected={selected}
        onSelect={select}
        viewport={viewport}
        onViewport={keepViewport}
        focus={focus}
        reveal={chosen}
        label={t("run.graph_of", { id: String(run.id) })}
      />
    </div>
  );
}

/** Enter in the search field brings the first task that was found into view. */
function useFocus(tasks: TaskPicture[]): string | null {
  const find = useParam("find");
  const found = useFiltered(tasks);
  const [focus, setFocus] = useState<string | null>(null);
  const first = find ? (found[0]?.task_id ?? null) : null;
  useEffect(() => {
    if (!first) return;
    const timer = window.setTimeout(() => setFocus(first), 400);
    return () => window.clearTimeout(timer);
  }, [first]);
  return focus;
}

function usePositions({ run, tasks }: RunModel): Positions | null {
  const layout = useQuery({
    queryKey: ["layout", run.dag_id, run.version],
    queryFn: () => api.get("/dags/{dag_id}/versions/{number}/layout", { path: { dag_id: run.dag_id, number: run.version } }),
    staleTime: Infinity,
    retry: 1,
  });
  const ids = tasks.length;
  const known = layout.data?.positions as Positions | undefined;
  const settled = !layout.isPending;
  return useMemo(
    () => (settled ? completed(tasks.map((task) => task.task_id), edgesOf(tasks), known ?? {}) : null),
    [known, settled, ids], // eslint-disable-line react-hooks/exhaustive-deps
  );
}

function useIcons(): Map<string, string> | null {
  const types = useQuery({ queryKey: ["task-types"], queryFn: () => api.get("/task-types"), staleTime: Infinity });
  const settled = !types.isPending;
  return useMemo(
    () => (settled ? new Map(types.data?.results.map((type) => [type.name, type.icon])) : null),
    [types.data, settled],
  );
}

function useNodes(model: RunModel, positions: Positions | null, icons: Map<string, string> | null): GraphNode[] {
  const { tasks, skew } = model;
  const now = useNow(skew, tasks.some((task) => task.state === "running"));
  const shown = useFiltered(tasks);
  const all = shown.length === tasks.length;
  return useMemo(() => {
    const passed = new Set(all ? [] : shown);
    if (!positions || !icons) return [];
    return tasks.map((task) => nodeOf(task, positions, icons, now, !all && !passed.has(task)));
  }, [tasks, positions, icons, now, all, shown]);
}

function nodeOf(task: TaskPicture, positions: Positions, icons: Map<string, string>, now: number, dim: boolean): GraphNode {
  const [x, y] = positions[task.task_id] ?? [0, 0];
  return {
    id: task.task_id,
    label: task.name || task.task_id,
    type: task.type,
    icon: icons.get(task.type),
    x,
    y,
    state: task.state,
    note: noteOf(task, now),
    dim,
  };
}

function noteOf(task: TaskPicture, now: number): string {
  const parts: string[] = [];
  const items = Object.values(task.items).reduce((sum, count) => sum + count, 0);
  if (task.mapped && items) parts.push(`${task.items.success ?? 0}/${items}`);
  const started = ms(task.started_at);
  const ended = ms(task.ended_at);
  if (started !== null && (ended !== null || task.state === "running")) parts.push(duration((ended ?? now) - started));
  if (task.attempt > 1) parts.push(t("run.attempt_n", { n: task.attempt }));
  if (task.held) parts.push(t("run.held"));
  return parts.join(" · ");
}

function edgesOf(tasks: TaskPicture[]): GraphEdge[] {
  return tasks.flatMap((task) => task.upstream.map((place) => ({ source: tasks[place]?.task_id ?? "", target: task.task_id })));
}

function keepViewport({ x, y, zoom }: Viewport): void {
  setAddress({ at: [Math.round(x), Math.round(y), zoom.toFixed(3)].join(",") });
}

function readViewport(text: string | null): Viewport | null {
  const [x, y, zoom] = (text ?? "").split(",").map(Number);
  return x !== undefined && y !== undefined && zoom && [x, y, zoom].every(Number.isFinite) ? { x, y, zoom } : null;
}
