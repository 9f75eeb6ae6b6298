import { useQuery } from "@tanstack/react-query";
import { useMemo } from "react";

import { api } from "../lib/api";
import { t } from "../lib/i18n";
import { ErrorNote, Icon, lookOf, Spinner } from "../ui";
import { chooseTask, linkWith, setAddress, useParam } from "./address";
import { tookOf } from "./comparison";
import type { RunModel } from "./reducer";
import type { RunProps } from "./RunPage";
import type { Grid } from "./types";
import { useRows } from "./useRows";
import { duration, moment, stateWord } from "./words";

const ROW = 26;
const RUNS = 25;

/** The last runs of the DAG, oldest first, with the state of each task in each. */
export function GridView({ model, links }: { model: RunModel; links: RunProps["links"] }) {
  const { run } = model;
  const before = useParam("before");
  const grid = useQuery({
    queryKey: ["grid", run.dag_id, before, run.state],
    queryFn: () =>
      api.get("/dags/{dag_id}/grid", { path: { dag_id: run.dag_id }, query: { runs: RUNS, before: before ? Number(before) : undefined } }),
    refetchInterval: before ? false : 10_000,
    placeholderData: (last) => last,
  });
  if (grid.error) return <ErrorNote error={grid.error} onRetry={() => void grid.refetch()} />;
  if (!grid.data) return <Spinner />;
  return <Table grid={grid.data} model={model} links={links} before={before} />;
}

interface TableProps {
  grid: Grid;
  model: RunModel;
  links: RunProps["links"];
  before: string | null;
}

function Table({ grid, model, links, before }: TableProps) {
  const find = (useParam("find") ?? "").toLowerCase();
  const only = useParam("only");
  const chosen = useParam("task");
  const runs = useMemo(() => [...grid.runs].reverse(), [grid]);
  // What is on the screen of this run is newer than what was asked for.
  const live = useMemo(() => new Map(model.tasks.map((task) => [task.task_id, task.state as string])), [model.tasks]);
  const here = model.run.id;
  const places = useMemo(
    () => grid.tasks.flatMap((task, place) => (passes(task, place, grid, find, only) ? [place] : [])),
    [grid, find, only],
  );
  const rows = useRows(places.length, ROW);
  const longest = Math.max(1, ...runs.map((run) => lengthOf(run)));
  return (
    <div className="grid-view" data-testid="grid">
      <div className="ui-row grid-pages">
        <button type="button" className="ui-button" disabled={runs.length === 0} onClick={() => setAddress({ before: String(runs[0]?.id ?? "") })}>
          {t("run.grid.older")}
        </button>
        <button type="button" className="ui-button" disabled={!before} onClick={() => setAddress({ before: null })}>
          {t("run.grid.newest")}
        </button>
      </div>
      <div className="grid-scroll" ref={rows.ref} tabIndex={0} role="region" aria-label={t("run.view.grid")}>
        <table className="grid-table">
          <thead>
            <tr>
              <th scope="col" className="grid-name">{t("run.task")}</th>
              {runs.map((run) => (
                <th key={run.id} scope="col" className={run.id === here ? "is-here" : undefined}>
                  <a href={links.run.replace("/0/", `/${run.id}/`)} title={titleOf(run)} aria-label={titleOf(run)} aria-current={run.id === here ? "page" : undefined}>
                    <span className="grid-bar" style={{ height: 4 + (36 * lengthOf(run)) / longest, background: lookOf(run.state).colour }} />
                    <span className="grid-state" style={{ color: lookOf(run.state).colour }}><Icon name={lookOf(run.state).icon} size={12} /></span>
                    <span className="grid-number">{run.id}</span>
                  </a>
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {rows.above > 0 && <tr aria-hidden="true"><td style={{ height: rows.above }} /></tr>}
            {places.slice(rows.first, rows.last).map((place) => {
              const task = grid.tasks[place] ?? "";
              return (
                <tr key={task} className={task === chosen ? "is-chosen" : undefined}>
                  <th scope="row" className="grid-name">
                    <button type="button" className="run-plain-button" onClick={() => chooseTask(task)} disabled={!live.has(task)} title={task}>{task}</button>
                  </th>
                  {runs.map((run) => (
                    <Cell key={run.id} task={task} run={run.id} here={run.id === here} links={links} state={run.id === here ? (live.get(task) ?? null) : (run.cells[place] ?? null)} />
                  ))}
                </tr>
              );
            })}
            {rows.below > 0 && <tr aria-hidden="true"><td style={{ height: rows.below }} /></tr>}
          </tbody>
        </table>
      </div>
    </div>
  );
}

interface CellProps {
  task: string;
  run: number;
  here: boolean;
  state: string | null;
  links: RunProps["links"];
}

function Cell({ task, run, here, state, links }: CellProps) {
  if (state === null) return <td />;
  const label = `${task}, ${t("run.number", { id: String(run) })}: ${stateWord(state)}`;
  const href = here ? linkWith({ task }) : `${links.run.replace("/0/", `/${run}/`)}${linkWith({ task, before: null, at: null, attempt: null, line: null, tab: null })}`;
  return (
    <td className={here ? "is-here" : undefined}>
      <a className="grid-cell" href={href} aria-label={label} title={label} style={{ color: lookOf(state).colour }} data-state={state}>
        <Icon name={lookOf(state).icon} size={14} />
      </a>
    </td>
  );
}

function passes(task: string, place: number, grid: Grid, find: string, only: string | null): boolean {
  if (find && !task.toLowerCase().includes(find)) return false;
  return !only || grid.runs.some((run) => run.cells[place] === only);
}

function titleOf(run: Grid["runs"][number]): string {
  const parts = [t("run.number", { id: String(run.id) }), stateWord(run.state), moment(run.started_at ?? run.created_at)];
  return [...parts, duration(lengthOf(run)), `v${run.version}`].join(" · ");
}

function lengthOf(run: Grid["runs"][number]): number {
  return tookOf(run, Date.now()) ?? 0;
}
