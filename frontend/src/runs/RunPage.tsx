import { useQuery } from "@tanstack/react-query";
import { lazy, Suspense, useEffect, useMemo } from "react";

import { api } from "../lib/api";
import { t } from "../lib/i18n";
import type { PageProps } from "../lib/props";
import { ErrorNote, Spinner, Tabs } from "../ui";
import { chooseTask, setAddress, useParam, useView, type View, VIEWS } from "./address";
import { FilterBar } from "./FilterBar";
import { GraphView } from "./GraphView";
import "./run.css";
import { RunHead } from "./RunHead";
import type { Estimate } from "./types";
import { useRun } from "./useRun";

// The graph is what one comes for; the rest is fetched when it is first looked at.
const CompareView = lazy(async () => ({ default: (await import("./CompareView")).CompareView }));
const GanttView = lazy(async () => ({ default: (await import("./GanttView")).GanttView }));
const GridView = lazy(async () => ({ default: (await import("./GridView")).GridView }));
const TaskPanel = lazy(async () => ({ default: (await import("./TaskPanel")).TaskPanel }));

export interface RunProps extends PageProps {
  run: number;
  links: { run: string; dag: string; designer?: string; delete?: string; restore?: string };
}

const NOTHING: Estimate = { runs: 0, p50: null, p95: null, tasks: {} };

/** The page of a run: its head, one of its views, and beside it the chosen task. */
export function RunPage(props: RunProps) {
  const { model, line, error, again } = useRun(props.run);
  const view = useView();
  const task = useParam("task");
  const estimate = useQuery({
    queryKey: ["estimate", props.run],
    queryFn: () => api.get("/runs/{run_id}/estimate", { path: { run_id: props.run } }),
  });
  const chosen = useMemo(() => model?.tasks.find((one) => one.task_id === task), [model, task]);
  usePlainPart(view === "table" || (!model && Boolean(error)));
  const state = model?.run.state;
  useEffect(() => void document.dispatchEvent(new Event("celeriac:moved")), [state]); // the server's part asks again, too
  useEscape(chosen !== undefined);
  if (!model) return error ? <ErrorNote error={error} onRetry={again} /> : <Spinner />;
  const usual = estimate.data ?? NOTHING;
  return (
    <div className="run-page">
      <RunHead model={model} line={line} estimate={usual} props={props} onDone={again} />
      <Tabs
        tabs={VIEWS.map((id) => ({ id, label: t(`run.view.${id}`) }))}
        active={view}
        onChange={(id) => setAddress({ view: id === "graph" ? null : id }, true)}
        label={t("run.views")}
      >
        {view !== "table" && (
          <div className={chosen ? "run-main has-panel" : "run-main"}>
            <div className="run-view">
              {view !== "compare" && <FilterBar tasks={model.tasks} />}
              <Suspense fallback={<Spinner />}>
                <ViewOf view={view} props={props} model={model} estimate={usual} />
              </Suspense>
            </div>
            {chosen && (
              <Suspense fallback={<Spinner />}>
                <TaskPanel key={chosen.task_id} model={model} task={chosen} props={props} onDone={again} />
              </Suspense>
            )}
          </div>
        )}
      </Tabs>
    </div>
  );
}

interface ViewProps {
  view: View;
  props: RunProps;
  model: NonNullable<ReturnType<typeof useRun>["model"]>;
  estimate: Estimate;
}

function ViewOf({ view, props, model, estimate }: ViewProps) {
  if (view === "gantt") return <GanttView model={model} estimate={estimate} />;
  if (view === "grid") return <GridView model={model} links={props.links} />;
  if (view === "compare") return <CompareView model={model} links={props.links} />;
  return <GraphView model={model} />;
}

/** The part that the server draws, with the table of tasks and the events, is one of the views. */
function usePlainPart(shown: boolean): void {
  useEffect(() => {
    const part = document.getElementById("run-plain");
    if (!part) return;
    part.hidden = !shown; // its own script asks for nothing then
    part.classList.toggle("is-shown", shown);
  }, [shown]);
}

function useEscape(active: boolean): void {
  useEffect(() => {
    if (!active) return;
    const close = (event: KeyboardEvent) => {
      const typing = event.target instanceof HTMLElement && event.target.closest("input, select, textarea, dialog");
      if (event.key === "Escape" && !typing) chooseTask(null);
    };
    document.addEventListener("keydown", close);
    return () => document.removeEventListener("keydown", close);
  }, [active]);
}
